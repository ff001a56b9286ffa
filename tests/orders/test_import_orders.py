"""Importing a purchase log: orders, products, and rejected rows."""

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from django.core.management import CommandError, call_command
from django.test import TestCase

from backend.catalog.models import Product
from backend.notifications.models import OutgoingEmail
from backend.orders import order_import
from backend.orders.models import Order, OrderLine, OrderStatusChange
from tests.catalog.factories import make_product

HEADER = "invoice,stock_code,description,quantity,invoice_date,unit_price,customer_id,country"
ROWS = [
    "536365,85123A,WHITE HEART,6,2011-07-01T08:26,2.55,17850,United Kingdom",
    "536365,71053,WHITE METAL LANTERN,2,2011-07-01T08:26,3.39,17850,United Kingdom",
    "536366,85123A,WHITE HEART,1,2011-12-02T10:00,2.95,,France",
]


class ImportOrdersCase(TestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = Path(folder.name) / "log.csv"

    def write(self, *rows: str, header: str = HEADER) -> None:
        self.log.write_text("\n".join([header, *rows, ""]), encoding="utf-8")

    def run_import(self, *options: str) -> str:
        out = StringIO()
        call_command("import_orders", str(self.log), *options, stdout=out)
        return out.getvalue()

    def outline(self) -> dict[str, list[tuple[str, int]]]:
        """Return the lines of every order by its number."""
        found: dict[str, list[tuple[str, int]]] = {}
        for line in OrderLine.objects.select_related("order").order_by("order__number", "id"):
            found.setdefault(line.order.number, []).append((line.sku, line.quantity))
        return found


class ImportedTest(ImportOrdersCase):
    def test_rows_become_delivered_anonymous_orders_and_products(self) -> None:
        self.write(*ROWS)
        out = self.run_import("--timezone=Europe/London", "--stock=7")
        assert "3 rows accepted: 2 orders created with 3 lines, 0 unchanged; 2 products created" in out
        order = Order.objects.get(number="import-536365")
        assert (order.status, order.user, order.currency) == ("delivered", None, "RUB")
        assert order.total == Decimal("22.08")
        assert order.placed_at == datetime(2011, 7, 1, 7, 26, tzinfo=UTC)
        assert Order.objects.get(number="import-536366").placed_at == datetime(2011, 12, 2, 10, tzinfo=UTC)
        line = order.lines.get(sku="85123A")
        assert (line.name, str(line.unit_price), line.quantity, str(line.line_total)) == (
            "WHITE HEART",
            "2.55",
            6,
            "15.30",
        )
        (change,) = OrderStatusChange.objects.filter(order=order)
        assert (change.status, change.changed_at) == ("delivered", order.placed_at)
        product = Product.objects.get(sku="85123A")
        assert line.product == product
        assert (product.name, str(product.price), product.stock) == ("WHITE HEART", "2.95", 7)
        assert product.is_published
        assert product.slug == "white-heart"
        assert not OutgoingEmail.objects.exists()

    def test_second_import_changes_nothing(self) -> None:
        self.write(*ROWS)
        self.run_import()
        before = list(OrderLine.objects.order_by("id").values())
        out = self.run_import()
        assert "0 orders created with 0 lines, 2 unchanged; 0 products created" in out
        assert list(OrderLine.objects.order_by("id").values()) == before
        assert OrderStatusChange.objects.count() == 2

    def test_scattered_rows_of_an_invoice_become_one_order(self) -> None:
        self.write(ROWS[0], ROWS[2], ROWS[1])
        self.run_import()
        assert self.outline() == {
            "import-536365": [("85123A", 6), ("71053", 2)],
            "import-536366": [("85123A", 1)],
        }

    def test_batches_split_neither_orders_nor_slugs(self) -> None:
        rows = [f"{number},{10000 + number},THING,1,2011-01-01,1,," for number in range(7)] * 2
        self.write(*rows)
        with mock.patch.multiple(order_import, PRODUCTS_PER_BATCH=2, INVOICES_PER_BATCH=3):
            self.run_import()
        assert self.outline() == {f"import-{n}": [(str(10000 + n), 1)] * 2 for n in range(7)}
        # All products have the same name, so each slug needs a suffix.
        assert Product.objects.values("slug").distinct().count() == 7

    def test_product_has_the_most_frequent_name_and_the_latest_price(self) -> None:
        self.write(
            "1,10001,RARE,1,2011-03-01,3,,",
            "2,10001,COMMON,1,2011-01-01,1,,",
            "3,10001,COMMON,1,2011-02-01,2,,",
            "4,10002,FIRST,1,2011-01-01,1,,",
            "5,10002,SECOND,1,2011-01-01,1,,",
            "6,10003,,1,2011-01-01,1,,",
        )
        self.run_import()
        shown = Product.objects.order_by("sku").values_list("name", "price")
        assert list(shown) == [("COMMON", Decimal(3)), ("FIRST", Decimal(1)), ("10003", Decimal(1))]
        assert OrderLine.objects.get(sku="10003").name == "10003"

    def test_existing_products_and_slugs_are_kept(self) -> None:
        product = make_product("Ours", sku="85123A", price=Decimal(9), stock=1)
        taken = make_product("Theirs", slug="white-metal-lantern")
        self.write(*ROWS)
        assert "1 products created" in self.run_import()
        product.refresh_from_db()
        assert (product.name, product.price, product.stock) == ("Ours", Decimal(9), 1)
        assert Product.objects.get(sku="71053").slug != taken.slug

    def test_existing_order_with_another_total_is_reported_and_kept(self) -> None:
        self.write(ROWS[0])
        self.run_import()
        self.write(*ROWS)
        out = self.run_import()
        assert "order import-536365 exists with a different total and was not changed" in out
        assert self.outline()["import-536365"] == [("85123A", 6)]

    def test_gzipped_log_is_imported(self) -> None:
        self.write(*ROWS)
        self.log.write_bytes(gzip.compress(self.log.read_bytes()))
        assert "2 orders created" in self.run_import()


class RejectedTest(ImportOrdersCase):
    def test_rejected_rows_are_listed_with_line_and_reason(self) -> None:
        good = "1,10001,THING,1,2011-01-01T10:00,1.50,,"
        bad = {
            "C1,10001,THING,-1,2011-01-01,1,,": "the invoice is a cancellation",
            "A1,10001,THING,1,2011-01-01,1,,": "the invoice must be a number",
            f"{'1' * 21},10001,THING,1,2011-01-01,1,,": "the invoice must be a number",
            "2,POST,POSTAGE,1,2011-01-01,1,,": "the stock code must be five digits",
            "2,10001,THING,0,2011-01-01,1,,": "the quantity must be between 1 and",
            "2,10001,THING,2147483648,2011-01-01,1,,": "the quantity must be between 1 and",
            "2,10001,THING,1.5,2011-01-01,1,,": "the quantity must be between 1 and",
            "2,10001,THING,1,2011-01-01,0,,": "the unit price must be above 0",
            "2,10001,THING,1,2011-01-01,NaN,,": "the unit price must be above 0",
            "2,10001,THING,1,2011-01-01,10000000000,,": "the unit price must be above 0",
            "2,10001,THING,1,2011-01-01,1.005,,": "the unit price must have at most two decimals",
            "2,10001,THING,1,yesterday,1,,": "the date must look like",
            "2,10001,THING,1,2999-01-01,1,,": "the date must not be in the future",
            "2,10001": "the quantity must be between 1 and",
        }
        self.write(good, *bad)
        out = self.run_import()
        for line, reason in enumerate(bad.values(), 3):
            with self.subTest(line=line):
                assert any(
                    text.startswith(f"line {line} [") and reason in text for text in out.splitlines()
                ), out
        assert "4 rows rejected: the quantity" in out
        assert "1 rows accepted: 1 orders created with 1 lines" in out
        assert self.outline() == {"import-1": [("10001", 1)]}

    def test_longest_and_largest_values_are_accepted(self) -> None:
        self.write(
            f"{'1' * 20},10001AB,{'N' * 300},2147483647,2011-01-01,46.56,,",
            "2,10001AB,,10,2011-01-01,9999999999.99,,",
            "3,10001AB,,2147483647,2011-01-01,46.57,,",
        )
        out = self.run_import()
        assert "line 4 [10001AB] the quantity times the unit price must be at most 100000000000" in out
        line = OrderLine.objects.get(order__number="import-" + "1" * 20)
        assert line.line_total == Decimal("46.56") * 2147483647
        assert len(line.name) == 255
        assert OrderLine.objects.count() == 2

    def test_at_most_100_rejected_rows_are_listed(self) -> None:
        self.write(*["C1,10001,THING,1,2011-01-01,1,,"] * 101)
        out = self.run_import()
        assert out.count("line ") == 100
        assert "… and 1 more rejected rows" in out
        assert "101 rows rejected: the invoice is a cancellation" in out

    def test_file_that_is_not_a_log_is_an_error(self) -> None:
        for content, message in [
            (b"", "The header lacks the columns invoice, stock_code"),
            (b"invoice,stock_code\n", "The header lacks the columns description"),
            (HEADER.encode() + b"\n1,10001,\xff,1,2011-01-01,1,,\n", "not a CSV file in UTF-8"),
            (gzip.compress(HEADER.encode() * 99)[:-9], "is damaged or truncated"),
        ]:
            self.log.write_bytes(content)
            with self.subTest(message), self.assertRaisesMessage(CommandError, message):
                self.run_import()
        self.log.unlink()
        with self.assertRaisesMessage(CommandError, "No such file"):
            self.run_import()

    def test_invalid_options_import_nothing(self) -> None:
        self.write(*ROWS)
        for option, message in [
            ("--stock=-1", "--stock must be between 0 and 1000000"),
            ("--stock=1000001", "--stock must be between 0 and 1000000"),
            ("--timezone=Mars/Olympus", "such as Europe/London, not 'Mars/Olympus'"),
            ("--timezone=../etc", "such as Europe/London"),
        ]:
            with self.subTest(option), self.assertRaisesMessage(CommandError, message):
                self.run_import(option)
        assert not Order.objects.exists()
