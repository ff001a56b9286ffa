"""The REST edge: the API, the base classes of bodies, and the documentation."""

from backend.core.problems import Problem, problems
from backend.core.rest.api import LOGIN_REQUIRED, ApiRequest, make_api
from backend.core.rest.schemas import RelatedList, ResponseModel, StrictBody

__all__ = [
    "LOGIN_REQUIRED",
    "ApiRequest",
    "Problem",
    "RelatedList",
    "ResponseModel",
    "StrictBody",
    "make_api",
    "problems",
]
