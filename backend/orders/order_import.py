"""Import a purchase log as historical, delivered, anonymous orders.

The rows are copied into a temporary table first: the rows of one invoice can be anywhere in the file,
and memory must not grow with the log. The database then creates the orders from them in batches.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection

from backend.catalog.services import NewProduct, create_missing_products
from backend.core.db import atomic_or_conflict, copy_rows
from backend.orders.models import Order
from backend.orders.purchase_log import RejectedRow, read_purchase_log

DEFAULT_STOCK = 10
MAX_LISTED_REJECTIONS = 100
NUMBER_PREFIX = "import-"
PRODUCTS_PER_BATCH = 500
INVOICES_PER_BATCH = 1000
ROWS_PER_PROGRESS_REPORT = 10_000

_COLUMNS = ("line", "invoice", "sku", "name", "quantity", "unit_price", "placed_at")

ProgressCallback = Callable[[str, int], None]


@dataclass(slots=True)
class ImportReport:
    """The result of an import.

    Attributes:
        accepted: the number of rows that are now order lines, created by this or an earlier import.
        rejected: the number of rejected rows by reason.
        listed_rejections: the first of these rows.
        differing: the numbers of existing orders whose total differs from their invoice. They are unchanged.
    """

    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    listed_rejections: list[RejectedRow] = field(default_factory=list)
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
    on_progress: ProgressCallback | None = None,
) -> ImportReport:
    """Create orders, and the products that do not exist yet, from a purchase log.

    Each invoice becomes one order, unless a previous import has already created it. Stock does not change and
    no mails are sent. Prices are in the shop's currency. Each batch is a transaction and contains whole
    orders, so that a failed import is completed by importing the same log again.

    Args:
        path: see `read_purchase_log`.
        zone: the time zone of dates without an offset.
        stock: the initial stock of new products.
        on_progress: called with the name of the current step and the number of rows or orders done.

    Raises:
        PurchaseLogError: the file is not a purchase log. Nothing was imported.
    """
    report, report_progress = ImportReport(), on_progress or (lambda step, count: None)
    with connection.cursor() as cursor:
        cursor.execute(
            'CREATE TEMPORARY TABLE imported_rows (line bigint, invoice text COLLATE "C", sku text,'
            " name text, quantity integer, unit_price numeric(12, 2), placed_at timestamptz)"
        )
    try:
        rows = _accept_rows(path, zone, report, report_progress)
        report.accepted = copy_rows("imported_rows", _COLUMNS, rows)
        _execute("CREATE INDEX ON imported_rows (invoice)")
        _execute("ANALYZE imported_rows")
        _create_products(report, stock, report_progress)
        _create_orders(report, report_progress)
    finally:
        if not connection.needs_rollback:
            _execute("DROP TABLE IF EXISTS imported_rows")
    return report


def _accept_rows(
    path: Path, zone: ZoneInfo, report: ImportReport, report_progress: ProgressCallback
) -> Iterator[Sequence[object]]:
    """Yield the valid rows as values of _COLUMNS, and add the rejected ones to the report."""
    for row in read_purchase_log(path, zone):
        if row.line % ROWS_PER_PROGRESS_REPORT == 0:
            report_progress("reading rows", row.line)
        if isinstance(row, RejectedRow):
            report.rejected[row.reason] += 1
            if len(report.listed_rejections) < MAX_LISTED_REJECTIONS:
                report.listed_rejections.append(row)
        else:
            yield row.line, row.invoice, row.sku, row.name, row.quantity, row.unit_price, row.placed_at


def _create_products(report: ImportReport, stock: int, report_progress: ProgressCallback) -> None:
    """Create missing products with their most frequent name and their latest price."""
    missing = _execute(
        "SELECT sku, coalesce(title, sku), price FROM (SELECT DISTINCT ON (sku) sku, unit_price AS price"
        " FROM imported_rows ORDER BY sku, placed_at DESC, line DESC) AS latest"
        " LEFT JOIN (SELECT DISTINCT ON (sku) sku, name AS title FROM imported_rows WHERE name IS NOT NULL"
        " GROUP BY sku, name ORDER BY sku, count(*) DESC, min(line)) AS titles USING (sku)"
        " WHERE NOT EXISTS (SELECT FROM catalog_product WHERE catalog_product.sku = latest.sku) ORDER BY sku"
    )
    products = [NewProduct(sku=sku, name=name, price=price, stock=stock) for sku, name, price in missing]
    for start in range(0, len(products), PRODUCTS_PER_BATCH):
        report.products_created += create_missing_products(products[start : start + PRODUCTS_PER_BATCH])
        report_progress("creating products", report.products_created)


def _create_orders(report: ImportReport, report_progress: ProgressCallback) -> None:
    last_invoice, done = "", 0
    while batch := _execute(
        "SELECT DISTINCT invoice FROM imported_rows WHERE invoice > %s ORDER BY invoice LIMIT %s",
        last_invoice,
        INVOICES_PER_BATCH,
    ):
        last_invoice, done = batch[-1][0], done + len(batch)
        order_ids, lines_created, differing = _create_batch([invoice for (invoice,) in batch])
        report.orders_created += len(order_ids)
        report.lines_created += lines_created
        report.orders_unchanged += len(batch) - len(order_ids)
        report.differing += differing
        report_progress("creating orders", done)


@atomic_or_conflict
def _create_batch(invoices: list[str]) -> tuple[list[int], int, list[str]]:
    """Create the orders of these invoices with lines and history. Existing orders stay as they are.

    Returns:
        the ids of the new orders, the number of their lines, and the numbers of existing orders whose total
        differs from their invoice.
    """
    created = _execute(
        "INSERT INTO orders_order (number, status, total, currency, placed_at, idempotency_key, fingerprint)"
        " SELECT %s || invoice, %s, sum(unit_price * quantity), %s, min(placed_at), '', '' FROM imported_rows"
        " WHERE invoice = ANY(%s) GROUP BY invoice ORDER BY min(placed_at), min(line)"
        # The second of two concurrent imports waits here and then finds the order of the first.
        " ON CONFLICT (number) DO NOTHING RETURNING id",
        NUMBER_PREFIX,
        Order.Status.DELIVERED.value,
        settings.SHOP_CURRENCY,
        invoices,
    )
    order_ids = [order_id for (order_id,) in created]
    ((lines_created,),) = _execute(
        "WITH new_lines AS (INSERT INTO orders_orderline"
        " (order_id, product_id, sku, name, unit_price, quantity, line_total)"
        " SELECT new_order.id, product.id, imported.sku, coalesce(imported.name, product.name),"
        " imported.unit_price, imported.quantity, imported.unit_price * imported.quantity"
        " FROM orders_order AS new_order"
        " JOIN imported_rows AS imported ON new_order.number = %s || imported.invoice"
        " LEFT JOIN catalog_product AS product ON product.sku = imported.sku"
        " WHERE new_order.id = ANY(%s) AND imported.invoice = ANY(%s) ORDER BY new_order.id, imported.line"
        " RETURNING 1), new_history AS (INSERT INTO orders_orderstatuschange (order_id, status, changed_at)"
        " SELECT id, status, placed_at FROM orders_order WHERE id = ANY(%s) RETURNING 1)"
        " SELECT count(*) FROM new_lines",
        NUMBER_PREFIX,
        order_ids,
        invoices,
        order_ids,
    )
    differing = _find_differing_orders(invoices) if len(order_ids) < len(invoices) else []
    return order_ids, lines_created, differing


def _find_differing_orders(invoices: list[str]) -> list[str]:
    """Return the numbers of orders whose total differs from the total of their invoice."""
    found = _execute(
        "SELECT number FROM orders_order AS existing JOIN (SELECT %s || invoice AS number,"
        " sum(unit_price * quantity) AS total FROM imported_rows WHERE invoice = ANY(%s) GROUP BY invoice)"
        " AS imported USING (number) WHERE existing.total <> imported.total ORDER BY number",
        NUMBER_PREFIX,
        invoices,
    )
    return [number for (number,) in found]


def _execute(sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments or None)
        return list(cursor.fetchall()) if cursor.description else []
