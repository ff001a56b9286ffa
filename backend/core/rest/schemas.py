"""Base classes of request and response bodies."""

from ninja import Schema
from pydantic import BaseModel, BeforeValidator, ConfigDict


class ResponseModel(BaseModel):
    """A response body, read from the attributes of the object that a service returns.

    Pydantic's own model: Ninja's `Schema` reads every attribute through a chain of Python calls.
    """

    model_config = ConfigDict(from_attributes=True)


# The rows of a prefetched relation to many.
RelatedList = BeforeValidator(lambda relation: list(relation.all()))


class StrictBody(Schema):
    """A request body that must not contain unknown fields."""

    model_config = ConfigDict(extra="forbid")
