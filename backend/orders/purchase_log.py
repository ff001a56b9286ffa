"""Read purchase logs: CSV files, plain or gzipped, with one row per invoice line."""

import csv
import gzip
import re
import sys
import zlib
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast
from zoneinfo import ZoneInfo

from django.utils import timezone

from backend.catalog.models import MAX_PRICE
from backend.core.bounded_lines import BoundedLines
from backend.core.text import clean_line

COLUMNS = ("invoice", "stock_code", "description", "quantity", "invoice_date", "unit_price")
CUSTOMER_COLUMN = "customer_id"
# Order numbers have 32 characters, some of which are the prefix of imported orders.
MAX_INVOICE_DIGITS = 20
MAX_QUANTITY = 2**31 - 1
# The sum of 100,000 such lines does not exceed the digits of `Order.total`.
MAX_LINE_TOTAL = 10**11
MAX_NAME_LENGTH = 255
# Limits of a row, whose quoted cells can contain line breaks.
MAX_ROW_BYTES = 20_000
MAX_ROW_LINES = 100
_STOCK_CODE = re.compile(r"[0-9]{5}[A-Z]{0,2}")
_GZIP_MAGIC = b"\x1f\x8b"


class PurchaseLogError(Exception):
    """The file cannot be read or is not a purchase log."""


class PurchaseRow(NamedTuple):
    """One line of an invoice.

    Attributes:
        line: the line number in the file.
        placed_at: with the offset given in the file, or else in the time zone of the log.
        customer: empty if the log has none.
    """

    line: int
    invoice: str
    sku: str
    name: str
    quantity: int
    unit_price: Decimal
    placed_at: datetime
    customer: str


class RejectedRow(NamedTuple):
    """A row that is not a valid sale, such as a cancellation or a fee.

    Attributes:
        reason: the same text for all rows with the same problem, so that they can be counted.
    """

    line: int
    sku: str
    reason: str


class _InvalidRow(ValueError):
    """A row is rejected; the message is the reason."""


def read_purchase_log(path: Path, zone: ZoneInfo) -> Iterator[PurchaseRow | RejectedRow]:
    """Yield the rows of a purchase log in file order.

    Args:
        path: a file whose header contains COLUMNS and, optionally, CUSTOMER_COLUMN. Other columns are
            ignored.
        zone: the time zone of dates without an offset.

    Raises:
        PurchaseLogError: the file cannot be read or is not a purchase log.
    """
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            raw.seek(0)
            file = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if is_gzip else raw
            lines = BoundedLines(file, max_bytes=MAX_ROW_BYTES, max_lines=MAX_ROW_LINES)
            try:
                yield from _read_rows(lines, zone)
            except (UnicodeDecodeError, csv.Error) as error:
                raise PurchaseLogError(
                    f"{path} is not a CSV file in UTF-8: line {lines.number}: {error}"
                ) from error
    except OSError as error:
        raise PurchaseLogError(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise PurchaseLogError(f"{path} is damaged or truncated: {error}") from error


def _read_rows(lines: BoundedLines, zone: ZoneInfo) -> Iterator[PurchaseRow | RejectedRow]:
    reader = csv.reader(lines)
    header: list[str] = next(reader, [])
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise PurchaseLogError(f"The header lacks the columns {', '.join(missing)}.")
    positions = [header.index(column) for column in COLUMNS]
    # Positions past the end of a row read as empty cells.
    positions.append(header.index(CUSTOMER_COLUMN) if CUSTOMER_COLUMN in header else sys.maxsize)
    lines.start_row()
    for row in reader:
        lines.start_row()
        if not row:
            continue
        cells = [row[position].strip() if position < len(row) else "" for position in positions]
        try:
            yield _parse_row(reader.line_num, cells, zone)
        except _InvalidRow as error:
            yield RejectedRow(reader.line_num, cells[1], str(error))


def _parse_row(line: int, cells: list[str], zone: ZoneInfo) -> PurchaseRow:
    invoice, sku, name, quantity_text, date, price_text, customer = cells
    if invoice[:1].upper() == "C":
        raise _InvalidRow("the invoice is a cancellation")
    if not (invoice.isascii() and invoice.isdecimal() and len(invoice) <= MAX_INVOICE_DIGITS):
        raise _InvalidRow(f"the invoice must be a number of at most {MAX_INVOICE_DIGITS} digits")
    if not _STOCK_CODE.fullmatch(sku):
        raise _InvalidRow("the stock code must be five digits and up to two capital letters")
    quantity, unit_price = _parse_quantity(quantity_text), _parse_price(price_text)
    if quantity * unit_price > MAX_LINE_TOTAL:
        raise _InvalidRow(f"the quantity times the unit price must be at most {MAX_LINE_TOTAL}")
    name = clean_line(name)[:MAX_NAME_LENGTH]
    placed_at = _parse_timestamp(date, zone)
    return PurchaseRow(line, invoice, sku, name, quantity, unit_price, placed_at, customer)


def _parse_quantity(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 0 < int(text) <= MAX_QUANTITY):
        raise _InvalidRow(f"the quantity must be between 1 and {MAX_QUANTITY}")
    return int(text)


# Logs repeat the same few prices and dates, and parsing them takes longer than reading the row.
@lru_cache(maxsize=10_000)
def _parse_price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(0)
    if not (price.is_finite() and 0 < price <= MAX_PRICE):
        raise _InvalidRow(f"the unit price must be above 0 and at most {MAX_PRICE}")
    if price != round(price, 2):
        raise _InvalidRow("the unit price must have at most two decimals")
    return round(price, 2)


@lru_cache(maxsize=10_000)
def _parse_timestamp(text: str, zone: ZoneInfo) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        is_future = moment > timezone.now()
    except (ValueError, OverflowError):
        raise _InvalidRow("the date must look like 2011-10-31 or 2011-10-31T17:13") from None
    if is_future:
        raise _InvalidRow("the date must not be in the future")
    return moment
