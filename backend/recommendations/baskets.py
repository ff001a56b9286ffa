"""Collect purchases into a sparse matrix of baskets."""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse


class Purchase(NamedTuple):
    """One item in one basket.

    Attributes:
        day: as `date.toordinal` counts it.
        customer: empty for anonymous customers.
    """

    basket: str
    item: str
    description: str
    day: int
    customer: str


@dataclass(frozen=True, slots=True)
class Baskets:
    """A matrix of baskets and items, with the properties of its rows and columns.

    Attributes:
        matrix: baskets × items, float32, 1 where the basket contains the item.
        days: the day of each basket, as `date.toordinal` counts it; int32.
        customers: the index of the customer of each basket; int32.
        items: the code of each column.
        descriptions: the description of each column.
    """

    matrix: sparse.csr_array
    days: npt.NDArray[np.int32]
    customers: npt.NDArray[np.int32]
    items: list[str]
    descriptions: list[str]

    def select_days(self, first: date | None, end: date | None) -> "Baskets":
        """Return the baskets from the day `first` until before the day `end`, with the same columns."""
        mask = np.ones(len(self.days), dtype=bool)
        if first is not None:
            mask &= self.days >= first.toordinal()
        if end is not None:
            mask &= self.days < end.toordinal()
        return self.select_rows(mask)

    def select_rows(self, mask: npt.NDArray[np.bool_]) -> "Baskets":
        """Return the baskets where `mask` is true, with the same columns."""
        return Baskets(
            matrix=self.matrix[np.flatnonzero(mask)],
            days=self.days[mask],
            customers=self.customers[mask],
            items=self.items,
            descriptions=self.descriptions,
        )

    def select_items(self, columns: npt.NDArray[np.intp]) -> "Baskets":
        """Return all baskets with these columns only. Some of the baskets can be empty."""
        return Baskets(
            matrix=self.matrix[:, columns],
            days=self.days,
            customers=self.customers,
            items=[self.items[column] for column in columns],
            descriptions=[self.descriptions[column] for column in columns],
        )


def collect_baskets(purchases: Iterable[Purchase]) -> Baskets:
    """Collect a stream of purchases, in any order, into baskets.

    A basket has the day and the customer of its first purchase. An item has its most frequent description,
    or the first of several equally frequent ones.
    """
    basket_rows: dict[str, int] = {}
    item_columns: dict[str, int] = {}
    customer_indexes: dict[str, int] = {}
    descriptions: list[Counter[str]] = []
    days, customers, rows, columns = array("i"), array("i"), array("i"), array("i")
    for basket, item, description, day, customer in purchases:
        row = basket_rows.setdefault(basket, len(basket_rows))
        if row == len(days):
            days.append(day)
            customers.append(customer_indexes.setdefault(customer, len(customer_indexes)))
        column = item_columns.setdefault(item, len(item_columns))
        if column == len(descriptions):
            descriptions.append(Counter())
        descriptions[column][description] += 1
        rows.append(row)
        columns.append(column)
    matrix = sparse.csr_array(
        (np.ones(len(rows), dtype=np.float32), (np.asarray(rows), np.asarray(columns))),
        shape=(len(basket_rows), len(item_columns)),
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return Baskets(
        matrix=matrix,
        days=np.asarray(days),
        customers=np.asarray(customers),
        items=list(item_columns),
        descriptions=[counts.most_common(1)[0][0] for counts in descriptions],
    )
