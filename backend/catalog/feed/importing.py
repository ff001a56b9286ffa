"""Brings a product feed into the shop, batch by batch."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import BinaryIO

from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, connection, transaction

from backend.catalog.feed.categories import CategoryPath, CategoryPaths
from backend.catalog.feed.cells import COLUMNS, printable
from backend.catalog.feed.parsing import ProductRow, parse_row
from backend.catalog.feed.pictures import RowPictures, prepare
from backend.catalog.feed.planning import Known, Plan, look_up, plan_row
from backend.catalog.feed.reading import RawRow, open_feed
from backend.catalog.feed.report import FeedUnreadable, ImportReport, Problem, RowRefused
from backend.catalog.feed.writing import lock_for_import, write_plans
from backend.catalog.pictures.discarding import discard_files

DEFAULT_STOCK = 10
BATCH_SIZE = 500
# Pictures wait for the storage, and Pillow lets others work while it decodes.
_PICTURES_AT_ONCE = 8
_MAX_RETRIES = 5
_CATEGORY_ROUNDS = 3
# PostgreSQL's codes for a transaction that may simply be tried again: deadlock, serialization failure.
_TRANSIENT = {"40P01", "40001"}


def import_feed(
    source: Path | BinaryIO,
    *,
    folder: Path | None = None,
    accept_currency: str = "",
    default_stock: int = DEFAULT_STOCK,
    dry_run: bool = False,
    batch_size: int = BATCH_SIZE,
    on_problem: Callable[[Problem], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Create and update products from a feed (see the package's docstring), and tell what was done.

    A bad row is reported and left out. Of two rows with the same id the first counts. Every batch is
    committed by itself: after a failure the same feed can be imported again and completes.
    Not to be called inside a transaction: it must not hold product rows while it adds categories.

    Args:
        source: a path, or a seekable binary file, which has no folder of pictures unless it is given.
        folder: what the links of the pictures are relative to; the feed's own by default.
        accept_currency: a currency other than the shop's whose numbers are taken as they are.
        default_stock: units of a new product that is in stock, nobody says how many.
        dry_run: write nothing; the report says what would be done.
        batch_size: rows a transaction.
        on_problem: called with every problem as it is found; the report lists the first thousand.
        on_progress: called with the bytes of the file read so far and its size.

    Raises:
        FeedUnreadable: the file is no feed; nothing was imported. (One that breaks off in the middle is
            imported up to there, and so is one during which the database or the storage of the pictures
            fails: `stopped` says so.)
    """
    if folder is None and isinstance(source, Path):
        folder = source.parent
    with open_feed(source) as feed, ThreadPoolExecutor(_PICTURES_AT_ONCE) as pool:
        run = _Import(folder, accept_currency, default_stock, dry_run, on_problem, pool)
        run.columns.update(feed.columns)
        try:
            for batch in _batches(run.accepted(feed.rows), batch_size):
                run.import_batch(batch)
                if on_progress:
                    on_progress(feed.position, feed.size)
        except DatabaseError as error:
            run.report.stopped = (
                f"The database failed in the rows from line {run.batch_line} on: {str(error).strip()}\n"
                "What came before them is imported; import the feed again to complete it."
            )
        except _StorageFailed as error:
            run.report.stopped = f"{error}\nImport the feed again to complete it."
        if on_progress and not run.report.stopped:
            on_progress(feed.size, feed.size)
    run.report.ignored_columns = sorted(run.columns - {*COLUMNS, ""})
    return run.report


def _batches(rows: Iterator[ProductRow], size: int) -> Iterator[list[ProductRow]]:
    batch: list[ProductRow] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


class _StorageFailed(Exception):
    """Pictures could not be stored; the message says which and why."""


class _Import:
    """One run of an import."""

    def __init__(
        self,
        folder: Path | None,
        accept_currency: str,
        default_stock: int,
        dry_run: bool,
        on_problem: Callable[[Problem], None] | None,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.report = ImportReport()
        self.columns: set[str] = set()
        self.batch_line = 0
        self._folder = folder
        self._accept_currency = accept_currency
        self._default_stock = default_stock
        self._dry_run = dry_run
        self._on_problem = on_problem
        self._pool = pool
        self._seen: dict[str, int] = {}
        self._categories = CategoryPaths(dry_run=dry_run)
        self._new_categories: set[CategoryPath] = set()

    def accepted(self, rows: Iterator[RawRow]) -> Iterator[ProductRow]:
        """Yield the rows that can be imported; report the others, and the point where the feed breaks."""
        try:
            for raw in rows:
                self.columns.update(raw.cells)
                try:
                    row = parse_row(
                        raw, currency=settings.SHOP_CURRENCY, accept_currency=self._accept_currency
                    )
                    if row.sku in self._seen:
                        raise RowRefused("id", f"is that of line {self._seen[row.sku]} too; the first counts")
                except RowRefused as error:
                    self._refuse(raw.line, raw.cells.get("id", "").strip(), error)
                else:
                    self._seen[row.sku] = row.line
                    yield row
        except FeedUnreadable as error:
            self.report.stopped = f"The feed could be read no further: {error}"

    def import_batch(self, rows: list[ProductRow]) -> None:
        """Import some rows with different SKUs.

        Raises:
            DatabaseError: the database does not answer, or failed for no fault of the rows.
            _StorageFailed: so did the storage; the rows whose pictures were stored by then are imported.
        """
        self.batch_line = rows[0].line
        if not self._dry_run:
            self._create_categories(rows)
        known = look_up(rows)
        prepared: dict[str, RowPictures] = {}
        try:
            self._prepare(rows, known, prepared)
            failed = [row for row in rows if row.sku in prepared and prepared[row.sku].failure]
            left_out = {row.sku for row in failed}
            rows = [row for row in rows if row.sku not in left_out]
            plans, refusals = self._planned(rows, known, prepared)
            changed = [plan for plan in plans if plan.changes_anything]
            if self._dry_run:
                self._new_categories.update(self._categories.missing(row.category or () for row in rows))
                self.report.categories_created = len(self._new_categories)
                self._tell(plans, refusals)
            else:
                self._tell([plan for plan in plans if not plan.changes_anything], refusals)
                if changed:
                    self._write([plan.row for plan in changed], prepared)
            if failed:
                first = failed[0]
                about = f"line {first.line} [{printable(first.sku)}] {prepared[first.sku].failure}"
                raise _StorageFailed(
                    f"{about}\nFrom there on, {len(failed)} rows with pictures are left out."
                )
        finally:
            self._drop_unused(prepared)

    def _prepare(self, rows: Sequence[ProductRow], known: Known, prepared: dict[str, RowPictures]) -> None:
        """Prepare the pictures of all rows that speak of any, several at once, and none after a failure."""
        failures: list[str] = []

        def prepare_row(row: ProductRow) -> RowPictures:
            if failures:
                return RowPictures(failure=failures[0])
            product = known.products.get(row.sku)
            have = known.images_of(product) if product else []
            result = prepare(row, have, self._folder, store=not self._dry_run)
            if result.failure:
                failures.append(result.failure)
            return result

        with_pictures = [row for row in rows if row.pictures is not None]
        for row, result in zip(with_pictures, self._pool.map(prepare_row, with_pictures), strict=True):
            prepared[row.sku] = result

    def _create_categories(self, rows: Sequence[ProductRow]) -> None:
        """Create what is missing; staff who move categories meanwhile can make a round of it vain."""
        wanted = {row.category for row in rows if row.category}
        for _ in range(_CATEGORY_ROUNDS):
            missing = self._categories.missing(wanted)
            if not missing:
                return
            for path in missing:
                self.report.categories_created += self._categories.create(path)

    def _planned(
        self, rows: Sequence[ProductRow], known: Known, prepared: dict[str, RowPictures]
    ) -> tuple[list[Plan], list[tuple[ProductRow, RowRefused]]]:
        plans, refusals = [], []
        for row in rows:
            pictures = prepared.get(row.sku)
            try:
                plan = plan_row(row, known, self._categories, pictures, default_stock=self._default_stock)
            except RowRefused as error:
                refusals.append((row, error))
            else:
                plans.append(plan)
        return plans, refusals

    def _write(self, rows: Sequence[ProductRow], prepared: dict[str, RowPictures], attempt: int = 1) -> None:
        """Write rows that change something, in one transaction.

        What the database refuses is tried again after looking anew at what others changed meanwhile,
        and then in halves, until the row that it refuses stands alone.
        """
        try:
            with transaction.atomic(durable=True):
                lock_for_import([row.sku for row in rows])
                plans, refusals = self._planned(rows, look_up(rows), prepared)
                changed = [plan for plan in plans if plan.changes_anything]
                if changed:
                    write_plans(changed)
        except DatabaseError as error:
            transient = _sqlstate(error) in _TRANSIENT
            if not (transient or isinstance(error, IntegrityError | DataError)) or attempt > _MAX_RETRIES:
                raise
            if transient or attempt == 1:
                sleep(0.05 * attempt)
                self._look_again(rows)
                self._write(rows, prepared, attempt + 1)
            elif len(rows) > 1:
                middle = len(rows) // 2
                self._write(rows[:middle], prepared, attempt=2)
                self._write(rows[middle:], prepared, attempt=2)
            else:
                reason = f"the database refuses it: {str(error).strip()}"
                self._refuse(rows[0].line, rows[0].sku, RowRefused("", reason))
        else:
            self._tell(plans, refusals)

    def _look_again(self, rows: Sequence[ProductRow]) -> None:
        self._categories.reload()
        self._create_categories(rows)

    def _tell(self, plans: Sequence[Plan], refusals: Sequence[tuple[ProductRow, RowRefused]]) -> None:
        for row, error in refusals:
            self._refuse(row.line, row.sku, error)
        for plan in plans:
            for field, reason in plan.problems:
                self._add_problem(Problem(plan.row.line, plan.row.sku, field, reason, refused=False))
            if plan.changes_anything:
                self.report.add_change(plan.change())
            else:
                self.report.unchanged += 1
            self.report.pictures_added += plan.pictures.added
            self.report.pictures_removed += len(plan.pictures.removed)

    def _refuse(self, line: int, sku: str, error: RowRefused) -> None:
        # What the row says may be the very thing that cannot be printed.
        sku, reason = printable(sku[:64]), printable(error.reason)
        self._add_problem(Problem(line, sku, error.field, reason, refused=True))

    def _add_problem(self, problem: Problem) -> None:
        self.report.add_problem(problem)
        if self._on_problem:
            self._on_problem(problem)

    def _drop_unused(self, prepared: dict[str, RowPictures]) -> None:
        """Delete the pictures that were stored for rows that were not written after all."""
        names = [picture.name for row in prepared.values() for picture in row.pictures if picture.name]
        if names:
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()
            # Without the database nobody knows which of them a last commit still took: they stay.
            with suppress(DatabaseError):
                discard_files(names)


def _sqlstate(error: DatabaseError) -> str:
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or ""
