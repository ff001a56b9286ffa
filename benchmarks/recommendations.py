"""Measure the time and memory of building recommendations.

Run with `make bench-recommendations LOG=online_retail.csv.gz`. Each case runs in its own process.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import django
import numpy as np
from scipy import sparse

from backend.core.commands import measure_peak_memory
from backend.recommendations.basket_model import compute_basket_scores
from backend.recommendations.baskets import Baskets, Purchase, collect_baskets
from backend.recommendations.content_similarity import ProductContent, compute_similarity

PRODUCTS = 100_000
BASKETS = 400_000


@dataclass(frozen=True, slots=True)
class Result:
    """The cost of a case.

    Attributes:
        rows: the number of scores in the result.
    """

    description: str
    seconds: float
    megabytes: int
    rows: int


def measure_log(path: Path) -> Result:
    return _measure_purchases(lambda: _read_purchases(path))


def measure_ten_logs(path: Path) -> Result:
    """Use the log ten times, each time with new invoices and customers."""

    def purchases() -> Iterator[Purchase]:
        for copy in range(10):
            for purchase in _read_purchases(path):
                yield purchase._replace(
                    basket=f"{copy}-{purchase.basket}", customer=f"{copy}-{purchase.customer}"
                )

    return _measure_purchases(purchases)


def _read_purchases(path: Path) -> Iterator[Purchase]:
    # Imports models, so Django must be set up first.
    from backend.recommendations.training_data import read_logged_purchases

    return read_logged_purchases(path)


def _set_up_django() -> None:
    """Make models importable. No database is used."""
    os.environ |= {"ENV_FILE": os.devnull, "DEBUG": "true"}
    os.environ.setdefault("DJANGO_SECRET_KEY", "of-the-benchmarks")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.config.settings")
    django.setup()


def _measure_purchases(read: Callable[[], Iterator[Purchase]]) -> Result:
    _set_up_django()
    start = time.monotonic()
    return _measure_build(collect_baskets(read()), start)


def measure_long_tail(path: Path) -> Result:
    """Generate baskets from 5,000 themes. A product has one theme, and a basket has up to three."""
    random = np.random.default_rng(1)
    popularity = 1 / np.arange(1, PRODUCTS + 1) ** 0.8
    cumulative = np.cumsum(popularity / popularity.sum())
    lengths = np.minimum(random.geometric(1 / 12, BASKETS), 300)
    rows = np.repeat(np.arange(BASKETS), lengths)
    columns = np.searchsorted(cumulative, random.random(len(rows))).clip(max=PRODUCTS - 1)
    themes = 5_000
    theme = (rows * 7919 + random.integers(3, size=len(rows))) % themes
    has_theme = random.random(len(rows)) < 0.7
    columns = np.where(has_theme, (columns // themes * themes + theme) % PRODUCTS, columns)
    matrix = sparse.csr_array(
        (np.ones(len(rows), np.float32), (rows, columns)), shape=(BASKETS, PRODUCTS), dtype=np.float32
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1
    names = [str(number) for number in range(PRODUCTS)]
    days = np.sort(random.integers(700_000, 700_365, BASKETS)).astype(np.int32)
    baskets = Baskets(matrix, days, np.arange(BASKETS, dtype=np.int32), names, names)
    return _measure_build(baskets, time.monotonic())


def _measure_build(baskets: Baskets, start: float) -> Result:
    scores = compute_basket_scores(baskets, int(baskets.days.max()) + 1)
    count, products = baskets.matrix.shape
    return Result(
        f"{baskets.matrix.nnz:,} lines of {count:,} baskets, {products:,} products",
        time.monotonic() - start,
        measure_peak_memory(),
        scores.bought_together.nnz + scores.complements.nnz,
    )


def measure_content(path: Path) -> Result:
    """Generate products in 1,000 categories with words from a Zipf distribution."""
    random = np.random.default_rng(1)
    words = random.zipf(1.3, size=(PRODUCTS, 25)) % 20_000
    leaves = random.integers(1_000, size=PRODUCTS)
    prices = random.lognormal(3, size=PRODUCTS)
    products = [
        ProductContent(
            id=number,
            name=" ".join(f"word{word}" for word in words[number, :5]),
            description=" ".join(f"word{word}" for word in words[number]),
            category_path=(int(leaf) % 10, 10 + int(leaf) % 100, 200 + int(leaf)),
            characteristics=(("Colour", str(number % 9)), ("Brand", str(number % 50))),
            price=float(prices[number]),
        )
        for number, leaf in enumerate(leaves)
    ]
    start = time.monotonic()
    matrix = compute_similarity(products, width=30)
    return Result(f"{PRODUCTS:,} products", time.monotonic() - start, measure_peak_memory(), matrix.nnz)


# The name of each case, and the maximum number of seconds and megabytes.
CASES: list[tuple[str, Callable[[Path], Result], float, int]] = [
    ("the log", measure_log, 60, 1000),
    ("ten times the log", measure_ten_logs, 600, 2000),
    ("a long tail", measure_long_tail, 600, 2000),
    ("by content", measure_content, 600, 2000),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "log", type=Path, help="a purchase log as `manage.py evaluate_recommendations` reads it"
    )
    log = parser.parse_args().log
    if not log.is_file():
        parser.error(f"{str(log)!r} is not a file; name one with LOG=…")

    is_any_exceeded = False
    print(f"{'':20}{'seconds':>8}{'MB':>7}{'rows':>12}  of", flush=True)
    for name, measure, max_seconds, max_megabytes in CASES:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as executor:
            result = executor.submit(measure, log).result()
        is_exceeded = result.seconds > max_seconds or result.megabytes > max_megabytes
        is_any_exceeded |= is_exceeded
        print(
            f"{name:20}{result.seconds:>8.1f}{result.megabytes:>7,}{result.rows:>12,}  {result.description}"
            f"{'  exceeds the limit' if is_exceeded else ''}",
            flush=True,
        )
    return int(is_any_exceeded)


if __name__ == "__main__":
    sys.exit(main())
