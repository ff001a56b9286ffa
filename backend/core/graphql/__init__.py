"""The GraphQL edge: the view, the errors, the limits and the types that every app's schema shares."""

from strawberry_django import field as column
from strawberry_django.fields.field import StrawberryDjangoField as Column

from backend.core.graphql.context import Batch, Context, Info
from backend.core.graphql.errors import UserError, refusals_as_payload
from backend.core.graphql.limits import Constraint, Cost
from backend.core.graphql.pages import Edge, PageInfo, edges_of
from backend.core.graphql.schema import make_schema
from backend.core.graphql.view import GraphQLView

__all__ = [
    "Batch",
    "Column",
    "Constraint",
    "Context",
    "Cost",
    "Edge",
    "GraphQLView",
    "Info",
    "PageInfo",
    "UserError",
    "column",
    "edges_of",
    "make_schema",
    "refusals_as_payload",
]
