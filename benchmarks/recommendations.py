"""How long it takes to build recommendations, and how much memory.

Run with `make bench-recommendations LOG=online_retail.csv.gz`. Each case runs in a process of its own.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from backend.core.memory import peak_memory
from backend.recommendations.log import Baskets, Purchase, collect_baskets, read_log
from backend.recommendations.model import build_tables
from backend.recommendations.similar import Content, similarity_table

PRODUCTS = 100_000
BASKETS = 400_000


@dataclass(frozen=True, slots=True)
class Result:
    """What a case took; `what` says what it worked on, `rows` how many rows the tables have."""

    what: str
    seconds: float
    megabytes: int
    rows: int


def from_log(path: Path) -> Result:
    return _from_purchases(lambda: read_log(path))


def from_ten_logs(path: Path) -> Result:
    """Work on the log ten times over, every time with new invoices and customers."""

    def purchases() -> Iterator[Purchase]:
        for copy in range(10):
            for invoice, item, text, day, customer in read_log(path):
                yield f"{copy}-{invoice}", item, text, day, f"{copy}-{customer}"

    return _from_purchases(purchases)


def _from_purchases(purchases: Callable[[], Iterator[Purchase]]) -> Result:
    start = time.monotonic()
    return _build(collect_baskets(purchases()), start)


def from_long_tail(path: Path) -> Result:
    """Work on made-up baskets: a basket draws from a few of 5,000 themes, each product belongs to one."""
    random = np.random.default_rng(1)
    popularity = 1 / np.arange(1, PRODUCTS + 1) ** 0.8
    cumulated = np.cumsum(popularity / popularity.sum())
    lengths = np.minimum(random.geometric(1 / 12, BASKETS), 300)
    rows = np.repeat(np.arange(BASKETS), lengths)
    columns = np.searchsorted(cumulated, random.random(len(rows))).clip(max=PRODUCTS - 1)
    themes = 5_000
    theme = (rows * 7919 + random.integers(3, size=len(rows))) % themes
    themed = random.random(len(rows)) < 0.7
    columns = np.where(themed, (columns // themes * themes + theme) % PRODUCTS, columns)
    matrix = sparse.csr_array(
        (np.ones(len(rows), np.float32), (rows, columns)), shape=(BASKETS, PRODUCTS), dtype=np.float32
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1
    names = [str(number) for number in range(PRODUCTS)]
    days = np.sort(random.integers(700_000, 700_365, BASKETS)).astype(np.int32)
    baskets = Baskets(matrix, days, np.arange(BASKETS, dtype=np.int32), names, names)
    return _build(baskets, time.monotonic())


def _build(baskets: Baskets, start: float) -> Result:
    tables = build_tables(baskets, int(baskets.days.max()) + 1)
    count, products = baskets.matrix.shape
    return Result(
        f"{baskets.matrix.nnz:,} lines of {count:,} baskets, {products:,} products",
        time.monotonic() - start,
        peak_memory(),
        tables.bought_together.nnz + tables.complements.nnz,
    )


def by_content(path: Path) -> Result:
    """Work on made-up products in 1,000 categories with words of a Zipf distribution."""
    random = np.random.default_rng(1)
    words = random.zipf(1.3, size=(PRODUCTS, 25)) % 20_000
    leaves = random.integers(1_000, size=PRODUCTS)
    prices = random.lognormal(3, size=PRODUCTS)
    products = [
        Content(
            id=number,
            name=" ".join(f"word{word}" for word in words[number, :5]),
            description=" ".join(f"word{word}" for word in words[number]),
            category=(int(leaf) % 10, 10 + int(leaf) % 100, 200 + int(leaf)),
            characteristics=(("Colour", str(number % 9)), ("Brand", str(number % 50))),
            price=float(prices[number]),
        )
        for number, leaf in enumerate(leaves)
    ]
    start = time.monotonic()
    table = similarity_table(products, width=30)
    return Result(f"{PRODUCTS:,} products", time.monotonic() - start, peak_memory(), table.nnz)


# What is measured, and the most seconds and megabytes it may take.
CASES: list[tuple[str, Callable[[Path], Result], float, int]] = [
    ("the log", from_log, 60, 1000),
    ("ten times the log", from_ten_logs, 600, 2000),
    ("a long tail", from_long_tail, 600, 2000),
    ("by content", by_content, 600, 2000),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "log", type=Path, help="a purchase log, as `manage.py evaluate_recommendations` reads"
    )
    log = parser.parse_args().log
    if not log.is_file():
        parser.error(f"{str(log)!r} is no file; give it as LOG=…")

    fails = False
    print(f"{'':20}{'seconds':>8}{'MB':>7}{'rows':>12}  of", flush=True)
    for name, measure, most_seconds, most_megabytes in CASES:
        alone = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=alone) as executor:
            result = executor.submit(measure, log).result()
        broken = result.seconds > most_seconds or result.megabytes > most_megabytes
        fails |= broken
        print(
            f"{name:20}{result.seconds:>8.1f}{result.megabytes:>7,}{result.rows:>12,}  {result.what}"
            f"{'  too much' if broken else ''}",
            flush=True,
        )
    return int(fails)


if __name__ == "__main__":
    sys.exit(main())
