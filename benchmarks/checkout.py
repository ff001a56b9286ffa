"""What adding to a cart and ordering cost through the APIs, beside the same SQL sent by hand.

Run with `make bench-checkout`. The floor is a Django view in the same process, behind the same middleware:
it sends what the REST endpoint was heard to send, through the same psycopg2 connection, makes JSON of the
rows, and hands the order's mail to the broker. The kinds of request take turns, so that a busy machine slows
all of them; the medians of each round are compared, and the rounds' spread is told.
"""

import argparse
import io
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.database import migrated_database

ROUNDS = 7
REQUESTS = 60
LINES = 5
MIN_RATIO = 0.5
MAX_GROWTH = 1.5
MAX_QUERIES = {"add": 6, "order": 15}

_PRODUCT = """{ id sku slug name description price currency category { id name slug }
    image { url alt width height } characteristics { name value unit } inStock availableQuantity }"""
_CART = f"""{{ lines {{ product {_PRODUCT} quantity unitPrice lineTotal isAvailable }}
    totalQuantity total currency warnings {{ code message productId }} token }}"""
_ADD = f"""mutation Add($lines: [CartLineInput!]!) {{
    cartLinesAdd(lines: $lines) {{ cart {_CART} errors {{ code message field }} }} }}"""
_UPDATE = f"""mutation Update($lines: [CartLineUpdateInput!]!) {{
    cartLinesUpdate(lines: $lines) {{ cart {_CART} errors {{ code message field }} }} }}"""
_ORDER = """mutation { orderCreate { errors { code message field } order {
    number status lines { sku name unitPrice quantity lineTotal } total currency placedAt
    contact { name phone } deliveryAddress { line1 line2 city postalCode country } comment
    isCancellable history { status changedAt } } } }"""

Statement = tuple[str, Any]


class Shopper:
    """An account that sends requests straight to Django's WSGI handler."""

    def __init__(self) -> None:
        from django.core.wsgi import get_wsgi_application

        from backend.accounts.models import User
        from backend.accounts.services.sessions import open_session

        User.objects.filter(email="bench@example.com").delete()
        self.user = User.objects.create_user("bench@example.com")
        self._token = open_session(self.user).access_token
        self._handle = get_wsgi_application()

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Return what the answer's JSON holds; a refusal fails."""
        data = b"" if body is None else json.dumps(body).encode()
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(data)),
            "HTTP_AUTHORIZATION": f"Bearer {self._token}",
            "wsgi.input": io.BytesIO(data),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
        }
        status = ""

        def start(line: str, headers: Any, exc_info: Any = None) -> None:
            nonlocal status
            status = line

        response = self._handle(environ, start)
        answer = b"".join(response)
        response.close()
        assert status.startswith("20"), (status, answer)
        return json.loads(answer)

    def mutate(self, query: str, **variables: Any) -> Any:
        """Return the payload of a mutation that must succeed."""
        body = self.send("POST", "/graphql", {"query": query, "variables": variables})
        assert "errors" not in body, body
        (payload,) = body["data"].values()
        assert not payload["errors"], payload
        return payload

    def fill_cart(self, products: list[int], quantity: int = 1) -> None:
        """Have one line of each product in the cart, untimed."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO carts_cart (user_id, created_at, touched_at) VALUES (%s, now(), now()) "
                "ON CONFLICT (user_id) DO UPDATE SET touched_at = now() RETURNING id",
                [self.user.pk],
            )
            (cart,) = cursor.fetchone()
            cursor.execute("DELETE FROM carts_cartline WHERE cart_id = %s", [cart])
            cursor.execute(
                "INSERT INTO carts_cartline (cart_id, product_id, quantity, name_seen, price_seen) "
                "SELECT %s, id, %s, name, price FROM catalog_product WHERE id = ANY(%s)",
                [cart, quantity, products],
            )


class Floor:
    """Bare views: each sends again what a request was heard to send, under new keys."""

    def __init__(self) -> None:
        self.heard: dict[str, list[Statement]] = {}

    def hear(self, name: str, request: Callable[[], Any]) -> int:
        """Remember what a request sends to the database, and return how many statements those are."""
        from django.db import connection

        sent: list[Statement] = []

        def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            sent.append((sql, params))
            return execute(sql, params, many, context)

        with connection.execute_wrapper(note):
            request()
        self.heard[name] = sent
        return len(sent)

    def view(self, request: Any, name: str) -> Any:
        """Send the statements in a transaction and answer with the rows."""
        from celery import current_app
        from django.db import connection
        from django.http import HttpResponse

        json.loads(request.body)
        # Django's own cursor, once: it asks whether the connection still lives, as it does for every request.
        with connection.cursor():
            raw = connection.connection
        renamed: dict[Any, Any] = {}
        answer = []
        raw.autocommit = False
        try:
            with raw.cursor() as cursor:
                for sql, params in self.heard[name]:
                    cursor.execute(sql, [_renamed(param, renamed) for param in params or ()])
                    if cursor.description is None:
                        continue
                    columns = [column.name for column in cursor.description]
                    rows = cursor.fetchall()
                    answer.append([dict(zip(columns, row, strict=True)) for row in rows])
                    if sql.startswith('INSERT INTO "orders_order" '):
                        renamed[self.order_id] = rows[0][0]
            raw.commit()
        except BaseException:
            raw.rollback()
            raise
        finally:
            raw.autocommit = True
        if name == "order":
            current_app.send_task("orders.send_confirmation", kwargs={"email_id": 0}, retry=False)
        return HttpResponse(json.dumps(answer, default=str), content_type="application/json")

    # The order that was heard being placed; no other number in its statements is as large.
    order_id = 1_000_000_000


def _renamed(param: Any, names: dict[Any, Any]) -> Any:
    if isinstance(param, list):
        return [names.get(item, item) for item in param]
    return names.get(param, param) if isinstance(param, int) else param


floor = Floor()


def serve_floor() -> None:
    """Give the floor an address beside the shop's; call it before the first request."""
    from django.urls import path
    from django.views.decorators.csrf import csrf_exempt

    from backend.config.urls import urlpatterns

    urlpatterns.insert(0, path("floor/<name>", csrf_exempt(floor.view)))


def measure(shopper: Shopper) -> dict[str, dict[str, list[float]]]:
    """Return the median seconds of each round by what is asked and how."""
    from django.db import connection

    from backend.catalog.models import Product

    ids = list(Product.objects.order_by("pk").values_list("pk", flat=True)[: 200 * 5 : 5])
    Product.objects.filter(pk__in=ids).update(stock=1_000_000)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE orders_order CASCADE")
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('orders_order', 'id'), %s, false)", [floor.order_id]
        )
    few = ids[:LINES]
    added = {"product_id": few[-1], "quantity": 1}
    line = [{"productId": str(few[-1]), "quantity": 1}]

    def add_rest() -> None:
        cart = shopper.send("POST", "/cart", added)
        assert (len(cart["lines"]), cart["lines"][-1]["quantity"]) == (LINES, 2), cart

    def add_graphql() -> None:
        cart = shopper.mutate(_ADD, lines=line)["cart"]
        assert (len(cart["lines"]), cart["lines"][-1]["quantity"]) == (LINES, 2), cart

    def add_floor() -> None:
        answer = shopper.send("POST", "/floor/add", added)
        assert any(len(rows) == LINES and rows[0].get("sku") for rows in answer), answer

    def order_rest() -> None:
        order = shopper.send("POST", "/order", {})
        assert (order["status"], len(order["lines"])) == ("placed", LINES), order

    def order_graphql() -> None:
        order = shopper.mutate(_ORDER)["order"]
        assert (order["status"], len(order["lines"])) == ("PLACED", LINES), order

    def order_floor() -> None:
        answer = shopper.send("POST", "/floor/order", {})
        assert any(len(rows) == LINES and rows[0].get("sku") for rows in answer), answer
        assert any("number" in rows[0] for rows in answer if rows), answer

    for name, request in (("add", add_rest), ("order", order_rest)):
        shopper.fill_cart(few)
        queries = floor.hear(name, request)
        print(f"  {name}: {queries} queries", flush=True)
        assert queries <= MAX_QUERIES[name], queries

    def read_rest() -> None:
        assert len(shopper.send("GET", "/cart")["lines"]) == 200

    def read_graphql() -> None:
        assert (
            len(shopper.send("POST", "/graphql", {"query": f"{{ cart {_CART} }}"})["data"]["cart"]["lines"])
            == 200
        )

    def update_rest() -> None:
        cart = shopper.send("PUT", "/cart", {"product_id": ids[0], "quantity": 3})
        assert (len(cart["lines"]), cart["lines"][0]["quantity"]) == (200, 3)

    def update_graphql() -> None:
        cart = shopper.mutate(_UPDATE, lines=[{"productId": str(ids[0]), "quantity": 3}])["cart"]
        assert (len(cart["lines"]), cart["lines"][0]["quantity"]) == (200, 3)

    asked = {
        "add": (few, REQUESTS, {"floor": add_floor, "REST": add_rest, "GraphQL": add_graphql}),
        "order": (few, REQUESTS, {"floor": order_floor, "REST": order_rest, "GraphQL": order_graphql}),
        "read 200 lines": (ids, 6, {"REST": read_rest, "GraphQL": read_graphql}),
        "update 1 of 200": (ids, 6, {"REST": update_rest, "GraphQL": update_graphql}),
    }
    taken: dict[str, dict[str, list[float]]] = {}
    for what, (products, requests, ways) in asked.items():
        taken[what] = {way: [] for way in ways}
        for number in range(ROUNDS + 1):
            times: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(requests):
                for way, request in ways.items():
                    shopper.fill_cart(products)
                    start = time.perf_counter()
                    request()
                    times[way].append(time.perf_counter() - start)
            # The first round only warms up.
            for way in ways if number else ():
                taken[what][way].append(statistics.median(times[way]))
    return taken


def report(sizes: list[int], small: Any, large: Any) -> int:
    """Print the table; return 1 when a bound is broken."""
    print(
        f"\n{'':28}{sizes[0]:>12,}{sizes[1]:>12,}{'growth':>8}{'per s':>8}  of the floor (lowest to highest)"
    )
    broken = False
    for what in small:
        for way in small[what]:
            before, after = (statistics.median(costs[what][way]) for costs in (small, large))
            growth = after / before
            fails = False
            told = ""
            if "floor" in small[what] and way != "floor":
                ratios = sorted(
                    bare / full
                    for costs in (small, large)
                    for bare, full in zip(costs[what]["floor"], costs[what][way], strict=True)
                )
                ratio = statistics.median(ratios)
                bare = (statistics.median(costs[what]["floor"]) for costs in (small, large))
                # A machine that is busier by now slows the floor as well.
                growth *= next(bare) / next(bare)
                fails = ratio < MIN_RATIO or growth > MAX_GROWTH
                told = f"{ratio:8.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            broken |= fails
            print(
                f"{what + ', ' + way:28}{before * 1000:>9.2f} ms{after * 1000:>9.2f} ms{growth:>8.2f}"
                f"{1 / after:>8.0f}{told}{'  too slow' if fails else ''}"
            )
    return int(broken)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs=2, default=[1_000, 100_000], metavar="PRODUCTS")
    sizes = parser.parse_args().sizes

    with migrated_database(valkey_too=True):
        from backend.core.redis import redis_client
        from benchmarks.catalogues import fill

        serve_floor()
        costs = []
        for size in sizes:
            print(f"Filling the catalogue with {size:,} products", flush=True)
            fill(size)
            costs.append(measure(Shopper()))
            redis_client().delete("celery")
    return report(sizes, *costs)


if __name__ == "__main__":
    sys.exit(main())
