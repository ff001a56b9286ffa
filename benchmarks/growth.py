"""Growth of the cost of catalogue requests with the number of categories and of products.

Part of `make bench`, and alone `make bench-growth`. It fills one database for each catalogue and sends the
same requests to all of them in turns, so that other load on the machine slows all of them. The cost is the
CPU time of Django, called without a web server, and of its PostgreSQL process.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.catalogues import Shape, count_categories
from benchmarks.database import create_migrated_database
from benchmarks.wsgi_client import WsgiClient

ROUNDS = 9
# Both have ten children below each category of the first level.
FEW_CATEGORIES: Shape = (2, 10, 4)
MANY_CATEGORIES: Shape = (10, 10, 49)
MAX_CATEGORY_GROWTH = 1.1
MAX_PRODUCT_GROWTH = 1.3
# The cost of a tree is proportional to its size, so that only its growth with the products is limited.
TREE_ROUND = 3
ROUND = 40

_PRODUCT = """id name slug description price image { url } category { id name slug }
    characteristics { name value unit }"""
_LIST = """{ products(category: "2", filter: { price: { min: "100", max: "300" } }, sortBy: PRICE_ASC) {
    %s nodes { %s } } }"""
_CARD = f"""{{ product(id: "500") {{ {_PRODUCT} images {{ url }} inStock availableQuantity
    category {{ parent {{ name }} ancestors {{ id name slug }} }} }} }}"""
_CATEGORY = """{ category(id: "2") {
    name productCount ancestors { name slug } children { name slug productCount } } }"""
_TREE = """{ categories { ...node children { ...node children { ...node children { ...node } } } } }
    fragment node on Category { id name slug productCount }"""


@dataclass(frozen=True)
class Catalogue:
    """A catalogue in a database of its own.

    Attributes:
        number: number of its database in Valkey, and part of the name of the one in PostgreSQL.
    """

    number: int
    products: int
    shape: Shape

    @property
    def database(self) -> str:
        """The name of the database in PostgreSQL."""
        return f"growth_{self.number}"

    def use(self) -> None:
        """Connect Django to the databases of this catalogue."""
        from django.conf import settings
        from django.db import connection

        from backend.core.redis import get_redis_client

        connection.close()
        connection.settings_dict["NAME"] = self.database
        settings.REDIS_URL = f"{settings.REDIS_URL.partition('?')[0]}?db={self.number}"
        get_redis_client.cache_clear()


@dataclass(frozen=True)
class Request:
    """A measured request.

    Attributes:
        send: sends it and checks the response.
        count: number of requests in a round.
        is_tree: whether the response contains all categories.
    """

    send: Callable[[Catalogue], None]
    count: int = ROUND
    is_tree: bool = False


@dataclass(frozen=True)
class Growth:
    """A request with two catalogues.

    Attributes:
        compared: the numbers of products or of categories.
        before_ms, after_ms: CPU milliseconds per request, medians over the rounds.
        ratio: of the CPU times, the median over the rounds.
        low, high: the range of the ratios in the middle half of the rounds.
        max_ratio: the goal, or None.
    """

    name: str
    compared: str
    before_ms: float
    after_ms: float
    ratio: float
    low: float
    high: float
    max_ratio: float | None

    @property
    def is_exceeded(self) -> bool:
        """True if the goal is not kept, at the precision that is printed."""
        return self.max_ratio is not None and round(self.ratio, 2) > self.max_ratio


def list_catalogues(few: int, many: int) -> list[Catalogue]:
    """Return catalogues with few and many categories, and one with many products."""
    return [
        Catalogue(1, few, FEW_CATEGORIES),
        Catalogue(2, few, MANY_CATEGORIES),
        Catalogue(3, many, MANY_CATEGORIES),
    ]


def copy_database(catalogue: Catalogue) -> None:
    """Copy the database that Django is connected to, which has this catalogue."""
    from django.db import connection

    template = connection.settings_dict["NAME"]
    connection.close()
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {catalogue.database}")
        cursor.execute(f"CREATE DATABASE {catalogue.database} TEMPLATE {template}")
        # The CPU time of parallel workers would not be measured.
        cursor.execute(f"ALTER DATABASE {catalogue.database} SET max_parallel_workers_per_gather = 0")


def describe(catalogue: Catalogue) -> str:
    return f"{catalogue.products:,} products, {count_categories(catalogue.shape):,} categories"


def list_requests() -> dict[str, Request]:
    """Return the measured requests by name."""
    client = WsgiClient()

    def graphql(query: str, check: Callable[[Any, Catalogue], bool]) -> Callable[[Catalogue], None]:
        def send(catalogue: Catalogue) -> None:
            body = json.loads(client.send("POST", "/graphql", {"query": query}))
            assert "errors" not in body, body
            assert check(body["data"], catalogue), body

        return send

    def rest(
        path: str, query: dict[str, Any], check: Callable[[Any, Catalogue], bool]
    ) -> Callable[[Catalogue], None]:
        def send(catalogue: Catalogue) -> None:
            body = json.loads(client.send("GET", path, query=query))
            assert check(body, catalogue), body

        return send

    def is_tree(roots: Any, catalogue: Catalogue, counts: str) -> bool:
        (root,) = roots
        first = root["children"][0]["children"][0]
        return (len(root["children"]), len(first["children"]), root[counts]) == (
            catalogue.shape[0],
            catalogue.shape[2],
            catalogue.products,
        )

    range_query = {"category": 2, "price_min": "100", "price_max": "300", "sort": "price"}
    return {
        "GraphQL list": Request(
            graphql(_LIST % ("", _PRODUCT), lambda data, _: len(data["products"]["nodes"]) == 20)
        ),
        "GraphQL list with total": Request(
            graphql(_LIST % ("totalCount", _PRODUCT), lambda data, _: data["products"]["totalCount"] > 20)
        ),
        "REST list": Request(
            rest("/products", range_query, lambda data, _: len(data["items"]) == 20 < data["total"])
        ),
        "GraphQL card with breadcrumbs": Request(
            graphql(_CARD, lambda data, _: len(data["product"]["category"]["ancestors"]) == 3)
        ),
        "REST card": Request(rest("/product", {"id": 500}, lambda data, _: len(data["category_path"]) == 4)),
        "GraphQL category with counts": Request(
            graphql(
                _CATEGORY,
                lambda data, _: len(data["category"]["children"]) == 10,
            )
        ),
        "GraphQL tree with counts": Request(
            graphql(_TREE, lambda data, catalogue: is_tree(data["categories"], catalogue, "productCount")),
            TREE_ROUND,
            is_tree=True,
        ),
        "REST tree": Request(
            rest("/categories", {}, lambda data, catalogue: is_tree(data, catalogue, "product_count")),
            TREE_ROUND,
            is_tree=True,
        ),
    }


def measure(catalogues: Sequence[Catalogue]) -> list[Growth]:
    """Send the requests to the databases of the catalogues in turns, and compare their CPU times.

    Django stays connected to one of these databases.
    """
    from django.test import override_settings

    # Counts do not expire during the run, which would charge them to a few requests.
    with override_settings(CATALOG_CACHE_SECONDS=3600):
        measured = _measure_rounds(catalogues)
    few, many, large = catalogues
    categories = f"{count_categories(many.shape):,} categories relative to {count_categories(few.shape):,}"
    products = f"{large.products:,} products relative to {many.products:,}"
    trees = {name for name, request in list_requests().items() if request.is_tree}
    return [
        growth
        for name, (in_few, in_many, in_large) in measured.items()
        for growth in (
            _compare(name, categories, in_few, in_many, None if name in trees else MAX_CATEGORY_GROWTH),
            _compare(name, products, in_many, in_large, MAX_PRODUCT_GROWTH),
        )
    ]


def _compare(
    name: str, compared: str, before: Sequence[float], after: Sequence[float], max_ratio: float | None
) -> Growth:
    ratios = [second / first for first, second in zip(before, after, strict=True)]
    low, ratio, high = statistics.quantiles(ratios, n=4)
    return Growth(
        name,
        compared,
        statistics.median(before),
        statistics.median(after),
        ratio,
        low,
        high,
        max_ratio,
    )


def _measure_rounds(catalogues: Sequence[Catalogue]) -> dict[str, list[list[float]]]:
    """Return CPU milliseconds per request, by request, catalogue and round."""
    from django.db import connection

    measured: dict[str, list[list[float]]] = {}
    sent = list_requests()
    for round_number in range(ROUNDS + 1):
        # Another catalogue comes first in every round, so that none is favoured by the order.
        for step in range(len(catalogues)):
            number = (round_number + step) % len(catalogues)
            catalogue = catalogues[number]
            catalogue.use()
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                (process,) = cursor.fetchone()
            for name, request in sent.items():
                # A new connection has empty caches.
                for _ in range(2):
                    request.send(catalogue)
                started = time.process_time(), _cpu_seconds(process)
                for _ in range(request.count):
                    request.send(catalogue)
                spent = time.process_time() - started[0] + _cpu_seconds(process) - started[1]
                if round_number:
                    rounds = measured.setdefault(name, [[] for _ in catalogues])[number]
                    rounds.append(spent / request.count * 1000)
    return measured


def _cpu_seconds(process: int) -> float:
    nanoseconds, *_ = Path(f"/proc/{process}/schedstat").read_text().split()
    return int(nanoseconds) / 1e9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs=2, default=[10_000, 1_000_000], metavar="PRODUCTS")
    catalogues = list_catalogues(*parser.parse_args().sizes)
    with create_migrated_database(with_valkey=True):
        from benchmarks.catalogues import fill

        for catalogue in catalogues:
            print(f"Filling a catalogue: {describe(catalogue)}", flush=True)
            fill(catalogue.products, catalogue.shape)
            copy_database(catalogue)
        measured = measure(catalogues)
    print(f"\n{'CPU ms per request':32}{'before':>9}{'after':>9}{'ratio':>8}{'range':>14}  compared")
    for growth in measured:
        limit = "" if growth.max_ratio is None else f", at most {growth.max_ratio}"
        print(
            f"{growth.name:32}{growth.before_ms:9.2f}{growth.after_ms:9.2f}{growth.ratio:8.2f}"
            f"{f'{growth.low:.2f} to {growth.high:.2f}':>14}  {growth.compared}{limit}"
            f"{', EXCEEDED' if growth.is_exceeded else ''}"
        )
    return int(any(growth.is_exceeded for growth in measured))


if __name__ == "__main__":
    sys.exit(main())
