"""Clients for the cart and the orders of one shopper, with one interface for both APIs."""

import json
import re
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from itertools import count
from typing import Any

from django.http import HttpResponse
from django.test import Client
from strawberry.utils.str_converters import to_camel_case

from backend.accounts.models import User
from backend.core.errors import ErrorCode
from backend.core.graphql import parse_object_id
from tests.support.clients import GraphQLClient
from tests.support.people import open_session_token

_numbers = count(1)

# The fields that both APIs return of a product in a list.
PRODUCT = """
    id: databaseId sku slug name description price compareAtPrice isOnSale isNew currency
    inStock availableQuantity
    brand { id: databaseId name slug }
    category { id: databaseId name slug } image { url alt width height srcset }
    characteristics { name value unit }
"""
CART = f"""
    lines {{ product {{ {PRODUCT} }} quantity unitPrice lineTotal discount isAvailable }}
    totalQuantity subtotal discount total promoCode currency warnings {{ code message productId }} token
"""
ORDER = """
    number status subtotal discount total promoCode currency placedAt comment isCancellable
    trackingNumber trackingUrl
    lines { product { id: databaseId } sku name unitPrice quantity cancelledQuantity lineTotal discount }
    contact { name phone phoneAsTyped } deliveryAddress { line1 line2 city postalCode country }
    history { status changedAt }
"""
_CART_PAYLOAD = f"cart {{ {CART} }} errors {{ code message field }}"
_ORDER_PAYLOAD = f"order {{ {ORDER} }} token errors {{ code message field }}"


@dataclass(frozen=True)
class ApiResponse:
    """A response of either API.

    Attributes:
        code: the error code; None on success.
        field: the field that the error is about, by its REST name.
        data: the cart, the order or the page of orders, with REST names.
        others: codes and fields of the errors after the first one.
    """

    status: int
    code: str | None = None
    field: str | None = None
    message: str | None = None
    data: Any = None
    others: tuple[tuple[str, str | None], ...] = ()


def _new_address() -> str:
    """Return a different address for each shopper, because new guest carts are limited per address."""
    return str(IPv4Address("10.0.0.0") + next(_numbers))


class Shopper:
    """A client of one of the two APIs.

    Args:
        user: the account whose access token is sent; None for a guest.
        cart_token: sent with every request; a guest uses the token of the cart that they create.
        address: the client's IP address; another one for each shopper if None.

    Attributes:
        order_tokens: the tokens of a guest's own orders by number.
    """

    api: str

    def __init__(
        self, user: User | None = None, cart_token: str | None = None, address: str | None = None
    ) -> None:
        self.client = Client(REMOTE_ADDR=address or _new_address())
        self.access_token = open_session_token(user) if user else None
        self.cart_token = cart_token
        self.order_tokens: dict[str, str] = {}

    @property
    def headers(self) -> dict[str, str]:
        headers = {}
        if self.access_token is not None:
            headers["Authorization"] = f"Bearer {self.access_token}"
        if self.cart_token is not None:
            headers["X-Cart-Token"] = self.cart_token
        return headers

    def cart(self) -> ApiResponse:
        raise NotImplementedError

    def add(self, product_id: Any, quantity: Any = 1) -> ApiResponse:
        return self.add_line({"product_id": product_id, "quantity": quantity})

    def add_line(self, line: dict[str, Any]) -> ApiResponse:
        raise NotImplementedError

    def set(self, product_id: Any, quantity: Any) -> ApiResponse:
        return self.set_line({"product_id": product_id, "quantity": quantity})

    def set_line(self, line: dict[str, Any]) -> ApiResponse:
        raise NotImplementedError

    def remove(self, product_id: Any) -> ApiResponse:
        raise NotImplementedError

    def clear(self) -> ApiResponse:
        raise NotImplementedError

    def apply_code(self, code: Any) -> ApiResponse:
        raise NotImplementedError

    def remove_code(self) -> ApiResponse:
        raise NotImplementedError

    def order(self, fields: dict[str, Any] | None = None, key: str | None = None) -> ApiResponse:
        """Order the cart; `fields` are those of the REST body."""
        raise NotImplementedError

    def orders(self, **page: Any) -> ApiResponse:
        """List the orders; `limit` and `cursor` select the page."""
        raise NotImplementedError

    def read(self, number: str, token: str | None = None) -> ApiResponse:
        """Read an order, with a token as the order of a guest."""
        raise NotImplementedError

    def cancel(self, number: str, token: str | None = None) -> ApiResponse:
        """Cancel an order, with a token as the order of a guest."""
        raise NotImplementedError

    def read_own(self, number: str) -> ApiResponse:
        """Read an order of this account or guest."""
        return self.read(number, self.order_tokens.get(number))

    def cancel_own(self, number: str) -> ApiResponse:
        """Cancel an order of this account or guest."""
        return self.cancel(number, self.order_tokens.get(number))

    def _remember_token(self, response: ApiResponse) -> ApiResponse:
        if self.access_token is None and response.data and "total_quantity" in response.data:
            self.cart_token = response.data["token"] or self.cart_token
        return response

    def _remember_order_token(self, response: ApiResponse) -> ApiResponse:
        """Remove the token from a created order, which has the same fields whenever it is read."""
        if response.data is not None:
            token = response.data.pop("token")
            if token is not None:
                self.order_tokens[response.data["number"]] = token
        return response


class RestShopper(Shopper):
    api = "REST"

    def cart(self) -> ApiResponse:
        return self.send("GET", "/cart")

    def add_line(self, line: dict[str, Any]) -> ApiResponse:
        return self.send("POST", "/cart", line)

    def set_line(self, line: dict[str, Any]) -> ApiResponse:
        return self.send("PUT", "/cart", line)

    def remove(self, product_id: Any) -> ApiResponse:
        return self.send("DELETE", "/cart", {"product_id": product_id})

    def clear(self) -> ApiResponse:
        return self.send("DELETE", "/cart")

    def apply_code(self, code: Any) -> ApiResponse:
        return self.send("POST", "/cart/promo-code", {"code": code})

    def remove_code(self) -> ApiResponse:
        return self.send("DELETE", "/cart/promo-code")

    def order(self, fields: dict[str, Any] | None = None, key: str | None = None) -> ApiResponse:
        headers = {"Idempotency-Key": key} if key is not None else {}
        return self._remember_order_token(self.send("POST", "/order", fields, **headers))

    def orders(self, **page: Any) -> ApiResponse:
        return self.send("GET", "/orders", page)

    def read(self, number: str, token: str | None = None) -> ApiResponse:
        return self.send("GET", "/order", {"number": number}, **_order_token_header(token))

    def cancel(self, number: str, token: str | None = None) -> ApiResponse:
        return self.send("POST", "/order/cancel", query={"number": number}, **_order_token_header(token))

    def send(
        self,
        method: str,
        path: str,
        parameters: dict[str, Any] | None = None,
        query: dict[str, Any] | None = None,
        **headers: str,
    ) -> ApiResponse:
        """Send a request; `parameters` are the query of a GET, else the body."""
        response = self.client.generic(
            method,
            path,
            "" if parameters is None or method == "GET" else json.dumps(parameters),
            content_type="application/json",
            headers=self.headers | headers,
            query_params=(parameters if method == "GET" else query) or {},
        )
        return self._remember_token(self._parse(response))

    @staticmethod
    def _parse(response: HttpResponse) -> ApiResponse:
        body = response.json()
        if response.status_code < 400:
            return ApiResponse(response.status_code, data=_without_renditions(body))
        assert response["Content-Type"] == "application/problem+json", response.content
        first, *others = body["errors"]
        assert first == {name: body[name] for name in first}
        return ApiResponse(
            response.status_code,
            body["code"],
            body["field"],
            body["detail"],
            others=tuple((error["code"], error["field"]) for error in others),
        )


class GraphQLShopper(Shopper):
    api = "GraphQL"

    def cart(self) -> ApiResponse:
        return self.execute(f"{{ cart {{ {CART} }} }}")

    def add_line(self, line: dict[str, Any]) -> ApiResponse:
        return self.add_lines([line])

    def add_lines(self, lines: list[dict[str, Any]]) -> ApiResponse:
        return self._lines("cartLinesAdd", "CartLineInput", lines)

    def set_line(self, line: dict[str, Any]) -> ApiResponse:
        return self.set_lines([line])

    def set_lines(self, lines: list[dict[str, Any]]) -> ApiResponse:
        return self._lines("cartLinesUpdate", "CartLineUpdateInput", lines)

    def remove(self, product_id: Any) -> ApiResponse:
        return self.remove_all([product_id])

    def remove_all(self, product_ids: list[Any]) -> ApiResponse:
        return self.execute(
            f"mutation($productIds: [ID!]!) {{ "
            f"cartLinesRemove(productIds: $productIds) {{ {_CART_PAYLOAD} }} }}",
            {"productIds": product_ids},
        )

    def clear(self) -> ApiResponse:
        return self.execute(f"mutation {{ cartClear {{ {_CART_PAYLOAD} }} }}")

    def apply_code(self, code: Any) -> ApiResponse:
        return self.execute(
            f"mutation($code: String!) {{ cartPromoCodeApply(code: $code) {{ {_CART_PAYLOAD} }} }}",
            {"code": code},
        )

    def remove_code(self) -> ApiResponse:
        return self.execute(f"mutation {{ cartPromoCodeRemove {{ {_CART_PAYLOAD} }} }}")

    def order(self, fields: dict[str, Any] | None = None, key: str | None = None) -> ApiResponse:
        input_fields = _to_camel_case(fields or {}) | ({"idempotencyKey": key} if key is not None else {})
        response = self.execute(
            f"mutation($input: OrderInput) {{ orderCreate(input: $input) {{ {_ORDER_PAYLOAD} }} }}",
            {"input": input_fields} if input_fields else {},
        )
        if response.code is None:
            response = ApiResponse(201, data=response.data)
        return self._remember_order_token(response)

    def orders(self, **page: Any) -> ApiResponse:
        return self.execute(
            f"""query($first: Int, $after: String) {{ me {{ orders(first: $first, after: $after) {{
                nodes {{ {ORDER} }} pageInfo {{ hasNextPage endCursor }}
            }} }} }}""",
            {"first": page.get("limit", 20), "after": page.get("cursor")},
        )

    def read(self, number: str, token: str | None = None) -> ApiResponse:
        if token is not None:
            response = self.execute(
                "query($number: String!, $token: String!) { "
                f"order(number: $number, token: $token) {{ {ORDER} }} }}",
                {"number": number, "token": token},
            )
            # REST returns an error where GraphQL returns null.
            return response if response.data or response.code else _error(ErrorCode.NOT_FOUND, ["number"], "")
        return self.execute(
            f"query($number: String!) {{ me {{ order(number: $number) {{ {ORDER} }} }} }}", {"number": number}
        )

    def cancel(self, number: str, token: str | None = None) -> ApiResponse:
        response = self.execute(
            f"mutation($number: String!, $token: String) {{ "
            f"orderCancel(number: $number, token: $token) {{ {_ORDER_PAYLOAD} }} }}",
            {"number": number, "token": token},
        )
        if response.data is not None:
            assert response.data.pop("token") is None
        return response

    def execute(self, query: str, variables: dict[str, Any] | None = None) -> ApiResponse:
        """Send an operation with one field and return its response with REST names."""
        response = GraphQLClient(self.client).post(query, variables or {}, **self.headers)
        body = response.json()
        takes_lines = bool(variables) and not variables.keys().isdisjoint(("lines", "productIds"))
        if errors := body.get("errors"):
            assert not any((body.get("data") or {}).values()), body
            extensions = errors[0]["extensions"]
            message = errors[0]["message"]
            return _error(extensions["code"], extensions["field"], message, takes_lines=takes_lines)
        (found,) = body["data"].values()
        if found and "errors" in found:
            if found["errors"]:
                first, *others = (
                    _error(error["code"], error["field"], error["message"], takes_lines=takes_lines)
                    for error in found.pop("errors")
                )
                assert not any(found.values()), found
                return replace(first, others=tuple((error.code, error.field) for error in others))
            order_token = {"token": found.pop("token")} if "token" in found else {}
            (found,) = (value for name, value in found.items() if name in ("cart", "order"))
            found |= order_token
        elif found and "orders" in found:
            page = found["orders"]["pageInfo"]
            found = {
                "items": found["orders"]["nodes"],
                "next_cursor": page["endCursor"] if page["hasNextPage"] else None,
            }
        elif found and "order" in found:
            found = found["order"]
            if found is None:
                # REST returns an error where GraphQL returns null.
                return _error(ErrorCode.NOT_FOUND, ["number"], "")
        return self._remember_token(ApiResponse(response.status_code, data=_to_rest(found)))

    def _lines(self, mutation: str, kind: str, lines: list[dict[str, Any]]) -> ApiResponse:
        return self.execute(
            f"mutation($lines: [{kind}!]!) {{ {mutation}(lines: $lines) {{ {_CART_PAYLOAD} }} }}",
            {"lines": [_to_camel_case(line) for line in lines]},
        )


def _order_token_header(token: str | None) -> dict[str, str]:
    return {"X-Order-Token": token} if token is not None else {}


_REST_FIELDS = {
    "productIds": "product_id",
    "lines": "product_id",
    "first": "limit",
    "after": "cursor",
    "idempotencyKey": "Idempotency-Key",
    "X-Cart-Token": "X-Cart-Token",
}


def _error(code: str, path: list[str] | None, message: str, *, takes_lines: bool = False) -> ApiResponse:
    """Return an error with the status and the field name of REST.

    Args:
        takes_lines: whether the mutation takes a list where REST takes one line.
    """
    prefix = r"^(lines\.0\.|productIds\.0$)" if takes_lines else r"^input\."
    dotted = re.sub(prefix, "", ".".join(path or []))
    field = _REST_FIELDS.get(dotted) or _to_snake_case(dotted) or ("product_id" if path else None)
    return ApiResponse(ErrorCode(code).http_status, code, field, message)


def _to_snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: f"_{match[1].lower()}", name)


def _to_camel_case(value: Any) -> Any:
    if isinstance(value, dict):
        return {to_camel_case(name): _to_camel_case(item) for name, item in value.items()}
    return value


def _to_rest(value: Any, name: str = "") -> Any:
    """Convert a GraphQL response to REST names and types."""
    if isinstance(value, list):
        return [_to_rest(item) for item in value]
    if name == "product_id" and isinstance(value, str):
        return parse_object_id(value, "Product", field="product_id")
    if name == "status":
        return value.lower()
    if not isinstance(value, dict):
        return value
    written = {_to_snake_case(key): _to_rest(item, _to_snake_case(key)) for key, item in value.items()}
    if "sku" in written and "line_total" in written:
        product = written.pop("product")
        written["product_id"] = product and product["id"]
    return written


def make_shoppers(user: User | None = None, cart_token: str | None = None) -> list[Shopper]:
    """Return a client of each API for one shopper."""
    return [GraphQLShopper(user, cart_token), RestShopper(user, cart_token)]


def _without_renditions(body: Any) -> Any:
    """Remove `renditions`, which only REST has."""
    if isinstance(body, dict):
        return {name: _without_renditions(value) for name, value in body.items() if name != "renditions"}
    return [_without_renditions(item) for item in body] if isinstance(body, list) else body


def order_and_refill(shopper: Shopper, product_id: int) -> str:
    """Order a product with a contact, add it to the cart again, and return the number of the order."""
    shopper.add(product_id, 2)
    number: str = shopper.order({"contact": {"name": "A", "phone": "+7 912 345-67-89"}}).data["number"]
    shopper.add(product_id, 3)
    return number
