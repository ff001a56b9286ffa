"""Collecting baskets, from purchases and from purchase logs."""

import tempfile
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from django.test import SimpleTestCase

from backend.orders.purchase_log import PurchaseLogError
from backend.recommendations.baskets import Purchase, collect_baskets
from backend.recommendations.training_data import read_logged_purchases
from tests.recommendations.purchase_logs import make_baskets, write_log


class LoggedPurchasesTest(SimpleTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "log.csv")

    def test_purchase_has_the_day_that_the_log_says(self) -> None:
        day = date(2011, 1, 2).toordinal()
        for time in ("2011-01-02", "2011-01-02T00:00", "2011-01-02T23:59", "2011-01-02T23:59-11:00"):
            with self.subTest(time):
                log = write_log(self.path, {"invoice_date": time})
                expected = [Purchase("536365", "85123A", "WHITE HANGING HEART", day, "17850")]
                assert list(read_logged_purchases(log)) == expected

    def test_rows_without_a_customer_are_skipped(self) -> None:
        write_log(self.path, {"customer_id": ""}, {"customer_id": "1"})
        assert [purchase.customer for purchase in read_logged_purchases(self.path)] == ["1"]

    def test_rejected_rows_are_skipped_and_counted_by_reason(self) -> None:
        valid = [{"stock_code": "85123"}, {"stock_code": "85123AB"}, {"unit_price": "0.01"}]
        rejected = [
            {"invoice": "C536365"},
            {"quantity": "0"},
            {"quantity": "-1"},
            {"quantity": "six"},
            {"unit_price": "0"},
            {"unit_price": "-0.01"},
            {"stock_code": "POST"},
            {"invoice_date": "02.01.2011"},
        ]
        counts: Counter[str] = Counter()
        assert len(list(read_logged_purchases(write_log(self.path, *rejected, *valid), counts))) == 3
        assert counts == {
            "the invoice is a cancellation": 1,
            "the quantity must be between 1 and 2147483647": 3,
            "the unit price must be above 0 and at most 9999999999.99": 2,
            "the stock code must be five digits and up to two capital letters": 1,
            "the date must look like 2011-10-31 or 2011-10-31T17:13": 1,
        }

    def test_file_that_is_not_a_log_is_an_error(self) -> None:
        self.path.write_bytes(b"invoice,stock_code\n")
        with pytest.raises(PurchaseLogError, match="The header lacks the columns description"):
            list(read_logged_purchases(self.path))


class CollectBasketsTest(SimpleTestCase):
    def test_basket_is_a_set_of_items_with_the_properties_of_its_first_purchase(self) -> None:
        baskets = collect_baskets(
            [
                Purchase("1", "a", "Lamp", 10, "Ann"),
                Purchase("2", "b", "Vase", 11, "Bob"),
                Purchase("1", "b", "Tall vase", 12, "Ann"),
                Purchase("1", "a", "Lamp, red", 10, "Ann"),
                Purchase("3", "b", "Vase", 13, "Ann"),
            ]
        )
        assert baskets.matrix.toarray().tolist() == [[1, 1], [0, 1], [0, 1]]
        assert baskets.days.tolist() == [10, 11, 13]
        assert baskets.customers.tolist() == [0, 1, 0]
        assert (baskets.items, baskets.descriptions) == (["a", "b"], ["Lamp", "Vase"])

    def test_days_are_selected_without_the_end(self) -> None:
        baskets = make_baskets("ab", "bc", "c", days=[1, 2, 3])
        second, third = date.fromordinal(2), date.fromordinal(3)
        assert baskets.select_days(None, second).days.tolist() == [1]
        assert baskets.select_days(second, None).days.tolist() == [2, 3]
        assert baskets.select_days(second, third).days.tolist() == [2]

    def test_selected_items_keep_all_baskets(self) -> None:
        part = make_baskets("ab", "bc", "c").select_items(np.array([0, 2]))
        assert part.items == part.descriptions == ["a", "c"]
        assert part.matrix.toarray().tolist() == [[1, 0], [0, 1], [0, 1]]
