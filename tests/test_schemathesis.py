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

# Operations with rules that a schema cannot express. A valid request to any other operation must succeed,
# unless the object does not exist or the viewer is not logged in.
OTHER_RULES = {
    ("POST", "/products"): "cursors, inverted price ranges, prices of three decimals, texts without words",
    ("GET", "/products"): "the same",
    ("GET", "/product"): "exactly one of id, slug and sku",
    ("GET", "/orders"): "cursors",
    ("DELETE", "/cart"): "the same product in the query and in the body",
    ("POST", "/cart"): "the quantity in the cart and the added one together",
    ("POST", "/order"): "postal codes and phone numbers of each country, prices of three decimals",
    ("POST", "/auth/register"): "weak passwords",
    ("POST", "/auth/confirm"): "wrong codes",
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
    has_other_rules = (case.operation.method.upper(), case.operation.path) in OTHER_RULES
    case.call_and_validate(
        base_url=shop, excluded_checks=[positive_data_acceptance] if has_other_rules else []
    )


@graphql.parametrize()
@generated
def test_graphql_errors_have_expected_codes(case: schemathesis.Case, shop: str) -> None:
    response = case.call(base_url=f"{shop}/graphql").json()
    codes = {error["extensions"]["code"] for error in response.get("errors", ())}
    assert codes <= EXPECTED_CODES, response
