"""Brings a purchase log into the shop as orders of the past, delivered and nobody's.

The rows go into a temporary table first, so that an invoice is whole wherever its rows stand, and
memory does not grow with the log; from there the database makes orders of them, batch by batch.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction

from backend.catalog.models import Product, lock_imports
from backend.catalog.services import free_product_slug
from backend.core.copying import copy_rows
from backend.orders.log import LogRow, RowRefused, read_rows
from backend.orders.models import Order

DEFAULT_STOCK = 10
MAX_LISTED = 100
NUMBER_PREFIX = "import-"
PRODUCTS_AT_ONCE = 500
INVOICES_AT_ONCE = 1000

_STAGED = ("line", "invoice", "sku", "name", "quantity", "unit_price", "placed_at")


@dataclass(slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        accepted: rows that are lines of orders, of this import or an earlier one.
        refused: how many rows were refused for each reason.
        listed: the first of these: line, stock code and reason.
        differing: invoices that the shop has with another total; they stay as they are.
    """

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    listed: list[tuple[int, str, str]] = field(default_factory=list)
    products_created: int = 0
    orders_created: int = 0
    orders_unchanged: int = 0
    lines_created: int = 0
    differing: list[str] = field(default_factory=list)


def import_orders(
    path: Path,
    *,
    zone: ZoneInfo,
    stock: int = DEFAULT_STOCK,
    on_progress: Callable[[str, int], None] | None = None,
) -> ImportReport:
    """Create orders, and the products that the shop lacks, from a purchase log.

    An invoice becomes one order, once: what the shop has stays as it is. No stock is taken and no mail
    sent. Prices are taken to be in the shop's currency. Every batch is committed by itself, whole orders
    each: after a failure the same log can be imported again and completes.

    Args:
        path: see `read_rows`.
        zone: where the log was written.
        stock: how many pieces new products have.
        on_progress: called with the step at work and how many rows or orders are done.

    Raises:
        LogUnreadable: the file is no purchase log; nothing was imported.
    """
    report, tell = ImportReport(), on_progress or (lambda step, count: None)
    with connection.cursor() as cursor:
        cursor.execute(
            'CREATE TEMPORARY TABLE imported_rows (line bigint, invoice text COLLATE "C", sku text,'
            " name text, quantity integer, unit_price numeric(12, 2), placed_at timestamptz)"
        )
    try:
        report.accepted = copy_rows("imported_rows", _STAGED, _accepted(read_rows(path, zone), report, tell))
        _execute("CREATE INDEX ON imported_rows (invoice)")
        _execute("ANALYZE imported_rows")
        _create_products(report, stock, tell)
        _create_orders(report, tell)
    finally:
        if not connection.needs_rollback:
            _execute("DROP TABLE IF EXISTS imported_rows")
    return report


def _accepted(
    rows: Iterable[tuple[int, str, LogRow | RowRefused]],
    report: ImportReport,
    tell: Callable[[str, int], None],
) -> Iterator[Sequence[object]]:
    for line, sku, row in rows:
        if line % 10_000 == 0:
            tell("reading rows", line)
        if isinstance(row, RowRefused):
            report.refused[str(row)] += 1
            if len(report.listed) < MAX_LISTED:
                report.listed.append((line, sku[:64], str(row)))
        else:
            yield line, row.invoice, row.sku, row.name, row.quantity, row.unit_price, row.placed_at


def _create_products(report: ImportReport, stock: int, tell: Callable[[str, int], None]) -> None:
    """Create what the shop lacks: named as most rows have it, at the price of the last one."""
    wanted = _execute(
        "SELECT sku, coalesce(title, sku), price FROM (SELECT DISTINCT ON (sku) sku, unit_price AS price"
        " FROM imported_rows ORDER BY sku, placed_at DESC, line DESC) AS last"
        " LEFT JOIN (SELECT DISTINCT ON (sku) sku, name AS title FROM imported_rows WHERE name IS NOT NULL"
        " GROUP BY sku, name ORDER BY sku, count(*) DESC, min(line)) AS titles USING (sku)"
        " WHERE NOT EXISTS (SELECT FROM catalog_product AS known WHERE known.sku = last.sku) ORDER BY sku"
    )
    for start in range(0, len(wanted), PRODUCTS_AT_ONCE):
        batch = wanted[start : start + PRODUCTS_AT_ONCE]
        with transaction.atomic():
            # Two imports with the same new products take turns.
            lock_imports()
            known = Product.objects.filter(sku__in=[sku for sku, *_ in batch]).values_list("sku", flat=True)
            lacking = [row for row in batch if row[0] not in set(known)]
            report.products_created += len(Product.objects.bulk_create(_products(lacking, stock)))
        tell("creating products", report.products_created)


def _products(rows: Iterable[Any], stock: int) -> Iterator[Product]:
    given: set[str] = set()

    def is_taken(slug: str) -> bool:
        return slug in given or Product.objects.filter(slug=slug).exists()

    for sku, name, price in rows:
        slug = free_product_slug(name, sku, is_taken)
        given.add(slug)
        yield Product(sku=sku, slug=slug, name=name, price=price, stock=stock)


def _create_orders(report: ImportReport, tell: Callable[[str, int], None]) -> None:
    last, done = "", 0
    while batch := _execute(
        "SELECT DISTINCT invoice FROM imported_rows WHERE invoice > %s ORDER BY invoice LIMIT %s",
        last,
        INVOICES_AT_ONCE,
    ):
        last, done = batch[-1][0], done + len(batch)
        with transaction.atomic():
            _create_batch([invoice for (invoice,) in batch], report)
        tell("creating orders", done)


def _create_batch(invoices: list[str], report: ImportReport) -> None:
    """Create the orders of some invoices, with lines and history; an order that exists is left alone."""
    created = _execute(
        "INSERT INTO orders_order (number, status, total, currency, placed_at, idempotency_key, fingerprint)"
        " SELECT %s || invoice, %s, sum(unit_price * quantity), %s, min(placed_at), '', '' FROM imported_rows"
        " WHERE invoice = ANY(%s) GROUP BY invoice ORDER BY min(placed_at), min(line)"
        # Of two imports at once the second waits here, and finds the first one's order.
        " ON CONFLICT (number) DO NOTHING RETURNING id",
        NUMBER_PREFIX,
        Order.Status.DELIVERED.value,
        settings.SHOP_CURRENCY,
        invoices,
    )
    ids = [order_id for (order_id,) in created]
    lines = _execute(
        "WITH written AS (INSERT INTO orders_orderline"
        " (order_id, product_id, sku, name, unit_price, quantity, line_total)"
        " SELECT placed.id, product.id, staged.sku, coalesce(staged.name, product.name),"
        " staged.unit_price, staged.quantity, staged.unit_price * staged.quantity"
        " FROM orders_order AS placed JOIN imported_rows AS staged ON placed.number = %s || staged.invoice"
        " LEFT JOIN catalog_product AS product ON product.sku = staged.sku"
        " WHERE placed.id = ANY(%s) AND staged.invoice = ANY(%s) ORDER BY placed.id, staged.line"
        " RETURNING 1), told AS (INSERT INTO orders_orderstatuschange (order_id, status, changed_at)"
        " SELECT id, status, placed_at FROM orders_order WHERE id = ANY(%s) RETURNING 1)"
        " SELECT count(*) FROM written",
        NUMBER_PREFIX,
        ids,
        invoices,
        ids,
    )
    report.orders_created += len(ids)
    report.lines_created += lines[0][0]
    report.orders_unchanged += len(invoices) - len(ids)
    if len(ids) < len(invoices):
        report.differing += _find_differing(invoices)


def _find_differing(invoices: list[str]) -> list[str]:
    found = _execute(
        "SELECT number FROM orders_order AS placed JOIN (SELECT %s || invoice AS number,"
        " sum(unit_price * quantity) AS total FROM imported_rows WHERE invoice = ANY(%s) GROUP BY invoice)"
        " AS staged USING (number) WHERE placed.total <> staged.total ORDER BY number",
        NUMBER_PREFIX,
        invoices,
    )
    return [number for (number,) in found]


def _execute(sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments or None)
        return list(cursor.fetchall()) if cursor.description else []
