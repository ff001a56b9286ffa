"""Export orders as CSV and XLSX, one row for each line.

Orders are read in batches, so that memory does not grow with their number.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import IO, Literal, get_args

import xlsxwriter
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.core.errors import ShopError
from backend.core.pagination import SortOrder, Window, parse_timestamp, select_page
from backend.orders.models import Order, OrderLine

Format = Literal["csv", "xlsx"]
Value = str | int | Decimal | datetime

FORMATS = get_args(Format)
CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# A larger export takes longer than a request may take.
MAX_EXPORTED_ROWS = 50_000
ORDERS_PER_BATCH = 200

# The columns of the file and where their values come from.
_ORDER_COLUMNS = {
    "order": "number",
    "placed_at": "placed_at",
    "status": "status",
    "customer": "customer_address",
    "contact_name": "person__name",
    "phone": "person__phone",
    "address": "person__line1",
    "address_2": "person__line2",
    "postal_code": "person__postal_code",
    "city": "person__city",
    "country": "person__country",
    "comment": "person__comment",
    "tracking_number": "tracking_number",
    "tracking_url": "tracking_url",
    "promo_code": "promo_code",
    "order_discount": "discount",
    "currency": "currency",
    "order_total": "total",
}
_LINE_COLUMNS = ("sku", "name", "unit_price", "quantity", "cancelled_quantity", "line_total", "discount")
COLUMNS = (*_ORDER_COLUMNS, *_LINE_COLUMNS)

_NEWEST_FIRST = SortOrder("PLACED_AT", "placed_at", "id", True, parse_timestamp)
# Spreadsheets run the text of a cell that begins with one of these as a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
# As a formula, a phone number in E.164 format is only the number itself.
_PHONE_NUMBER = re.compile(r"\+[0-9]{7,15}")
_DATE_FORMAT = "yyyy-mm-dd hh:mm:ss"


class TooManyRows(ShopError):
    """The orders have more lines than an export may have."""


def require_exportable(orders: "QuerySet[Order]") -> None:
    """Check that orders have at most `MAX_EXPORTED_ROWS` lines.

    Raises:
        TooManyRows: they have more.
    """
    lines = OrderLine.objects.filter(order__in=orders.order_by().values("pk")).order_by()
    if lines[: MAX_EXPORTED_ROWS + 1].count() > MAX_EXPORTED_ROWS:
        raise TooManyRows(
            _("An export has at most %(maximum)s rows. Filter the list, for example by date."),
            params={"maximum": f"{MAX_EXPORTED_ROWS:,}"},
        )


def iterate_rows(orders: "QuerySet[Order]") -> Iterator[list[Value]]:
    """Yield the values of `COLUMNS` for each line of the orders, newest orders first.

    Two statements read each batch of `ORDERS_PER_BATCH` orders.
    """
    # Tuples, because instances that refer to each other are freed by the garbage collector only.
    with_addresses = orders.order_by().annotate(customer_address=Coalesce("user__email", "email"))
    orders_of_list = with_addresses.values_list("placed_at", "pk", *_ORDER_COLUMNS.values())
    position = None
    while True:
        found = list(select_page(orders_of_list, _NEWEST_FIRST, Window(ORDERS_PER_BATCH), position))
        batch = found[:ORDERS_PER_BATCH]
        lines: dict[int, list[tuple[Value, ...]]] = {row[1]: [] for row in batch}
        if lines:
            of_batch = OrderLine.objects.filter(order_id__in=lines).order_by("pk")
            for order_id, *line in of_batch.values_list("order_id", *_LINE_COLUMNS).iterator():
                lines[order_id].append(tuple(line))
        for _placed_at, pk, *columns in batch:
            for line in lines[pk]:
                # A missing customer or contact is null.
                yield [*("" if value is None else value for value in columns), *line]
        if len(found) == len(batch):
            return
        position = (batch[-1][0], batch[-1][1])


def write_csv(rows: Iterable[list[Value]]) -> Iterator[bytes]:
    """Yield the parts of a CSV file in UTF-8, with a byte order mark, which Excel needs to recognize it."""
    text = io.StringIO()
    writer = csv.writer(text)
    text.write("\N{ZERO WIDTH NO-BREAK SPACE}")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_format_cell(value) for value in row])
        if text.tell() > io.DEFAULT_BUFFER_SIZE:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def write_xlsx(rows: Iterable[list[Value]], file: IO[bytes]) -> None:
    """Write an XLSX file. Numbers and dates are cells of these types, and texts are never formulas."""
    # With constant memory, each row is written to a temporary file when the next one begins.
    with xlsxwriter.Workbook(file, {"constant_memory": True}) as workbook:
        sheet = workbook.add_worksheet("Orders")
        date_format = workbook.add_format({"num_format": _DATE_FORMAT})
        money_format = workbook.add_format({"num_format": "0.00"})
        for column, name in enumerate(COLUMNS):
            sheet.write_string(0, column, name)
        for number, row in enumerate(rows, start=1):
            for column, value in enumerate(row):
                match value:
                    case datetime():
                        sheet.write_datetime(number, column, timezone.make_naive(value), date_format)
                    case Decimal():
                        sheet.write_number(number, column, value, money_format)
                    case int():
                        sheet.write_number(number, column, value)
                    case str():
                        sheet.write_string(number, column, value)


def _format_cell(value: Value) -> str | int | Decimal:
    """Return the value of a cell in a CSV file."""
    match value:
        case datetime():
            return timezone.localtime(value).isoformat(sep=" ", timespec="seconds")
        case str() if value.startswith(_FORMULA_STARTS) and not _PHONE_NUMBER.fullmatch(value):
            return f"'{value}"
        case _:
            return value
