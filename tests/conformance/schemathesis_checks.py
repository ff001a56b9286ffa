"""Checks of Schemathesis that know the rules which the schemas of the two APIs cannot express."""

import schemathesis
from requests import Response
from schemathesis.checks import CheckContext
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi.checks import positive_data_acceptance

# Refusals of requests that match the OpenAPI document, by operation, code and field.
REST_RULES = {
    ("DELETE /cart", "INVALID", "product_id"): "the same product in the query and in the body",
    ("GET /orders", "INVALID_CURSOR", "cursor"): "cursors come from earlier responses",
    ("GET /wishlist", "INVALID_CURSOR", "cursor"): "cursors come from earlier responses",
    ("GET /product", "INVALID", "id"): "exactly one of id, slug and sku",
    ("GET /brand", "INVALID", "id"): "exactly one of id and slug",
    ("GET /products", "TOO_LONG", "characteristics"): "at most 50 values of one characteristic",
    ("POST /auth/confirm", "WRONG_CODE", "code"): "codes come from mails",
    ("POST /auth/register", "WEAK_PASSWORD", "password"): "passwords are not common or numeric",
    ("POST /cart", "OUT_OF_RANGE", "quantity"): "the quantity that is in the cart counts too",
    ("POST /order", "INVALID", "email"): "required of guests, refused from accounts",
    ("POST /order", "INVALID", "contact"): "required of guests",
    ("POST /order", "OUT_OF_RANGE", "expected_total"): "numbers have at most two decimals",
    ("POST /order", "TOO_LONG", "email"): "the domain in ASCII can be longer",
    ("POST /order", "INVALID", "address_id"): "either a saved address, or a contact and a delivery address",
    ("POST /order", "INVALID", "comment"): "no control characters",
    ("POST /wishlist", "INVALID", "notify"): "the product is sold out",
    **{
        (operation, "INVALID", field): reason
        for operation in ("POST /order", "POST /addresses", "PUT /addresses")
        for field, reason in (
            ("contact.phone", "phone numbers exist"),
            ("delivery_address.country", "countries exist"),
            ("delivery_address.city", "most countries have cities"),
            ("delivery_address.postal_code", "postal codes have the form of the country"),
            ("delivery_address.line1", "no control characters"),
            ("delivery_address.line2", "no control characters"),
            ("contact.name", "no control characters"),
            ("label", "no control characters"),
        )
    },
    **{
        (f"{method} /products", code, field): reason
        for method in ("GET", "POST")
        for code, field, reason in (
            ("INVALID_CURSOR", "cursor", "cursors come from earlier responses"),
            ("INVALID", "search", "a search contains a letter or digit of any script"),
            ("OUT_OF_RANGE", "price_min", "at most two decimals, and not above price_max"),
            ("OUT_OF_RANGE", "price_max", "numbers have at most two decimals"),
        )
    },
}

# Codes of top-level errors that a GraphQL request which matches the schema may cause.
GRAPHQL_CODES = {
    "INVALID": "exactly one of two arguments, such as id and slug",
    "INVALID_CURSOR": "cursors come from earlier responses",
    "NOT_FOUND": "objects of generated ids",
    "OUT_OF_RANGE": "bounds of numbers: GraphQL has no type for them",
    "RATE_LIMITED": "generated requests are faster than shoppers",
    "TOO_COMPLEX": "queries that cost too much",
    "TOO_LONG": "bounds of texts: GraphQL has no type for them",
    "UNAUTHENTICATED": "fields of customers, asked for by a guest",
}


@schemathesis.check
def rest_refusal_is_expected(ctx: CheckContext, response: Response, case: schemathesis.Case) -> bool | None:
    """Accept requests that match the OpenAPI document, unless a named rule refuses them."""
    try:
        return positive_data_acceptance(ctx, response, case)
    except RejectedPositiveData:
        problem = response.json()
        if (case.operation.label, problem["code"], problem["field"]) not in REST_RULES:
            raise
    return None


@schemathesis.check
def graphql_errors_are_expected(ctx: CheckContext, response: Response, case: schemathesis.Case) -> None:
    """Refuse requests that match the GraphQL schema by named codes only."""
    errors = response.json().get("errors", ())
    unexpected = {error["extensions"]["code"] for error in errors} - GRAPHQL_CODES.keys()
    assert not unexpected, f"unexpected error codes {unexpected}"
