"""Export of orders as CSV and XLSX from the admin."""

import csv
import io
import tempfile
import tracemalloc
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from unittest import mock
from xml.etree import ElementTree

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.accounts.models import User
from backend.orders import export
from backend.orders.delivery import Address, ContactInput, Delivery
from backend.orders.export import COLUMNS, Value
from backend.orders.models import Order, OrderLine
from backend.orders.services import add_order_note, cancel_order_lines, change_order_status
from tests.catalog.factories import make_product
from tests.orders.factories import make_order
from tests.orders.test_admin import LIST, OrderAdminCase

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def read_body(response: Any) -> bytes:
    assert response.status_code == 200, response
    return b"".join(response.streaming_content)


def parse_csv(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def parse_xlsx(data: bytes) -> list[dict[str, tuple[str, str]]]:
    """Return the type and the text of every cell by column."""
    sheet = zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml")
    rows = []
    for row in ElementTree.fromstring(sheet).iter(f"{MAIN}row"):
        assert not list(row.iter(f"{MAIN}f")), "a cell is a formula"
        rows.append(
            {
                COLUMNS[ord(cell.attrib["r"][0]) - ord("A")]: (
                    cell.attrib.get("t", "n"),
                    "".join(text.text or "" for text in cell.iter() if text.tag in (f"{MAIN}t", f"{MAIN}v")),
                )
                for cell in row
            }
        )
    return rows


class ExportCase(OrderAdminCase):
    def export(self, format: str = "csv", **query: str) -> bytes:
        return read_body(self.client.get(f"{LIST}export/{format}/", query))

    def numbers(self, **query: str) -> list[str]:
        """Return the order numbers of an export, without repetitions."""
        return list(dict.fromkeys(row["order"] for row in parse_csv(self.export(**query))))


class CsvTest(ExportCase):
    def test_file_has_a_row_for_each_line_with_the_columns_of_its_order(self) -> None:
        mug = make_product(name='Mug "Camp", red', sku="MUG-7", price=Decimal("3.33"))
        order = make_order(self.vera, (self.tea, 1), (mug, 2))
        cancel_order_lines(
            order_id=order.pk,
            quantities={order.lines.all()[1].pk: 1},
            expected_total=order.total,
            changed_by=self.boss.pk,
        )
        placed = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
        Order.objects.filter(pk=self.order.pk).update(placed_at=placed)
        change_order_status(order_id=self.order.pk, status="paid", changed_by=self.boss.pk)
        change_order_status(
            order_id=self.order.pk, status="shipped", changed_by=self.boss.pk, tracking_number="AB-1"
        )
        data = self.export()
        assert data.startswith(b"\xef\xbb\xbforder,placed_at,")
        first, second, third = parse_csv(data)
        assert [first["order"], second["order"], third["order"]] == [order.number] * 2 + [self.order.number]
        assert third == {
            "order": self.order.number,
            "placed_at": timezone.localtime(placed).isoformat(sep=" "),
            "status": "shipped",
            "customer": "vera@example.com",
            "contact_name": "Vera Inber",
            "phone": "+79215550102",
            "address": "Nevsky 1",
            "address_2": "flat <2>",
            "postal_code": "191186",
            "city": "St Petersburg",
            "country": "RU",
            "comment": "Ring twice.\nThe <bell> is broken.",
            "tracking_number": "AB-1",
            "tracking_url": "",
            "promo_code": "",
            "order_discount": "0.00",
            "currency": "RUB",
            "order_total": "50.00",
            "sku": "Tea-1",
            "name": "Green <tea>",
            "unit_price": "12.50",
            "quantity": "4",
            "cancelled_quantity": "0",
            "line_total": "50.00",
            "discount": "0.00",
        }
        assert second["name"] == 'Mug "Camp", red'
        assert [second[name] for name in ("quantity", "cancelled_quantity", "line_total", "order_total")] == [
            *("2", "1", "3.33"),
            "15.83",
        ]
        assert first["contact_name"] == ""

    def test_response_is_a_download(self) -> None:
        response = self.client.get(f"{LIST}export/csv/")
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert response["Content-Disposition"] == 'attachment; filename="orders.csv"'
        assert response["Cache-Control"] == "no-store"
        read_body(response)

    def test_texts_that_spreadsheets_would_run_are_neutralized(self) -> None:
        texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", " =1", "a=1", ""]
        texts += ["+79215550102", "+79215550102+1", "+7 921", "-79215550102", "+79215550102\n"]
        rows: list[list[Value]] = [[text] for text in texts]
        written = b"".join(export.write_csv(rows)).decode("utf-8-sig")
        cells = [row[0] if row else "" for row in csv.reader(io.StringIO(written, newline=""))][1:]
        phones = ["+79215550102", "'+79215550102+1", "'+7 921", "'-79215550102", "'+79215550102\n"]
        assert cells == [
            "'=1+1",
            "'+1",
            "'-1",
            "'@SUM(A1)",
            "'\t=1",
            "'\r=1",
            "'=1",
            " =1",
            "a=1",
            "",
            *phones,
        ]

    def test_negative_numbers_stay_numbers(self) -> None:
        assert b"".join(export.write_csv([[Decimal("-1.50"), -2]])).endswith(b"-1.50,-2\r\n")

    def test_formula_of_a_customer_is_neutralized(self) -> None:
        contact = ContactInput(name='=HYPERLINK("http://evil.example")', phone="+79215550102")
        make_order(None, delivery=Delivery(contact=contact, comment="@SUM(1)"))
        row = parse_csv(self.export())[0]
        assert row["contact_name"].startswith("'=HYPERLINK")
        assert row["comment"] == "'@SUM(1)"

    def test_notes_and_secrets_are_not_exported(self) -> None:
        add_order_note(order_id=self.order.pk, text="An internal note", author=self.boss.pk)
        data = self.export().decode()
        assert "An internal note" not in data
        assert not {"fingerprint", "idempotency_key", "token_digest"} & set(COLUMNS)

    def test_order_of_a_deleted_account_has_no_personal_data(self) -> None:
        self.vera.delete()
        (row,) = parse_csv(self.export())
        assert {row[name] for name in COLUMNS[3:12]} == {""}


class XlsxTest(ExportCase):
    def test_numbers_and_dates_are_numbers_and_texts_are_texts(self) -> None:
        address = Address(line1="=1+1", city="Moscow", postal_code="101000", country="RU")
        contact = ContactInput(name="http://example.com", phone="+79215550102")
        make_order(None, (self.tea, 2), delivery=Delivery(contact=contact, address=address))
        header, row, _ = parse_xlsx(self.export("xlsx"))
        assert [text for _, text in header.values()] == list(COLUMNS)
        for name, text in (
            ("phone", "+79215550102"),
            ("address", "=1+1"),
            ("postal_code", "101000"),
            ("contact_name", "http://example.com"),
            ("sku", "Tea-1"),
        ):
            assert row[name] == ("inlineStr", text)
        for name, number in (
            ("order_total", "25"),
            ("unit_price", "12.5"),
            ("quantity", "2"),
            ("cancelled_quantity", "0"),
        ):
            kind, text = row[name]
            assert (kind, Decimal(text)) == ("n", Decimal(number))
        kind, days = row["placed_at"]
        assert kind == "n"
        assert int(float(days)) == (timezone.localdate() - date(1899, 12, 30)).days

    def test_response_is_a_download(self) -> None:
        response = self.client.get(f"{LIST}export/xlsx/")
        assert response["Content-Type"] == export.CONTENT_TYPES["xlsx"]
        assert response["Content-Disposition"] == 'attachment; filename="orders.xlsx"'
        assert read_body(response).startswith(b"PK")


class SelectionTest(ExportCase):
    def setUp(self) -> None:
        super().setUp()
        self.other = make_order(None, (make_product(sku="MUG-7"), 1))

    def test_export_has_the_filters_and_the_search_of_the_list(self) -> None:
        assert self.numbers() == [self.other.number, self.order.number]
        assert self.numbers(q="inber") == [self.order.number]
        assert self.numbers(q="nobody") == []
        self.bring_to_status("paid")
        assert self.numbers(status__exact="paid") == [self.order.number]
        assert self.numbers(status__exact="placed", q="tea-1") == []
        assert self.numbers(status__exact="placed", p="3", o="1") == [self.other.number]

    def test_buttons_keep_the_filters_and_the_search(self) -> None:
        page = self.client.get(LIST, {"q": "vera & co", "status__exact": "paid"}).content.decode()
        for format in ("csv", "xlsx"):
            assert f'href="{LIST}export/{format}/?q=vera+%26+co&amp;status__exact=paid"' in page

    def test_actions_export_the_selected_orders(self) -> None:
        data = read_body(self.run_action("export_csv", self.order))
        assert [row["order"] for row in parse_csv(data)] == [self.order.number]
        assert len(parse_xlsx(read_body(self.run_action("export_xlsx", self.order)))) == 2
        data = read_body(self.run_action("export_csv", self.order, select_across=1))
        assert len(parse_csv(data)) == 2

    def test_invalid_filters_lead_to_the_list(self) -> None:
        self.assertRedirects(self.client.get(f"{LIST}export/csv/?placed_at__gte=x"), LIST)

    def test_unknown_formats_are_not_found(self) -> None:
        assert self.client.get(f"{LIST}export/pdf/").status_code == 404

    def test_permission_to_change_orders_is_required(self) -> None:
        self.log_in_as_clerk("view_order")
        assert self.client.get(f"{LIST}export/csv/").status_code == 403
        page = self.client.get(LIST).content.decode()
        assert "export" not in page
        response = self.run_action("export_csv", self.order)
        assert not getattr(response, "streaming_content", None)
        self.log_in_as_clerk_again("change_order")
        assert self.numbers() == [self.other.number, self.order.number]

    def log_in_as_clerk_again(self, *permissions: str) -> None:
        User.objects.filter(email="clerk@shop.example").delete()
        self.log_in_as_clerk(*permissions)


class LimitsTest(ExportCase):
    def test_number_of_rows_is_limited(self) -> None:
        make_order(self.vera, (self.tea, 1), (make_product(), 1))
        for format in export.FORMATS:
            with self.subTest(format):
                with mock.patch.object(export, "MAX_EXPORTED_ROWS", 3):
                    self.export(format)
                with mock.patch.object(export, "MAX_EXPORTED_ROWS", 2):
                    response = self.client.get(f"{LIST}export/{format}/")
                    self.assertRedirects(response, LIST, fetch_redirect_response=False)
                    assert self.messages(response)[-1:] == [
                        "An export has at most 2 rows. Filter the list, for example by date."
                    ]
        with mock.patch.object(export, "MAX_EXPORTED_ROWS", 1):
            assert self.numbers(status__exact="paid") == []
            assert "attachment" not in self.run_action("export_csv", *Order.objects.all()).headers

    def make_orders(self, count: int) -> None:
        """Create orders of the same moment with two lines each."""
        orders = Order.objects.bulk_create(
            Order(number=f"many-{self.serial(n)}", total=2, currency="RUB", placed_at=timezone.now())
            for n in range(count)
        )
        OrderLine.objects.bulk_create(
            OrderLine(order=order, sku="S", name="N" * 200, unit_price=1, quantity=1, line_total=1)
            for order in orders
            for _ in range(2)
        )

    def serial(self, number: int) -> str:
        return f"{Order.objects.count()}-{number}"

    def count_statements(self) -> int:
        with CaptureQueriesContext(connection) as queries:
            rows = list(export.iterate_rows(Order.objects.all()))
        assert len(rows) == OrderLine.objects.count()
        assert len({row[0] for row in rows}) == Order.objects.count()
        return len(queries)

    def test_each_batch_takes_two_statements(self) -> None:
        assert self.count_statements() == 2
        self.make_orders(9)
        with mock.patch.object(export, "ORDERS_PER_BATCH", 10):
            assert self.count_statements() == 2
        with mock.patch.object(export, "ORDERS_PER_BATCH", 9):
            assert self.count_statements() == 4
        with mock.patch.object(export, "ORDERS_PER_BATCH", 1):
            assert self.count_statements() == 20
        Order.objects.all().delete()
        with CaptureQueriesContext(connection) as queries:
            assert list(export.iterate_rows(Order.objects.all())) == []
        assert len(queries) == 1

    def test_memory_does_not_grow_with_the_number_of_orders(self) -> None:
        def measure(write: Any) -> int:
            rows = export.iterate_rows(Order.objects.all())
            tracemalloc.start()
            try:
                write(rows)
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

        def write_csv(rows: Any) -> None:
            for _ in export.write_csv(rows):
                pass

        def write_xlsx(rows: Any) -> None:
            with tempfile.TemporaryFile() as file:
                export.write_xlsx(rows, file)

        self.make_orders(2 * export.ORDERS_PER_BATCH)
        for write in (write_csv, write_xlsx):
            write(export.iterate_rows(Order.objects.all()))
        few = [measure(write) for write in (write_csv, write_xlsx)]
        self.make_orders(10 * export.ORDERS_PER_BATCH)
        many = [measure(write) for write in (write_csv, write_xlsx)]
        for before, after in zip(few, many, strict=True):
            assert after < 2 * before, (few, many)
        # The measurement notices rows that are kept.
        assert measure(list) > 4 * max(many)
