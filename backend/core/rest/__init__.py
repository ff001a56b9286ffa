"""The REST interface: the API, the base classes of bodies, and the documentation."""

from backend.core.problems import Problem, declare_problems
from backend.core.rest.api import LOGIN_REQUIRED, ApiRequest, make_api
from backend.core.rest.schemas import (
    AnyId,
    Cursor,
    ObjectId,
    PageSize,
    QueryInteger,
    QueryPageSize,
    RelatedList,
    ResponseModel,
    StrictBody,
    StrictDecimal,
    StrictInteger,
    make_money_schema,
    parse_query_text,
)

__all__ = [
    "LOGIN_REQUIRED",
    "AnyId",
    "ApiRequest",
    "Cursor",
    "ObjectId",
    "PageSize",
    "Problem",
    "QueryInteger",
    "QueryPageSize",
    "RelatedList",
    "ResponseModel",
    "StrictBody",
    "StrictDecimal",
    "StrictInteger",
    "declare_problems",
    "make_api",
    "make_money_schema",
    "parse_query_text",
]
