"""A small client of the shop's REST API. It needs Python 3.11 or newer, and no packages.

    python3 shop_client.py http://localhost:8000 "headphones"

searches for products, puts the first one in stock into a guest's cart, orders it and cancels the order.
"""

import json
import secrets
import sys
import time
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

TIMEOUT_SECONDS = 10
MAX_RETRIES = 2
MAX_WAIT_SECONDS = 30


class ShopError(Exception):
    """A refused request, by RFC 9457.

    Attributes:
        status: the HTTP status.
        code: the error code, the same as in GraphQL, such as ``OUT_OF_STOCK``.
        field: the name of the invalid input, if one is.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{problem['code']}: {problem['detail']}")
        self.status = status
        self.code = str(problem["code"])
        self.field = problem.get("field")


class ShopClient:
    """A shopper of one shop: a guest, or an account after `log_in`.

    The client keeps its tokens of the cart and of the session in attributes. Store them to continue later.

    Args:
        url: the address of the shop, without a slash at its end.
    """

    def __init__(self, url: str, language: str = "en") -> None:
        self.url = url
        self.language = language
        self.cart_token: str | None = None
        self.access_token: str | None = None
        self.refresh_token: str | None = None

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request and return the decoded response.

        An expired access token is refreshed once. A request that a rate limit or an unavailable service has
        refused is repeated after the time of ``Retry-After``.

        Args:
            headers: by name, with underscores instead of hyphens.

        Raises:
            ShopError: the shop refuses the request.
            OSError, HTTPException: the shop does not respond.
        """
        retries = 0
        has_refreshed = False
        while True:
            try:
                return self._send_once(method, path, body, headers)
            except HTTPError as response:
                error = ShopError(response.code, json.load(response))
                wait = float(response.headers.get("Retry-After", 0))
            if error.code == "TOKEN_EXPIRED" and self.refresh_token and not has_refreshed:
                has_refreshed = True
                self.refresh()
            elif error.status in (429, 503) and retries < MAX_RETRIES and wait <= MAX_WAIT_SECONDS:
                retries += 1
                time.sleep(max(wait, 1))
            else:
                raise error

    def _send_once(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        request = Request(
            self.url + path, data=None if body is None else json.dumps(body).encode(), method=method
        )
        request.add_header("Accept-Language", self.language)
        request.add_header("Content-Type", "application/json")
        if self.cart_token:
            request.add_header("X-Cart-Token", self.cart_token)
        if self.access_token:
            request.add_header("Authorization", f"Bearer {self.access_token}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        with urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            return json.loads(response.read() or b"null")

    def list_products(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield all products that match, page by page.

        Args:
            filters: fields of the body of ``POST /products``, such as ``category`` and ``search``.
        """
        cursor = None
        while True:
            page = self.send("POST", "/products", {**filters, "cursor": cursor})
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def get_product(self, product_id: int) -> dict[str, Any]:
        """Return the product card."""
        return dict(self.send("GET", f"/product?id={product_id}"))

    def get_cart(self) -> dict[str, Any]:
        """Return the shopper's cart."""
        return dict(self.send("GET", "/cart"))

    def add_to_cart(self, product_id: int, quantity: int = 1) -> dict[str, Any]:
        """Add units of a product and return the cart."""
        cart = dict(self.send("POST", "/cart", {"product_id": product_id, "quantity": quantity}))
        # A guest's token is returned once, with the first line.
        self.cart_token = cart["token"] or self.cart_token
        return cart

    def order(self, **details: Any) -> dict[str, Any]:
        """Order the cart and return the order. A lost response is no reason for a second order.

        Args:
            details: fields of the body of ``POST /order``. Guests must give ``email`` and ``contact``.
        """
        key = secrets.token_urlsafe(16)
        try:
            return dict(self.send("POST", "/order", details, Idempotency_Key=key))
        except (OSError, HTTPException):
            # The shop may have created the order: with the same key it returns that one.
            return dict(self.send("POST", "/order", details, Idempotency_Key=key))

    def cancel_order(self, order: dict[str, Any]) -> dict[str, Any]:
        """Cancel an order and return it."""
        headers = {"X_Order_Token": order["token"]} if order["token"] else {}
        query = urlencode({"number": order["number"]})
        return dict(self.send("POST", f"/order/cancel?{query}", **headers))

    def register(self, email: str, password: str) -> None:
        """Register an account. The shop mails a code for `confirm`."""
        self.send("POST", "/auth/register", {"email": email, "password": password})

    def confirm(self, email: str, code: str) -> None:
        """Confirm the address of an account with the mailed code."""
        self.send("POST", "/auth/confirm", {"email": email, "code": code})

    def log_in(self, email: str, password: str) -> None:
        """Log in. The next request to the cart merges the guest's cart into the account's."""
        self._keep_tokens(self.send("POST", "/auth/login", {"email": email, "password": password}))

    def refresh(self) -> None:
        """Replace both tokens of the session. A refresh token works once."""
        token, self.access_token = self.refresh_token, None
        self._keep_tokens(self.send("POST", "/auth/refresh", {"refresh_token": token}))

    def log_out(self) -> None:
        """End the session."""
        self.send("POST", "/auth/logout", {})
        self.access_token = self.refresh_token = None

    def _keep_tokens(self, tokens: dict[str, Any]) -> None:
        self.access_token = tokens["access_token"]
        self.refresh_token = tokens["refresh_token"]


def main(url: str, words: str) -> None:
    """Search, order as a guest, and cancel the order."""
    shop = ShopClient(url)
    product = next(shop.list_products(search=words, in_stock=True), None)
    if product is None:
        sys.exit(f"No product in stock matches {words!r}.")
    print(f"{product['name']}: {product['price']} {product['currency']}")
    cart = shop.add_to_cart(product["id"])
    order = shop.order(
        email="guest@example.com",
        contact={"name": "Anna Petrova", "phone": "+7 812 555-35-35"},
        expected_total=cart["total"],
    )
    print(f"Order {order['number']}: {order['total']} {order['currency']}, {order['status']}")
    print(f"Order {order['number']}: {shop.cancel_order(order)['status']}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
