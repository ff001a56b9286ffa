"""Reading purchase logs. `test_import_orders.py` has the limits of every column."""

import gzip
import tracemalloc
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from django.test import SimpleTestCase
from django.utils import timezone

from backend.orders import purchase_log
from backend.orders.purchase_log import PurchaseLogError, PurchaseRow, RejectedRow, read_purchase_log

LONDON = ZoneInfo("Europe/London")
HEADER = "invoice,stock_code,description,quantity,invoice_date,unit_price"
ROW = "536365,85123A,WHITE HEART,6,2011-07-01T08:26,2.55"


class ReadPurchaseLogTest(SimpleTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "log.csv")

    def read(self, *rows: str, header: str = HEADER) -> list[PurchaseRow | RejectedRow]:
        self.path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
        return list(read_purchase_log(self.path, LONDON))

    def test_row_is_parsed_in_the_time_zone_of_the_log(self) -> None:
        (row,) = self.read(ROW)
        assert row == PurchaseRow(
            line=2,
            invoice="536365",
            sku="85123A",
            name="WHITE HEART",
            quantity=6,
            unit_price=Decimal("2.55"),
            placed_at=datetime(2011, 7, 1, 7, 26, tzinfo=UTC),
            customer="",
        )

    def test_gzipped_log_is_read_alike(self) -> None:
        plain = self.read(ROW)
        self.path.write_bytes(gzip.compress(self.path.read_bytes()))
        assert list(read_purchase_log(self.path, LONDON)) == plain

    def test_columns_are_found_by_name_and_others_are_ignored(self) -> None:
        header = "country,customer_id,unit_price,invoice_date,quantity,description,stock_code,invoice"
        (row,) = self.read("UK,17850,2.55,2011-07-01,6,WHITE HEART,85123A,536365", header=header)
        assert isinstance(row, PurchaseRow)
        assert (row.invoice, row.customer, row.unit_price) == ("536365", "17850", Decimal("2.55"))

    def test_cells_beyond_the_header_are_not_a_customer(self) -> None:
        (row,) = self.read(f"{ROW},17850")
        assert isinstance(row, PurchaseRow)
        assert row.customer == ""

    def test_dates_with_an_offset_keep_it(self) -> None:
        (row,) = self.read(ROW.replace("2011-07-01T08:26", "2011-07-01T08:26-05:00"))
        assert isinstance(row, PurchaseRow)
        assert row.placed_at == datetime(2011, 7, 1, 13, 26, tzinfo=UTC)
        assert row.placed_at.hour == 8

    def test_dates_in_the_future_are_rejected(self) -> None:
        now = timezone.now()
        past, future = (now - timedelta(minutes=1)).isoformat(), (now + timedelta(minutes=1)).isoformat()
        accepted, rejected = self.read(*(ROW.replace("2011-07-01T08:26", date) for date in (past, future)))
        assert isinstance(accepted, PurchaseRow)
        assert rejected == RejectedRow(3, "85123A", "the date must not be in the future")

    def test_rejected_rows_keep_their_place_among_the_others(self) -> None:
        rows = self.read(ROW, ROW.replace(",6,", ",six,"), "", ROW)
        assert [row.line for row in rows] == [2, 3, 5]
        assert rows[1] == RejectedRow(3, "85123A", "the quantity must be between 1 and 2147483647")

    def test_only_digits_and_letters_of_ascii_make_a_stock_code(self) -> None:
        for code, is_accepted in [
            ("85123", True),
            ("85123AB", True),
            ("85123ABC", False),
            ("1234", False),
            ("85123a", False),
            ("٨٥١٢٣", False),
            ("POST", False),
        ]:
            with self.subTest(code):
                (row,) = self.read(ROW.replace("85123A", code))
                assert isinstance(row, PurchaseRow) == is_accepted

    def test_row_is_limited_in_bytes_and_lines(self) -> None:
        for text, longer in [
            ("x" * (purchase_log.MAX_ROW_BYTES - len(ROW) + len("WHITE HEART")), "x"),
            ('"' + "\n" * (purchase_log.MAX_ROW_LINES - 1) + '"', "\n"),
        ]:
            with self.subTest(longer=longer):
                row = ROW.replace("WHITE HEART", text)
                assert [type(row) for row in self.read(row, row)] == [PurchaseRow, PurchaseRow]
                with pytest.raises(PurchaseLogError, match=r"line \d+: (the line is longer|a quoted cell)"):
                    self.read(row.replace(longer, longer * 2, 1))

    def test_header_that_unpacks_to_many_megabytes_does_not_fill_the_memory(self) -> None:
        self.path.write_bytes(gzip.compress(HEADER.encode()) + gzip.compress(b"x" * 2**20) * 64)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        with pytest.raises(PurchaseLogError, match="line 1: the line is longer than 20,000 bytes"):
            list(read_purchase_log(self.path, LONDON))
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20

    def test_missing_file_is_an_error(self) -> None:
        with pytest.raises(PurchaseLogError, match="No such file"):
            list(read_purchase_log(self.path, LONDON))
