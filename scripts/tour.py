"""A tour of the running shop that prints requests, as curl commands to paste, and their responses.

`make tour` runs it against the shop that `make up` runs in `$DATA_DIR`, or against `$SHOP_URL`. It fails if a
response is not as expected.
"""

import json
import os
import re
import secrets
import shlex
import sys
import time
from contextlib import suppress
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

DATA_DIR = Path(os.environ.get("DATA_DIR", "var"))
MAIL = DATA_DIR / "mail"
MAX_LINES = 40
# Columns of a terminal.
MAX_COLUMNS = 120


def find_port() -> str:
    """Return `$PORT`, or the port that `make up` has written to its data directory, or its default."""
    written = ""
    with suppress(FileNotFoundError):
        written = (DATA_DIR / "services.env").read_text()
    port = re.search(r"^PORT='(\d+)'$", written, re.MULTILINE)
    return os.environ.get("PORT") or (port[1] if port else "8000")


SHOP = os.environ.get("SHOP_URL") or f"http://localhost:{find_port()}"


def print_heading(text: str) -> None:
    """Print a heading."""
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}")


# Names of the shell variables by the tokens that they contain.
_variables: dict[str, str] = {}


def set_variable(name: str, value: str) -> None:
    """Print the assignment of a shell variable, which the next commands use for this value."""
    _variables[value] = name
    print(f"\n{name}={quote(value, MAX_COLUMNS - len(name) - 2)}")


def quote(value: str, columns: int = MAX_COLUMNS - 8) -> str:
    """Quote a value for a shell, as adjacent strings on lines of their own if it is long."""
    parts: list[str] = []
    while len(shlex.quote(value)) > columns:
        end = columns - 4
        while len(shlex.quote(value[:end])) > columns - 2:
            end -= 1
        # After a space, if there is one.
        end = value.rfind(" ", 0, end) + 1 or end
        parts.append(shlex.quote(value[:end]))
        value = value[end:]
    return "\\\n".join([*parts, shlex.quote(value)])


def quote_header(name: str, value: str) -> str:
    """Quote a header for a shell, with the variable that contains its value."""
    prefix, _, secret = value.rpartition(" ")
    if secret not in _variables:
        return quote(f"{name}: {value}")
    return f'"{name}: {prefix + " " if prefix else ""}${_variables[secret]}"'


def quote_body(data: str) -> str:
    """Quote a body for a shell, with the variables whose values it contains."""
    for value, name in _variables.items():
        before, found, after = data.partition(value)
        if found:
            return f'{quote(before)}"${name}"{quote(after)}'
    return quote(data)


def format_command(method: str, url: str, headers: dict[str, str], data: str | None) -> str:
    """Return the curl command of a request, in lines of at most `MAX_COLUMNS`."""
    is_default = method == ("GET" if data is None else "POST")
    words = [f"curl -s{'' if is_default else f' -X {method}'} {quote(url)}"]
    words += [f"-H {quote_header(name, value)}" for name, value in headers.items()]
    if data is not None:
        words.append(f"-d {quote_body(data)}")
    return " \\\n    ".join(words)


def shorten(line: str) -> str:
    """Cut a line of a response to the width of the terminal."""
    return line if len(line) <= MAX_COLUMNS else line[: MAX_COLUMNS - 1] + "…"


def send(
    method: str, path: str, body: Any = None, token: str = "", headers: dict[str, str] | None = None
) -> Any:
    """Send a request, print it with its response, and return the decoded response."""
    data = None if body is None else json.dumps(body, ensure_ascii=False)
    request = Request(SHOP + path, data.encode() if data else None, method=method)
    sent = {} if data is None else {"Content-Type": "application/json"}
    sent |= {"Authorization": f"Bearer {token}"} if token else {}
    sent |= headers or {}
    for name, value in sent.items():
        request.add_header(name, value)
    print(f"\n{format_command(method, SHOP + path, sent, data)}")
    try:
        with urlopen(request, timeout=10) as response:
            received = response.read()
            if not received:
                print(f"HTTP {response.status} {response.reason}")
                return None
            content = json.loads(received)
    except HTTPError as error:
        print(f"HTTP {error.code} {error.reason}")
        content = json.load(error)
    except URLError as error:
        sys.exit(f"\nThe shop does not respond at {SHOP} ({error.reason}). Start it with `make up`.")
    lines = json.dumps(content, ensure_ascii=False, indent=2).splitlines()
    print("\n".join(map(shorten, lines[:MAX_LINES])))
    if len(lines) > MAX_LINES:
        print(f"… {len(lines) - MAX_LINES} more lines")
    return content


def query(text: str, token: str = "", headers: dict[str, str] | None = None, **variables: Any) -> Any:
    """Send a GraphQL query, print it with its response, and return its data."""
    body = {"query": " ".join(text.split()), "variables": variables}
    response = send("POST", "/graphql", body, token, headers)
    return response["data"]


def expect(condition: bool, failure: str) -> None:
    """Stop the tour unless the condition is true."""
    if not condition:
        sys.exit(f"\nThe tour failed: {failure}.")


def read_mailed_code(address: str) -> str:
    """Return the code in the newest mail to an address in the mail sink of `make up`."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for path in sorted(MAIL.glob("*.eml"), key=lambda path: path.stat().st_mtime, reverse=True):
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            if address in str(mail["To"]):
                print(f"\nIn {path}:\n{mail['Subject']}")
                code = re.search(r"\b\d{6}\b", str(mail["Subject"]))
                if code:
                    return code.group()
        time.sleep(0.2)
    sys.exit(f"\nNo mail to {address} was found in {MAIL}. The tour requires the mail sink of `make up`.")


def show_accounts(product_id: int) -> None:
    """Register, confirm with the mailed code, log in, order the guest's cart, log out and in again."""
    print_heading("Add to a guest cart; its token is returned once")
    guest = send("POST", "/cart", {"product_id": product_id, "quantity": 2})
    set_variable("CART_TOKEN", guest["token"])
    guest_headers = {"X-Cart-Token": guest["token"]}

    address, password = f"visitor-{secrets.token_hex(4)}@example.com", secrets.token_urlsafe(12)
    print_heading("Register; the response is the same for new and existing addresses")
    send("POST", "/auth/register", {"email": address, "password": password, "language": "en"})
    problem = send("POST", "/auth/login", {"email": address, "password": password})
    expect(problem["code"] == "WRONG_CREDENTIALS", "an unconfirmed account could log in")

    print_heading("Confirm with the code that a Celery worker has mailed")
    code = read_mailed_code(address)
    query(
        """mutation Confirm($input: ConfirmInput!) {
            accountConfirm(input: $input) { errors { code message field } }
        }""",
        input={"email": address, "code": code},
    )

    print_heading("Log in and read the account")
    login = query(
        """mutation Login($input: LoginInput!) {
            tokenCreate(input: $input) { accessToken refreshToken expiresIn errors { code message } }
        }""",
        input={"email": address, "password": password},
    )["tokenCreate"]
    expect(not login["errors"], "the confirmed account could not log in")
    set_variable("TOKEN", login["accessToken"])
    set_variable("REFRESH_TOKEN", login["refreshToken"])
    me = query("{ me { email language dateJoined } }", token=login["accessToken"])["me"]
    expect(me["email"] == address, "the token belongs to another account")

    show_checkout(product_id, login["accessToken"], guest_headers)

    print_heading("Refresh the tokens and log out; both tokens are then invalid")
    tokens = send("POST", "/auth/refresh", {"refresh_token": login["refreshToken"]})
    set_variable("TOKEN", tokens["access_token"])
    set_variable("REFRESH_TOKEN", tokens["refresh_token"])
    send("POST", "/auth/logout", {}, token=tokens["access_token"])
    refused = send("POST", "/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    expect(refused["code"] == "TOKEN_INVALID", "a refresh token was valid after its session")

    print_heading("Log in again: with this token, the commands above can be pasted")
    session = send("POST", "/auth/login", {"email": address, "password": password})
    set_variable("TOKEN", session["access_token"])


def show_checkout(product_id: int, token: str, guest_headers: dict[str, str]) -> None:
    """Merge the guest's cart, order over REST and cancel over GraphQL, and then the other way round."""
    print_heading("Send both tokens: the guest's cart is merged into the account's cart")
    cart = query(
        "{ cart { lines { product { id name } quantity lineTotal } total currency } }", token, guest_headers
    )["cart"]
    expect(cart["lines"][0]["quantity"] == 2, "the guest's cart was lost")
    empty = send("GET", "/cart", headers=guest_headers)
    expect(empty["lines"] == [], "the guest's token was valid after the merge")

    print_heading("Order over REST; repeating the idempotency key returns the existing order")
    body = {"comment": "Ring twice", "expected_total": cart["total"]}
    key = {"Idempotency-Key": secrets.token_hex(8)}
    order = send("POST", "/order", body, token, key)
    again = send("POST", "/order", body, token, key)
    expect(again["number"] == order["number"], "one idempotency key created two orders")
    problem = send("POST", "/order", {"comment": "Something else"}, token, key)
    expect(
        problem["code"] == "IDEMPOTENCY_KEY_REUSED",
        "an idempotency key was accepted for two different orders",
    )

    print_heading("Read and cancel the order over GraphQL")
    read = query(
        """query Read($number: String!) {
            me { order(number: $number) { number status total currency lines { name quantity lineTotal } } }
        }""",
        token,
        number=order["number"],
    )["me"]["order"]
    expect(read["total"] == cart["total"], "the total of the order differs from the cart's")
    cancel = """mutation Cancel($number: String!) {
        orderCancel(number: $number) {
            order { status history { status changedAt } } errors { code message field }
        }
    }"""
    cancelled = query(cancel, token, number=order["number"])["orderCancel"]
    expect(cancelled["order"]["status"] == "CANCELLED", "the order could not be cancelled")
    refused = query(cancel, token, number=order["number"])["orderCancel"]
    expect(refused["errors"][0]["code"] == "ORDER_STATUS", "an order was cancelled twice")

    print_heading("Order over GraphQL, read and cancel over REST")
    query(
        """mutation Add($lines: [CartLineInput!]!) {
            cartLinesAdd(lines: $lines) { cart { totalQuantity total } errors { code message field } }
        }""",
        token,
        lines=[{"productId": str(product_id)}],
    )
    created = query(
        """mutation Order($input: OrderInput!) {
            orderCreate(input: $input) { order { number status total } errors { code message field } }
        }""",
        token,
        input={"idempotencyKey": secrets.token_hex(8)},
    )["orderCreate"]["order"]
    number = urlencode({"number": created["number"]})
    rest_order = send("GET", f"/order?{number}", token=token)
    expect(rest_order["total"] == created["total"], "GraphQL and REST show different totals")
    send("POST", f"/order/cancel?{number}", token=token)
    listed = send("GET", "/orders?limit=5", token=token)["items"]
    expect([item["status"] for item in listed] == ["cancelled"] * 2, "the list has wrong orders")


def main() -> None:
    print_heading("Check the health of the shop")
    send("GET", "/health/ready")

    print_heading("Read two levels of the category tree")
    tree = query("{ categories(depth: 2) { name slug productCount children { name productCount } } }")
    expect(len(tree["categories"]) > 0, "there are no categories")
    category = max(tree["categories"], key=lambda node: node["productCount"])

    print_heading(f"List the products of “{category['name']}” by price, with facets")
    listed = query(
        """query Browse($category: String) {
            products(categorySlug: $category, sortBy: PRICE_ASC, first: 3) {
                totalCount
                nodes { name price currency category { name } characteristics { name value unit } }
                pageInfo { hasNextPage endCursor }
                facets { priceMin priceMax characteristics { name unit values { value count } } }
            }
        }""",
        category=category["slug"],
    )["products"]
    expect(listed["totalCount"] == category["productCount"], "the list and the tree count differently")

    print_heading("Read the next page")
    query(
        """query Next($category: String, $after: String) {
            products(categorySlug: $category, sortBy: PRICE_ASC, first: 3, after: $after) {
                nodes { name price } pageInfo { hasNextPage }
            }
        }""",
        category=category["slug"],
        after=listed["pageInfo"]["endCursor"],
    )

    print_heading("List the same products over REST, up to a price")
    limit = listed["nodes"][-1]["price"]
    filters = {"category": category["slug"], "sort": "price", "price_max": limit, "limit": 3}
    rest = send("POST", "/products", filters)
    expect(
        [item["name"] for item in rest["items"]] == [node["name"] for node in listed["nodes"]],
        "GraphQL and REST list different products",
    )
    send("GET", f"/products?{urlencode({**filters, 'limit': 1})}")

    print_heading("Search in both languages, with misspellings")
    for words in ("кружка", "кружкка", "headphones", "hedphones"):
        query("query Search($words: String) { products(first: 2, filter: { search: $words }) "
              "{ totalCount nodes { name price } } }", words=words)  # fmt: skip

    print_heading("Read a product")
    send("GET", f"/product?id={rest['items'][0]['id']}")

    print_heading("Refetch it over GraphQL by its global id")
    product_id = rest["items"][0]["id"]
    found = query("query Find($id: ID!) { product(id: $id) { id } }", id=str(product_id))["product"]
    node = query("query Refetch($id: ID!) { node(id: $id) { id ... on Product { databaseId name } } }",
                 id=found["id"])["node"]  # fmt: skip
    expect(node["databaseId"] == product_id, "the global id belongs to another product")

    print_heading("Read similar products, products bought together, and recommendations")
    offered = query("query Offer($id: ID!) { product(id: $id) { name similar(first: 3) { name } "
                    "boughtTogether(first: 3) { name } } recommendations(first: 3) { name } }",
                    id=str(rest["items"][0]["id"]))  # fmt: skip
    expect(len(offered["product"]["similar"]) == 3, "a product has too few similar products")

    print_heading("Send invalid input: both APIs return the same error code")
    problem = send("POST", "/products", {"price_min": "20", "price_max": "10"})
    response = send(
        "POST",
        "/graphql",
        {"query": '{ products(filter: { price: { min: "20", max: "10" } }) { totalCount } }'},
    )
    expect(problem["code"] == response["errors"][0]["extensions"]["code"], "the codes differ")

    show_accounts(next(item["id"] for item in rest["items"] if item["available_quantity"] > 2))

    print_heading(f"Continue with {SHOP}/graphql, {SHOP}/docs, {SHOP}/admin/")


if __name__ == "__main__":
    main()
