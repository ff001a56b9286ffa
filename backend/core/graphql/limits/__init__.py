"""Limits of one GraphQL request: depth, aliases, root fields, mutations, cost and list arguments."""

from backend.core.graphql.limits.budget import Budget
from backend.core.graphql.limits.directives import Constraint, Cost
from backend.core.graphql.limits.errors import (
    describe_exceeded_cost,
    describe_exceeded_size,
    make_too_complex_error,
)
from backend.core.graphql.limits.extension import QueryLimits
from backend.core.graphql.limits.operation_walk import MAX_ALIAS_LENGTH

__all__ = [
    "MAX_ALIAS_LENGTH",
    "Budget",
    "Constraint",
    "Cost",
    "QueryLimits",
    "describe_exceeded_cost",
    "describe_exceeded_size",
    "make_too_complex_error",
]
