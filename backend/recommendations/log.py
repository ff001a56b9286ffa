"""Purchase logs, and the baskets in them."""

import csv
import gzip
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

COLUMNS = ("invoice", "stock_code", "description", "quantity", "invoice_date", "unit_price", "customer_id")
ITEM = re.compile(r"[0-9]{5}[A-Z]{0,2}")
# What a gzip file begins with.
GZIP = b"\x1f\x8b"

# Invoice, item, description, day and customer.
Purchase = tuple[str, str, str, int, str]


class LogUnreadable(Exception):
    """The file is no purchase log; the message says why."""


@dataclass(frozen=True, slots=True)
class Baskets:
    """What was bought together.

    Attributes:
        matrix: baskets x items, float32, 1 where the basket holds the item; rows in order of first sight.
        days: the day of each basket, as `date.toordinal` counts it; int32.
        customers: the customer of each basket, numbered from 0; int32.
        items: the code of each column.
        descriptions: the text of each column.
    """

    matrix: sparse.csr_array
    days: npt.NDArray[np.int32]
    customers: npt.NDArray[np.int32]
    items: list[str]
    descriptions: list[str]

    def between(self, first: date | None, end: date | None) -> "Baskets":
        """Return the baskets from the day `first` on and before the day `end`, over the same columns."""
        chosen = np.ones(len(self.days), dtype=bool)
        if first is not None:
            chosen &= self.days >= first.toordinal()
        if end is not None:
            chosen &= self.days < end.toordinal()
        return self.of_rows(chosen)

    def of_rows(self, chosen: npt.NDArray[np.bool_]) -> "Baskets":
        """Return the chosen baskets, over the same columns."""
        return Baskets(
            matrix=self.matrix[np.flatnonzero(chosen)],
            days=self.days[chosen],
            customers=self.customers[chosen],
            items=self.items,
            descriptions=self.descriptions,
        )

    def of_items(self, columns: npt.NDArray[np.intp]) -> "Baskets":
        """Return the same baskets, some of them empty then, over these columns alone."""
        return Baskets(
            matrix=self.matrix[:, columns],
            days=self.days,
            customers=self.customers,
            items=[self.items[column] for column in columns],
            descriptions=[self.descriptions[column] for column in columns],
        )


def read_log(path: Path) -> Iterator[Purchase]:
    """Yield the purchases of a log, a CSV file, plain or gzipped.

    A row counts when its invoice is a number (cancellations are not), quantity and price are above 0,
    the stock code is five digits and up to two capital letters (postage and fees are not), and the
    customer is known. One invoice is one basket, on the day of its first row.

    Args:
        path: a file whose header names at least COLUMNS; `invoice_date` begins with YYYY-MM-DD.

    Raises:
        LogUnreadable: there is no such file, or it is no such log.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(GZIP)) == GZIP
        opened: Any = gzip.open if packed else open
        with opened(path, "rt", encoding="utf-8", newline="") as file:
            yield from _purchases(csv.reader(file))
    except OSError as error:
        raise LogUnreadable(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, UnicodeDecodeError, csv.Error) as error:
        raise LogUnreadable(f"{path} is no CSV file in UTF-8: {error}") from error


def _purchases(rows: Iterator[list[str]]) -> Iterator[Purchase]:
    header = next(rows, [])
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise LogUnreadable(f"The header lacks {', '.join(missing)}.")
    invoice, item, description, quantity, day, price, customer = (header.index(name) for name in COLUMNS)
    ordinals: dict[str, int] = {}
    for number, row in enumerate(rows, 2):
        try:
            counts = (
                row[invoice].isdecimal()
                and ITEM.fullmatch(row[item]) is not None
                and row[customer] != ""
                and float(row[quantity]) > 0
                and float(row[price]) > 0
            )
            if not counts:
                continue
            text = row[day][:10]
            if text not in ordinals:
                ordinals[text] = date.fromisoformat(text).toordinal()
        except (IndexError, ValueError) as error:
            raise LogUnreadable(f"Row {number} cannot be read: {error}.") from error
        yield row[invoice], row[item], row[description], ordinals[text], row[customer]


def collect_baskets(purchases: Iterable[Purchase]) -> Baskets:
    """Collect baskets from purchases in any order, without holding these.

    One invoice is one basket, on the day and of the customer of its first purchase. An item is described
    by what most of its rows say, on a tie by what is said first.
    """
    invoices: dict[str, int] = {}
    items: dict[str, int] = {}
    people: dict[str, int] = {}
    descriptions: list[Counter[str]] = []
    days, customers, rows, columns = array("i"), array("i"), array("i"), array("i")
    for invoice, item, description, day, customer in purchases:
        row = invoices.setdefault(invoice, len(invoices))
        if row == len(days):
            days.append(day)
            customers.append(people.setdefault(customer, len(people)))
        column = items.setdefault(item, len(items))
        if column == len(descriptions):
            descriptions.append(Counter())
        descriptions[column][description] += 1
        rows.append(row)
        columns.append(column)
    matrix = sparse.csr_array(
        (np.ones(len(rows), dtype=np.float32), (np.asarray(rows), np.asarray(columns))),
        shape=(len(invoices), len(items)),
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return Baskets(
        matrix=matrix,
        days=np.asarray(days),
        customers=np.asarray(customers),
        items=list(items),
        descriptions=[texts.most_common(1)[0][0] for texts in descriptions],
    )
