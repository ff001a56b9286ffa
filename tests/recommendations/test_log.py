"""Reading purchase logs, and collecting baskets from them."""

import gzip
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from django.test import SimpleTestCase

from backend.recommendations.log import LogUnreadable, collect_baskets, read_log
from tests.recommendations.logs import baskets_of, write_log


class ReadLogTest(SimpleTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "log.csv")

    def test_a_row_that_counts(self) -> None:
        day = date(2011, 1, 2).toordinal()
        expected = [("536365", "85123A", "WHITE HANGING HEART", day, "17850")]
        assert list(read_log(write_log(self.path, {}))) == expected
        self.path.write_bytes(gzip.compress(self.path.read_bytes()))
        assert list(read_log(self.path)) == expected

    def test_rows_that_do_not_count(self) -> None:
        for row in [
            {"invoice": "C536365"},
            {"quantity": "0"},
            {"quantity": "-1"},
            {"unit_price": "0"},
            {"unit_price": "-0.01"},
            {"stock_code": "POST"},
            {"stock_code": "1234"},
            {"stock_code": "85123a"},
            {"stock_code": "85123ABC"},
            {"stock_code": "٨٥١٢٣"},
            {"customer_id": ""},
        ]:
            with self.subTest(row):
                assert list(read_log(write_log(self.path, row))) == []
        for row in [{"stock_code": "85123"}, {"stock_code": "85123AB"}, {"unit_price": "0.01"}]:
            with self.subTest(row):
                assert len(list(read_log(write_log(self.path, row)))) == 1

    def test_what_is_no_log(self) -> None:
        for content, message in [
            (b"", "The header lacks invoice, stock_code"),
            (b"invoice,stock_code\n", "The header lacks description, quantity"),
            (b"\xff\xfe\x00", "no CSV file in UTF-8"),
            (gzip.compress(b"invoice," * 1000)[:20], "no CSV file in UTF-8"),
        ]:
            self.path.write_bytes(content)
            with self.subTest(content), pytest.raises(LogUnreadable, match=message):
                list(read_log(self.path))
        for row in [{"quantity": "six"}, {"invoice_date": "02.01.2011"}]:
            with self.subTest(row), pytest.raises(LogUnreadable, match="Row 3 cannot be read"):
                list(read_log(write_log(self.path, {}, row)))
        with pytest.raises(LogUnreadable, match="No such file"):
            list(read_log(self.path.with_name("absent")))


class CollectBasketsTest(SimpleTestCase):
    def test_an_invoice_is_a_set_of_items(self) -> None:
        baskets = collect_baskets(
            [
                ("1", "a", "Lamp", 10, "Ann"),
                ("2", "b", "Vase", 11, "Bob"),
                ("1", "b", "Tall vase", 12, "Ann"),
                ("1", "a", "Lamp, red", 10, "Ann"),
                ("3", "b", "Vase", 13, "Ann"),
            ]
        )
        assert baskets.matrix.toarray().tolist() == [[1, 1], [0, 1], [0, 1]]
        assert baskets.days.tolist() == [10, 11, 13]
        assert baskets.customers.tolist() == [0, 1, 0]
        assert (baskets.items, baskets.descriptions) == (["a", "b"], ["Lamp", "Vase"])

    def test_parts(self) -> None:
        baskets = baskets_of("ab", "bc", "c", days=[1, 2, 3])
        assert baskets.between(None, date.fromordinal(2)).days.tolist() == [1]
        assert baskets.between(date.fromordinal(2), None).days.tolist() == [2, 3]
        assert baskets.between(date.fromordinal(2), date.fromordinal(3)).days.tolist() == [2]
        part = baskets.of_items(np.array([0, 2]))
        assert part.items == part.descriptions == ["a", "c"]
        assert part.matrix.toarray().tolist() == [[1, 0], [0, 1], [0, 1]]
