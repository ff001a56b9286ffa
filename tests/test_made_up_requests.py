"""Requests made up from the two committed documents: whatever is sent, the shop answers as they tell."""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from pytest_django.live_server_helper import LiveServer
from schemathesis.specs.openapi.checks import positive_data_acceptance

from backend.api.graphql import schema
from backend.api.rest import api
from tests.catalog.factories import make_category, make_product

rest = schemathesis.openapi.from_dict(api.get_openapi_schema())
graphql = schemathesis.graphql.from_file(schema.as_str())

# Answers to be expected of made-up requests of a guest; any other one is a fault.
REFUSALS = {
    "INVALID",
    "INVALID_CURSOR",
    "NOT_FOUND",
    "OUT_OF_RANGE",
    "RATE_LIMITED",
    "TOO_COMPLEX",
    "TOO_LONG",
    "UNAUTHENTICATED",
}

made_up = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture
def shop(live_server: LiveServer) -> str:
    """Give the address of a running shop with something in it."""
    make_product("dress", make_category("Clothes"), {"Color": "red"})
    return str(live_server.url)


@rest.parametrize()
@made_up
def test_rest(case: schemathesis.Case, shop: str) -> None:
    # A schema cannot express every rule, such as an inverted price range or an unknown category.
    case.call_and_validate(base_url=shop, excluded_checks=[positive_data_acceptance])


@graphql.parametrize()
@made_up
def test_graphql(case: schemathesis.Case, shop: str) -> None:
    answer = case.call(base_url=f"{shop}/graphql").json()
    codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
    assert codes <= REFUSALS, answer
