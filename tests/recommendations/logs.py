"""Purchase logs made for tests."""

import csv
import random
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from scipy import sparse

from backend.recommendations.log import COLUMNS, Baskets

ROW = {
    "invoice": "536365",
    "stock_code": "85123A",
    "description": "WHITE HANGING HEART",
    "quantity": "6",
    "invoice_date": "2011-01-02T08:26",
    "unit_price": "2.55",
    "customer_id": "17850",
}


def write_log(path: Path, *rows: dict[str, str]) -> Path:
    """Write a log of such rows; what one leaves out is ROW's."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, "country"])
        writer.writeheader()
        writer.writerows(ROW | row for row in rows)
    return path


def write_themed_log(path: Path) -> Path:
    """Write 600 baskets of 90 days from 2011-01-01: three of the five items of a theme, and a best seller."""
    random_ = random.Random(1)
    rows = []
    for number in range(600):
        theme = random_.randrange(12)
        items = random_.sample(range(5), 3)
        codes = [f"{10000 + theme * 10 + item}" for item in items] + [f"2000{random_.randrange(4)}"]
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


def baskets_of(*baskets: str, days: list[int] | None = None) -> Baskets:
    """Return baskets whose items are letters: "ab" holds a and b. Without days they are all of day 1."""
    items = sorted(set("".join(baskets)))
    matrix = np.array([[item in basket for item in items] for basket in baskets], dtype=np.float32)
    return Baskets(
        matrix=sparse.csr_array(matrix),
        days=np.array(days or [1] * len(baskets), dtype=np.int32),
        customers=np.arange(len(baskets), dtype=np.int32),
        items=items,
        descriptions=items,
    )
