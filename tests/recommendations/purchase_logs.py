"""Purchase logs and baskets for tests."""

import csv
import random
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from scipy import sparse

from backend.orders.purchase_log import COLUMNS, CUSTOMER_COLUMN
from backend.recommendations.baskets import Baskets

DEFAULT_ROW = {
    "invoice": "536365",
    "stock_code": "85123A",
    "description": "WHITE HANGING HEART",
    "quantity": "6",
    "invoice_date": "2011-01-02T08:26",
    "unit_price": "2.55",
    "customer_id": "17850",
}


def write_log(path: Path, *rows: dict[str, str]) -> Path:
    """Write a log. Missing columns of a row have the values of DEFAULT_ROW."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, CUSTOMER_COLUMN, "country"])
        writer.writeheader()
        writer.writerows(DEFAULT_ROW | row for row in rows)
    return path


def write_themed_log(path: Path) -> Path:
    """Write a log of 600 baskets in the 90 days from 2011-01-01.

    Each basket has three of the five items of one theme, and one of four best sellers.
    """
    generator = random.Random(1)
    rows = []
    for number in range(600):
        theme = generator.randrange(12)
        items = generator.sample(range(5), 3)
        codes = [f"{10000 + theme * 10 + item}" for item in items] + [f"2000{generator.randrange(4)}"]
        day = date(2011, 1, 1) + timedelta(days=number * 90 // 600)
        rows += [
            {
                "invoice": str(number + 1),
                "stock_code": code,
                "description": f"ITEM {code}",
                "invoice_date": f"{day}T10:00",
                "customer_id": str(number % 50),
            }
            for code in codes
        ]
    return write_log(path, *rows)


def make_baskets(*baskets: str, days: list[int] | None = None) -> Baskets:
    """Return baskets whose items are letters: "ab" contains a and b. The default day is 1."""
    items = sorted(set("".join(baskets)))
    matrix = np.array([[item in basket for item in items] for basket in baskets], dtype=np.float32)
    return Baskets(
        matrix=sparse.csr_array(matrix),
        days=np.array(days or [1] * len(baskets), dtype=np.int32),
        customers=np.arange(len(baskets), dtype=np.int32),
        items=items,
        descriptions=items,
    )
