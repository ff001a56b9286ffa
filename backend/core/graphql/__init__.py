"""The GraphQL interface: the view, the errors, the limits and the types that all apps share."""

from backend.core.graphql.context import Batch, Context, Info
from backend.core.graphql.enums import describe_enum
from backend.core.graphql.errors import UserError, refusals_as_payload
from backend.core.graphql.limits import Constraint, Cost
from backend.core.graphql.node import Node, NodeQuery, parse_object_id
from backend.core.graphql.pages import After, Before, Edge, First, Last, PageInfo, make_edges
from backend.core.graphql.schema import make_schema
from backend.core.graphql.view import GraphQLView

__all__ = [
    "After",
    "Batch",
    "Before",
    "Constraint",
    "Context",
    "Cost",
    "Edge",
    "First",
    "GraphQLView",
    "Info",
    "Last",
    "Node",
    "NodeQuery",
    "PageInfo",
    "UserError",
    "describe_enum",
    "make_edges",
    "make_schema",
    "parse_object_id",
    "refusals_as_payload",
]
