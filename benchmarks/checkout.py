"""Compare adding to a cart and ordering through the APIs with a baseline that runs the same SQL.

Run with `make bench-checkout`. The baseline is a Django view in the same process, behind the same middleware.
It runs the statements that were recorded from the REST endpoint on the same psycopg2 connection, serializes
the rows as JSON and enqueues the mail task of the order. Requests of all kinds alternate, so that other load
on the machine slows all of them. The medians of each round are compared, with the range over all rounds.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.database import create_migrated_database
from benchmarks.wsgi_client import WsgiClient

ROUNDS = 7
REQUESTS = 60
LINES = 5
MIN_BASELINE_RATIO = 0.5
MAX_GROWTH = 1.5
MAX_QUERIES = {"add": 5, "order": 10}

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
    """A client of one account that calls Django's WSGI handler directly."""

    def __init__(self) -> None:
        from backend.accounts.models import User
        from backend.accounts.services.sessions import open_session

        User.objects.filter(email="bench@example.com").delete()
        self.user = User.objects.create_user("bench@example.com")
        self._client = WsgiClient(open_session(self.user).access_token)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of a response, which must be a success."""
        return json.loads(self._client.send(method, path, body))

    def mutate(self, query: str, **variables: Any) -> Any:
        """Return the payload of a mutation, which must succeed."""
        body = self.send("POST", "/graphql", {"query": query, "variables": variables})
        assert "errors" not in body, body
        (payload,) = body["data"].values()
        assert not payload["errors"], payload
        return payload

    def fill_cart(self, products: list[int], quantity: int = 1) -> None:
        """Replace the cart lines with one line for each product."""
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


class Baseline:
    """Record the SQL of requests, and run it again with new primary keys in a view."""

    # The id of the recorded order. No other number in its statements is as large.
    order_id = 1_000_000_000

    def __init__(self) -> None:
        self._recorded: dict[str, list[Statement]] = {}

    def record(self, name: str, request: Callable[[], Any]) -> int:
        """Record the statements of a request and return their number."""
        from django.db import connection

        statements: list[Statement] = []

        def record_statement(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            statements.append((sql, params))
            return execute(sql, params, many, context)

        with connection.execute_wrapper(record_statement):
            request()
        self._recorded[name] = statements
        return len(statements)

    def view(self, request: Any, name: str) -> Any:
        """Run the recorded statements in one transaction and respond with the rows."""
        from celery import current_app
        from django.db import connection
        from django.http import HttpResponse

        json.loads(request.body)
        # Like every request, check the health of the connection once.
        with connection.cursor():
            raw = connection.connection
        new_ids: dict[Any, Any] = {}
        results = []
        # The connection commits at the end of the block, or rolls back.
        with raw, raw.cursor() as cursor:
            for sql, params in self._recorded[name]:
                cursor.execute(sql, [_replace_ids(param, new_ids) for param in params or ()])
                if cursor.description is None:
                    continue
                columns = [column.name for column in cursor.description]
                rows = cursor.fetchall()
                results.append([dict(zip(columns, row, strict=True)) for row in rows])
                if sql.startswith('INSERT INTO "orders_order" '):
                    new_ids[self.order_id] = rows[0][0]
        if name == "order":
            current_app.send_task("orders.send_confirmation", kwargs={"email_id": 0}, retry=False)
        return HttpResponse(json.dumps(results, default=str), content_type="application/json")


def _replace_ids(param: Any, new_ids: dict[Any, Any]) -> Any:
    if isinstance(param, list):
        return [new_ids.get(item, item) for item in param]
    return new_ids.get(param, param) if isinstance(param, int) else param


baseline = Baseline()


def add_baseline_url() -> None:
    """Add the URL of the baseline view. Call it before the first request."""
    from django.urls import path
    from django.views.decorators.csrf import csrf_exempt

    from backend.config.urls import urlpatterns

    urlpatterns.insert(0, path("baseline/<name>", csrf_exempt(baseline.view)))


def measure(shopper: Shopper) -> dict[str, dict[str, list[float]]]:
    """Return the median seconds of each round by action and kind of request."""
    from django.db import connection

    from backend.catalog.models import Product

    ids = list(Product.objects.order_by("pk").values_list("pk", flat=True)[: 200 * 5 : 5])
    Product.objects.filter(pk__in=ids).update(stock=1_000_000)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE orders_order CASCADE")
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('orders_order', 'id'), %s, false)", [baseline.order_id]
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

    def add_baseline() -> None:
        results = shopper.send("POST", "/baseline/add", added)
        assert any(len(rows) == LINES and rows[0].get("product__sku") for rows in results), results

    def order_rest() -> None:
        order = shopper.send("POST", "/order", {})
        assert (order["status"], len(order["lines"])) == ("placed", LINES), order

    def order_graphql() -> None:
        order = shopper.mutate(_ORDER)["order"]
        assert (order["status"], len(order["lines"])) == ("PLACED", LINES), order

    def order_baseline() -> None:
        results = shopper.send("POST", "/baseline/order", {})
        assert any(len(rows) == LINES and rows[0].get("product__sku") for rows in results), results
        assert any("number" in rows[0] for rows in results if rows), results

    for name, request in (("add", add_rest), ("order", order_rest)):
        shopper.fill_cart(few)
        queries = baseline.record(name, request)
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

    actions = {
        "add": (few, REQUESTS, {"baseline": add_baseline, "REST": add_rest, "GraphQL": add_graphql}),
        "order": (few, REQUESTS, {"baseline": order_baseline, "REST": order_rest, "GraphQL": order_graphql}),
        "read 200 lines": (ids, 6, {"REST": read_rest, "GraphQL": read_graphql}),
        "update 1 of 200": (ids, 6, {"REST": update_rest, "GraphQL": update_graphql}),
    }
    measured: dict[str, dict[str, list[float]]] = {}
    for action, (products, requests, kinds) in actions.items():
        measured[action] = {kind: [] for kind in kinds}
        for round_number in range(ROUNDS + 1):
            times: dict[str, list[float]] = {kind: [] for kind in kinds}
            for _ in range(requests):
                for kind, request in kinds.items():
                    shopper.fill_cart(products)
                    start = time.perf_counter()
                    request()
                    times[kind].append(time.perf_counter() - start)
            # The first round is a warm-up.
            for kind in kinds if round_number else ():
                measured[action][kind].append(statistics.median(times[kind]))
    return measured


def report(sizes: list[int], small: Any, large: Any) -> int:
    """Print the table and return 1 if a limit is exceeded, otherwise 0."""
    print(f"\n{'':28}{sizes[0]:>12,}{sizes[1]:>12,}{'growth':>8}{'per s':>8}  of the baseline (range)")
    is_any_exceeded = False
    for action in small:
        for kind in small[action]:
            before, after = (statistics.median(times[action][kind]) for times in (small, large))
            growth = after / before
            is_exceeded = False
            ratio_text = ""
            if "baseline" in small[action] and kind != "baseline":
                ratios = sorted(
                    bare / full
                    for times in (small, large)
                    for bare, full in zip(times[action]["baseline"], times[action][kind], strict=True)
                )
                ratio = statistics.median(ratios)
                bare_before, bare_after = (
                    statistics.median(times[action]["baseline"]) for times in (small, large)
                )
                # Load that has changed in between affects the baseline as well.
                growth *= bare_before / bare_after
                is_exceeded = ratio < MIN_BASELINE_RATIO or growth > MAX_GROWTH
                ratio_text = f"{ratio:8.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            is_any_exceeded |= is_exceeded
            print(
                f"{action + ', ' + kind:28}{before * 1000:>9.2f} ms{after * 1000:>9.2f} ms{growth:>8.2f}"
                f"{1 / after:>8.0f}{ratio_text}{'  exceeds the limit' if is_exceeded else ''}"
            )
    return int(is_any_exceeded)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs=2, default=[1_000, 100_000], metavar="PRODUCTS")
    sizes = parser.parse_args().sizes

    with create_migrated_database(with_valkey=True):
        from backend.core.redis import get_redis_client
        from benchmarks.catalogues import fill

        add_baseline_url()
        measurements = []
        for size in sizes:
            print(f"Filling the catalogue with {size:,} products", flush=True)
            fill(size)
            measurements.append(measure(Shopper()))
            get_redis_client().delete("celery")
    return report(sizes, *measurements)


if __name__ == "__main__":
    sys.exit(main())
