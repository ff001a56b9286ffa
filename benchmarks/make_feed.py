"""Write a product feed of any length, for measuring imports: python benchmarks/make_feed.py PATH [ROWS]

Then, for time and memory: /usr/bin/time -v python manage.py import_products PATH
"""

import random
import sys
from pathlib import Path

WORDS = """
    кружка чайник лампа стол стул полка ковёр плед подушка ваза часы зеркало корзина щётка нож доска
    blue red large small warm soft steel glass cotton walnut ceramic bamboo linen wool compact folding
"""
COLORS = ["белый", "чёрный", "синий", "red", "green", "walnut"]


def rows(count: int) -> list[str]:
    """Return the lines of a feed of as many products in 400 categories, header first."""
    words = WORDS.split()
    random_ = random.Random(1)  # noqa: S311 - the same feed every time
    lines = [
        "id\ttitle\tdescription\tavailability\tquantity\tprice\tproduct_type\tbrand\tcolor\tproduct_detail"
    ]
    for number in range(count):
        name = " ".join(random_.choices(words, k=5)).capitalize()
        text = " ".join(random_.choices(words, k=60))
        category = number % 400
        lines.append(
            f"BENCH-{number:07}\t{name}\t{text}\tin_stock\t{number % 100}\t{number % 9000}.50"
            f"\tBench {category % 8} > Part {category % 40} > Shelf {category}\tBrand {number % 50}"
            f"\t{random_.choice(COLORS)}\tSizes:Height (cm):{number % 200},Care:Programme:{number % 7}"
        )
    return lines


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text("\n".join(rows(int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)) + "\n")
