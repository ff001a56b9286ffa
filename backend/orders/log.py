"""A purchase log as a stream of rows: a CSV file, plain or gzipped, one row for each line of an invoice."""

import csv
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from backend.catalog.feed.cells import clean
from backend.catalog.models import MAX_PRICE

COLUMNS = ("invoice", "stock_code", "description", "quantity", "invoice_date", "unit_price")
# The number of an order has 32 characters, some of which say where it comes from.
MAX_INVOICE = 20
MAX_QUANTITY = 2**31 - 1
# So that the sum of a hundred thousand of them still fits into the total of an order.
MAX_LINE_TOTAL = 10**11
_ITEM = re.compile(r"[0-9]{5}[A-Z]{0,2}")
_GZIP = b"\x1f\x8b"


class LogUnreadable(Exception):
    """The file is no purchase log; the message says why."""


class RowRefused(Exception):
    """A row cannot become a line of an order; the message says why, in words that others share."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line of an invoice; `line` is where it stands in the file."""

    line: int
    invoice: str
    sku: str
    name: str
    quantity: int
    unit_price: Decimal
    placed_at: datetime


def read_rows(path: Path, zone: ZoneInfo) -> Iterator[tuple[int, str, LogRow | RowRefused]]:
    """Yield every row with its line and stock code, or why it is refused.

    Args:
        path: a file whose header names at least COLUMNS; others are not looked at.
        zone: where times without an offset were.

    Raises:
        LogUnreadable: there is no such file, or it is no such log.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(_GZIP)) == _GZIP
        opened: Any = gzip.open if packed else open
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield from _rows(csv.reader(file), zone)
    except OSError as error:
        raise LogUnreadable(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, UnicodeDecodeError, csv.Error) as error:
        raise LogUnreadable(f"{path} is no CSV file in UTF-8: {error}") from error


def _rows(reader: Any, zone: ZoneInfo) -> Iterator[tuple[int, str, LogRow | RowRefused]]:
    header: list[str] = next(reader, [])
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise LogUnreadable(f"The header lacks {', '.join(missing)}.")
    places = [header.index(column) for column in COLUMNS]
    for cells in reader:
        if not cells:
            continue
        line = reader.line_num
        texts = [cells[place].strip() if place < len(cells) else "" for place in places]
        try:
            yield line, texts[1], _parse(line, texts, zone)
        except RowRefused as refusal:
            yield line, texts[1], refusal


def _parse(line: int, texts: list[str], zone: ZoneInfo) -> LogRow:
    invoice, sku, name, quantity, moment, price = texts
    if invoice[:1].upper() == "C":
        raise RowRefused("a cancellation")
    if not (invoice.isascii() and invoice.isdecimal() and len(invoice) <= MAX_INVOICE):
        raise RowRefused(f"the invoice is no number of at most {MAX_INVOICE} digits")
    if not _ITEM.fullmatch(sku):
        raise RowRefused("the stock code is not five digits and up to two capital letters")
    pieces, unit_price = _quantity(quantity), _price(price)
    if pieces * unit_price > MAX_LINE_TOTAL:
        raise RowRefused(f"the quantity times the price is above {MAX_LINE_TOTAL}")
    return LogRow(
        line=line,
        invoice=invoice,
        sku=sku,
        name=clean(name)[:255],
        quantity=pieces,
        unit_price=unit_price,
        placed_at=_moment(moment, zone),
    )


def _quantity(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 0 < int(text) <= MAX_QUANTITY):
        raise RowRefused(f"the quantity is not 1 to {MAX_QUANTITY}")
    return int(text)


def _price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(0)
    if not (price.is_finite() and 0 < price <= MAX_PRICE):
        raise RowRefused(f"the price is not above 0 and at most {MAX_PRICE}")
    if price != round(price, 2):
        raise RowRefused("the price has more than two decimals")
    return round(price, 2)


def _moment(text: str, zone: ZoneInfo) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        if moment > timezone.now():
            raise RowRefused("the date is in the future")
    except (ValueError, OverflowError):
        raise RowRefused("the date is not like 2011-10-31 or 2011-10-31T17:13") from None
    return moment
