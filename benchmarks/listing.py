"""Database time of catalogue reads, in a small and in a large catalogue.

Run it with `make bench-listing`. It runs every query of the selectors with EXPLAIN ANALYZE several times,
with warm caches, and uses the median of planning plus execution time.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.database import create_migrated_database

RUNS = 9
MAX_GROWTH = 2.0
MAX_QUERIES = 4
# Shorter times are dominated by measurement noise and count as this time.
NOISE_MS = 0.05


@dataclass(frozen=True)
class Cost:
    """The database cost of a read."""

    queries: int
    milliseconds: float


def measure(read: Callable[[], Any]) -> Cost:
    """Measure the queries of a read with warm caches."""
    from django.db import connection

    sent: list[tuple[str, Any]] = []

    def record(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        read()
    milliseconds = 0.0
    with connection.cursor() as cursor:
        for sql, params in sent:
            times = []
            for _ in range(RUNS):
                cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params)
                ((plan,),) = cursor.fetchone()
                times.append(plan["Planning Time"] + plan["Execution Time"])
            milliseconds += statistics.median(times[2:])
    return Cost(len(sent), milliseconds)


def list_reads(size: int) -> dict[str, Callable[[], Any]]:
    """Return the measured reads by name. Each read checks its result."""
    from decimal import Decimal

    from backend.catalog.selectors import ProductSort, list_products, read_category_tree, read_facets
    from backend.core.pagination import Window

    def page(sort: ProductSort, after: str | None = None, **arguments: Any) -> Callable[[], Any]:
        products = list_products(**arguments)

        def read() -> None:
            found = products.read_page(sort, Window.from_arguments(first=20, after=after)).items
            assert len(found) == 20, len(found)
            assert all(product.category.name and product.characteristics for product in found)
            [product.image for product in found]

        return read

    def deep_cursor(sort: ProductSort) -> str:
        """Return the cursor of a page in the middle of the root category."""
        root = list_products(category=1)
        prices = root.select_entries().order_by("price", "product_id")
        middle = prices[size // 2]
        last = list_products(category=1, price_min=middle.price).read_page(
            sort, Window.from_arguments(first=1)
        )
        return last.cursors[0]

    def tree() -> None:
        (root_category,) = read_category_tree(with_counts=True)
        assert root_category.product_count == size

    root = {"category": 1}
    cheap = {"price_min": Decimal(100), "price_max": Decimal(200)}
    facets_of = list_products(category=12, characteristics={"Color": ["red"]})

    def facets() -> None:
        assert len(read_facets(facets_of).characteristics) == 5

    return {
        "root by price, page 1": page(ProductSort.PRICE_ASC, **root),
        "root by price, deep cursor": page(ProductSort.PRICE_ASC, deep_cursor(ProductSort.PRICE_ASC), **root),
        "root by price, descending": page(ProductSort.PRICE_DESC, **root),
        "root by name": page(ProductSort.NAME, **root),
        "root, newest": page(ProductSort.NEWEST, **root),
        "root, popular": page(ProductSort.POPULAR, **root),
        "root, by discount": page(ProductSort.DISCOUNT, **root),
        "root, on sale, by price": page(ProductSort.PRICE_ASC, **root, on_sale=True),
        "root, price range": page(ProductSort.PRICE_ASC, **root, **cheap),
        "root, in stock, red": page(
            ProductSort.PRICE_ASC, **root, in_stock=True, characteristics={"Color": ["red"]}
        ),
        "middle category by price": page(ProductSort.PRICE_ASC, category=12),
        "whole shop, newest": page(ProductSort.NEWEST),
        "info: search, by relevance": page(ProductSort.RELEVANCE, **root, search="summer dress"),
        "info: total of the root, not cached": lambda: list_products(**root).count_total(),
        "info: facets of a middle category": facets,
        "info: category tree with counts, not cached": tree,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs=2, default=[10_000, 1_000_000], metavar="PRODUCTS")
    sizes = parser.parse_args().sizes

    with create_migrated_database():
        from benchmarks.catalogues import fill

        costs: list[dict[str, Cost]] = []
        for size in sizes:
            print(f"Filling the catalogue with {size:,} products", flush=True)
            fill(size)
            costs.append({name: measure(read) for name, read in list_reads(size).items()})
    return report(sizes, *costs)


def report(sizes: list[int], small: dict[str, Cost], large: dict[str, Cost]) -> int:
    """Print the table and return 1 if a limit is exceeded. Rows that begin with "info:" have no limit."""
    print(f"\n{'':36}{'queries':>8}{sizes[0]:>12,}{sizes[1]:>12,}{'ratio':>8}")
    broken = False
    for name in small:
        before, after = small[name], large[name]
        ratio = max(after.milliseconds, NOISE_MS) / max(before.milliseconds, NOISE_MS)
        fails = not name.startswith("info:") and (ratio > MAX_GROWTH or after.queries > MAX_QUERIES)
        broken |= fails
        print(
            f"{name:36}{after.queries:>8}{before.milliseconds:>9.2f} ms{after.milliseconds:>9.2f} ms"
            f"{ratio:>8.2f}{'  too slow' if fails else ''}"
        )
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
