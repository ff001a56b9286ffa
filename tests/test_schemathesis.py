"""Requests that Schemathesis generates from the GraphQL schema and the OpenAPI document."""

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

# Error codes that a generated request of a guest may cause.
EXPECTED_CODES = {
    "INVALID",
    "INVALID_CURSOR",
    "NOT_FOUND",
    "OUT_OF_RANGE",
    "RATE_LIMITED",
    "TOO_COMPLEX",
    "TOO_LONG",
    "UNAUTHENTICATED",
}

generated = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def shop(live_server: LiveServer) -> str:
    """Return the URL of a running shop with one product."""
    make_product("dress", make_category("Clothes"), {"Color": "red"})
    return str(live_server.url)


@rest.parametrize()
@generated
def test_rest_responses_match_the_openapi_document(case: schemathesis.Case, shop: str) -> None:
    # A schema cannot express every rule, such as an inverted price range or an unknown category.
    case.call_and_validate(base_url=shop, excluded_checks=[positive_data_acceptance])


@graphql.parametrize()
@generated
def test_graphql_errors_have_expected_codes(case: schemathesis.Case, shop: str) -> None:
    response = case.call(base_url=f"{shop}/graphql").json()
    codes = {error["extensions"]["code"] for error in response.get("errors", ())}
    assert codes <= EXPECTED_CODES, response
