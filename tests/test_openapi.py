"""The OpenAPI document: validity, security, bounds that the server enforces, and examples that succeed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client
from openapi_spec_validator import OpenAPIV31SpecValidator
from pytest_django import Settings

from backend.accounts.email_addresses import MAX_EMAIL_LENGTH
from backend.addresses.models import SavedAddress
from backend.api.rest import api
from backend.carts.models import MAX_QUANTITY
from backend.catalog.selectors import MAX_SEARCH_LENGTH
from backend.core.pagination import MAX_PAGE_SIZE
from backend.orders.services import MAX_IDEMPOTENCY_KEY_LENGTH
from tests.accounts.cases import clear_redis
from tests.carts.factories import make_promo_code
from tests.catalog.factories import make_category, make_product
from tests.support.people import make_user, open_session_token
from tests.support.shopping import RestShopper

DOCUMENT = json.loads(json.dumps(api.get_openapi_schema()))
# Bodies without examples of their own: a code from a mail and a token are different every time.
WITHOUT_EXAMPLE = {"authConfirm", "authRefresh"}

Schema = dict[str, Any]


def resolve(schema: Schema) -> Schema:
    """Return the schema that a reference, or the only alternative beside null, stands for.

    Keywords beside a reference are kept.
    """
    while True:
        options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
        if "$ref" in schema:
            found = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            schema = found | {key: value for key, value in schema.items() if key != "$ref"}
        elif len(schema.get("allOf", ())) == 1:
            schema = schema["allOf"][0]
        elif len(options) == 1:
            schema = {key: value for key, value in schema.items() if key != "anyOf"} | options[0]
        else:
            return schema


def operations() -> dict[str, tuple[str, str, Schema]]:
    """Return method, path and description of each operation, by its id."""
    return {
        operation["operationId"]: (method, path, operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }


OPERATIONS = operations()


def body_schema(operation: Schema) -> Schema | None:
    body = operation.get("requestBody")
    return resolve(body["content"]["application/json"]["schema"]) if body else None


def example_body(schema: Schema) -> Any:
    """Return the example of a body, made of the examples of its fields unless it has its own."""
    if "examples" in schema:
        return schema["examples"][0]
    examples = {name: resolve(part).get("examples") for name, part in schema["properties"].items()}
    return {name: example[0] for name, example in examples.items() if example}


def send(
    operation_id: str,
    *,
    body: Any = None,
    query: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    client: Client | None = None,
) -> HttpResponse:
    method, path, _ = OPERATIONS[operation_id]
    return (client or Client()).generic(
        method.upper(),
        path,
        "" if body is None else json.dumps(body),
        content_type="application/json",
        query_params=query or {},
        headers=headers or {},
    )


# The document


def test_document_is_valid() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []
    assert DOCUMENT["servers"]
    used = {tag for _, _, operation in OPERATIONS.values() for tag in operation["tags"]}
    assert used == {tag["name"] for tag in DOCUMENT["tags"]}


def test_operation_ids_begin_with_the_resource() -> None:
    assert len(OPERATIONS) == sum(len(methods) for methods in DOCUMENT["paths"].values())
    for operation_id, (_, path, _) in OPERATIONS.items():
        resource = path.split("/")[1]
        assert operation_id.startswith((resource, f"{resource}s"))
        assert re.fullmatch("[a-z]+([A-Z][a-z]+){1,2}", operation_id)


def test_every_schema_is_used_and_every_field_described() -> None:
    text = json.dumps(DOCUMENT)
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert f'"#/components/schemas/{name}"' in text
        if name in ("Problem", "FieldProblem"):
            continue
        for field, part in schema.get("properties", {}).items():
            assert part.get("description"), f"{name}.{field}"
    for operation_id, (_, _, operation) in OPERATIONS.items():
        for parameter in operation["parameters"]:
            assert parameter.get("description"), f"{operation_id} {parameter['name']}"


def test_parameter_is_left_out_rather_than_null() -> None:
    for _, _, operation in OPERATIONS.values():
        for parameter in operation["parameters"]:
            assert '"null"' not in json.dumps(parameter)
            assert not isinstance(parameter.get("examples"), list)


@pytest.mark.django_db
def test_security_states_who_can_call_an_operation() -> None:
    clear_redis()
    make_product("dress", make_category("Clothes"))
    token = [{"AccessToken": []}]
    for operation_id, (_, _, operation) in OPERATIONS.items():
        schema = body_schema(operation)
        number, id = ("orderGet", "orderCancel"), ("addressesDelete", "addressesSetDefault")
        request = {
            "body": example_body(schema) if schema else None,
            "query": {"number": "1"}
            if operation_id in number
            else {"id": "1"}
            if operation_id in id
            else None,
        }
        # A guest has the token of an order.
        headers = {"X-Order-Token": "x" * 43}
        guest = send(operation_id, **request, headers=headers)
        invalid = send(operation_id, **request, headers=headers | {"Authorization": "Bearer x"})
        # Login returns 401 for wrong credentials.
        guest_is_refused = guest.status_code == 401 and guest.json()["code"] == "UNAUTHENTICATED"
        token_is_read = invalid.status_code == 401 and invalid.json()["code"] == "TOKEN_INVALID"
        expected = token if guest_is_refused else [{}, *token] if token_is_read else []
        assert operation["security"] == expected, operation_id


# Bounds


def test_bounds_are_those_of_the_services() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    def parameter(operation_id: str, name: str) -> Schema:
        (found,) = (item for item in OPERATIONS[operation_id][2]["parameters"] if item["name"] == name)
        return resolve(found["schema"])

    for schema, bounds in (
        (schemas["AddedLine"]["properties"]["quantity"], {"minimum": 1, "maximum": MAX_QUANTITY}),
        (schemas["ChangedLine"]["properties"]["quantity"], {"minimum": 0, "maximum": MAX_QUANTITY}),
        (schemas["ProductsBody"]["properties"]["limit"], {"minimum": 1, "maximum": MAX_PAGE_SIZE}),
        (parameter("productsList", "limit"), {"minimum": 1, "maximum": MAX_PAGE_SIZE}),
        (parameter("ordersList", "limit"), {"minimum": 1, "maximum": MAX_PAGE_SIZE}),
        (parameter("recommendationsList", "limit"), {"minimum": 1, "maximum": 50}),
        (parameter("productsList", "search"), {"minLength": 1, "maxLength": MAX_SEARCH_LENGTH}),
        (
            resolve(schemas["ProductsBody"]["properties"]["search"]),
            {"minLength": 1, "maxLength": MAX_SEARCH_LENGTH},
        ),
        (schemas["Registration"]["properties"]["email"], {"format": "email", "maxLength": MAX_EMAIL_LENGTH}),
        (schemas["Registration"]["properties"]["password"], {"minLength": 8, "maxLength": 256}),
        (
            parameter("orderCreate", "Idempotency-Key"),
            {"minLength": 1, "maxLength": MAX_IDEMPOTENCY_KEY_LENGTH},
        ),
        (parameter("orderCreate", "X-Cart-Token"), {"pattern": "^([A-Za-z0-9_-]{43})?$"}),
        (
            resolve(schemas["OrderBody"]["properties"]["email"]),
            {"format": "email", "maxLength": MAX_EMAIL_LENGTH},
        ),
        (schemas["OrderBody"]["properties"]["comment"], {"maxLength": 1000}),
        (schemas["ContactBody"]["properties"]["name"], {"minLength": 1, "maxLength": 150}),
        (schemas["AddressBody"]["properties"]["postal_code"], {"maxLength": 20}),
        (schemas["AddressBody"]["properties"]["country"], {"pattern": "^[A-Z]{2}$"}),
    ):
        assert schema.items() >= bounds.items(), schema
    assert schemas["ContactBody"]["required"] == ["name", "phone"]
    assert schemas["AddressBody"]["required"] == ["line1", "country"]


def violations(schema: Schema) -> Iterator[Any]:
    """Return values that are just outside the bounds of a schema."""
    if "maxLength" in schema:
        yield "1" * (schema["maxLength"] + 1)
    if schema.get("minLength"):
        yield ""
    if "minimum" in schema:
        yield schema["minimum"] - 1
    if "maximum" in schema:
        yield schema["maximum"] + 1
    if "maxItems" in schema:
        yield ["Color:red"] * (schema["maxItems"] + 1)
    if "maxProperties" in schema:
        yield {f"Name {number}": "x" for number in range(schema["maxProperties"] + 1)}
    if "enum" in schema:
        yield "?"
    if "pattern" in schema and schema.get("type") == "string":
        yield next(text for text in ("?", " ") if not re.search(schema["pattern"], text))
    for part in [*schema.get("anyOf", ())] if len(schema.get("anyOf", ())) > 1 else []:
        if part.get("type") in ("number", "integer"):
            yield from violations(part)


def fields_of(schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Return the fields of a body at any depth."""
    for name, part in schema["properties"].items():
        part = resolve(part)
        if "properties" in part:
            yield from fields_of(part, (*path, name))
        else:
            yield (*path, name), part


def replace(body: Any, path: tuple[str, ...], value: Any) -> Any:
    name, *rest = path
    return body | {name: replace(body[name], tuple(rest), value) if rest else value}


@pytest.mark.django_db
@pytest.mark.parametrize("operation_id", sorted(OPERATIONS))
def test_values_outside_the_bounds_are_refused(operation_id: str) -> None:
    clear_redis()
    make_product("dress", make_category("Electronics"), {"Color": "red"})
    _, _, operation = OPERATIONS[operation_id]
    schema = body_schema(operation)
    body = example_body(schema) if schema else None
    headers = {"Authorization": f"Bearer {open_session_token(make_user())}"}
    requests = []
    for parameter in operation["parameters"]:
        for value in violations(resolve(parameter["schema"])):
            if parameter["in"] == "header":
                query = {
                    other["name"]: 1
                    for other in operation["parameters"]
                    if other["in"] == "query" and other["required"]
                }
                request = {"body": body, "query": query, "headers": headers | {parameter["name"]: value}}
            else:
                request = {"query": {parameter["name"]: value}, "headers": headers}
            requests.append((parameter["name"], value, request))
    for path, part in fields_of(schema) if schema else ():
        for value in violations(part):
            complete = {"refresh_token": "x", "code": "000000"} if operation_id in WITHOUT_EXAMPLE else {}
            complete = {name: complete[name] for name in complete if name in schema["properties"]}
            request = {"body": replace(complete | body, path, value), "headers": headers}
            requests.append((".".join(path), value, request))
    for field, value, request in requests:
        response = send(operation_id, **request)
        problem = response.json()
        assert response.status_code in (404, 422), (field, str(value)[:50], problem)
        assert problem["field"] == field, (str(value)[:50], problem)


# Examples


@pytest.fixture
def sample_shop(settings: Settings, tmp_path: Path) -> None:
    """Load the sample catalogue, whose ids begin with 1, and register the account of the examples."""
    settings.MEDIA_ROOT = tmp_path / "media"
    clear_redis()
    call_command("load_sample_catalogue", verbosity=0)
    make_user("anna@example.com", "correct horse battery")


def examples_of(operation: Schema) -> Iterator[dict[str, Any]]:
    """Return a request for each example of an operation, and one without optional values."""
    schema = body_schema(operation)
    body = example_body(schema) if schema else None
    yield {"body": body}
    if schema:
        for name, part in schema["properties"].items():
            for example in resolve(part).get("examples", ()):
                yield {"body": body | {name: example}}
    for parameter in operation["parameters"]:
        part = resolve(parameter["schema"])
        for example in part.get("examples", ()):
            yield {"query": {parameter["name"]: example}, "body": body}
        if examples := part.get("items", {}).get("examples"):
            yield {"query": {parameter["name"]: examples}, "body": body}


@pytest.mark.django_db(transaction=True, reset_sequences=True)
@pytest.mark.usefixtures("sample_shop")
def test_every_example_succeeds() -> None:
    assert "anna@example.com" in json.dumps(DOCUMENT)
    make_promo_code("SPRING10")
    user = make_user()
    shopper = RestShopper(user)
    tried = 0
    for operation_id, (_, _, operation) in OPERATIONS.items():
        if operation_id in WITHOUT_EXAMPLE:
            continue
        for request in examples_of(operation):
            clear_redis()
            shopper.add(1)
            if operation_id in ("productGet", "brandGet") and not request.get("query"):
                continue
            if operation_id in ("orderGet", "orderCancel"):
                request["query"] = {"number": shopper.order().data["number"]}
            if operation_id == "wishlistRemove":
                request["query"] = {"product_id": 1}
            if operation_id in ("addressesUpdate", "addressesDelete", "addressesSetDefault"):
                SavedAddress.objects.update_or_create(
                    pk=1, defaults={"user": user, "name": "Anna", "line1": "Nevsky prospekt 28"}
                )
                request["query"] = {"id": 1}
            headers = {"Authorization": f"Bearer {open_session_token(user)}"} if operation["security"] else {}
            response = send(operation_id, **request, headers=headers)
            expected = min(int(status) for status in operation["responses"])
            assert response.status_code == expected, (operation_id, request, response.content)
            tried += 1
    assert tried > 25


@pytest.mark.django_db(transaction=True, reset_sequences=True)
@pytest.mark.usefixtures("sample_shop")
def test_filters_of_the_examples_find_products() -> None:
    """Otherwise Swagger UI would show an empty list."""
    for request in examples_of(OPERATIONS["productsSearch"][2]):
        assert send("productsSearch", **request).json()["total"], request


def test_languages_are_those_of_the_settings() -> None:
    language = DOCUMENT["components"]["schemas"]["Registration"]["properties"]["language"]
    assert language["anyOf"][0]["enum"] == [code for code, _ in settings.LANGUAGES]
