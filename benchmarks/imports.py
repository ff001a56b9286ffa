"""Time and memory of the import of a large product feed.

Run it with `make bench-import`. It imports a feed into an empty catalogue, and then imports it again without
changes.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from backend.core.commands import measure_peak_memory
from benchmarks.database import DATA_DIR, create_migrated_database

MAX_MEMORY_MB = 500

WORDS = """
    кружка чайник лампа стол стул полка ковёр плед подушка ваза часы зеркало корзина щётка нож доска
    blue red large small warm soft steel glass cotton walnut ceramic bamboo linen wool compact folding
"""
COLORS = ["белый", "чёрный", "синий", "red", "green", "walnut"]


def generate_feed(count: int) -> Iterator[str]:
    """Yield the header and the lines of a feed with `count` products in 400 categories."""
    words = WORDS.split()
    random_ = random.Random(1)  # noqa: S311 - the feed is the same in every run
    columns = "id title description availability quantity price product_type brand color product_detail"
    yield columns.replace(" ", "\t") + "\n"
    for number in range(count):
        name = " ".join(random_.choices(words, k=5)).capitalize()
        text = " ".join(random_.choices(words, k=60))
        category = number % 400
        yield (
            f"BENCH-{number:07}\t{name}\t{text}\tin_stock\t{number % 100}\t{number % 9000}.50"
            f"\tBench {category % 8} > Part {category % 40} > Shelf {category}\tBrand {number % 50}"
            f"\t{random_.choice(COLORS)}\tSizes:Height (cm):{number % 200},Care:Programme:{number % 7}\n"
        )


def measure_import(feed: Path, *, created: int, unchanged: int) -> float:
    """Import a feed, check the counts of the report, and return the duration."""
    from backend.feeds.importer import import_feed

    start = time.monotonic()
    report = import_feed(feed)
    seconds = time.monotonic() - start
    assert not report.stopped, report.stopped
    assert (report.created, report.unchanged) == (created, unchanged), report.summary()
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows

    with create_migrated_database():
        from benchmarks.catalogues import empty

        empty()
        feed = DATA_DIR / "feed.tsv"
        with feed.open("w", encoding="utf-8") as file:
            file.writelines(generate_feed(rows))
        print(f"Importing {rows:,} rows, {feed.stat().st_size // 1024 // 1024} MB", flush=True)
        first = measure_import(feed, created=rows, unchanged=0)
        again = measure_import(feed, created=0, unchanged=rows)
        feed.unlink()
    memory = measure_peak_memory()
    is_over = memory > MAX_MEMORY_MB
    print(f"\n{'into an empty catalogue':28}{first:>8.1f} s{rows / first:>10,.0f} rows/s")
    print(f"{'again, without changes':28}{again:>8.1f} s{rows / again:>10,.0f} rows/s")
    print(f"{'peak memory':28}{memory:>8} MB{f'  above the limit of {MAX_MEMORY_MB} MB' if is_over else ''}")
    return int(is_over)


if __name__ == "__main__":
    sys.exit(main())
