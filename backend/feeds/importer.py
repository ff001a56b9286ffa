"""Import of product feeds, one transaction per batch of rows."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, connection
from django.utils import timezone
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from backend.catalog.bulk import lock_products_for_import, upsert_products
from backend.catalog.pictures.deletion import discard_files
from backend.core.db import atomic_or_conflict
from backend.core.errors import Conflict
from backend.feeds.archive import Archive, open_archive
from backend.feeds.category_paths import CategoryPath, CategoryPaths, refuse_deleted_category
from backend.feeds.cells import ATTRIBUTES, COLUMNS, replace_surrogates
from backend.feeds.parsed_rows import ParsedRow, parse_row
from backend.feeds.pictures import RowPictures, prepare_pictures
from backend.feeds.planning import BatchState, ProductPlan, load_batch, plan_row
from backend.feeds.raw_rows import MAX_PRODUCTS, FeedUnreadable, RawRow, RowRefused
from backend.feeds.reader import open_feed
from backend.feeds.report import ImportReport, Problem

DEFAULT_STOCK = 10
BATCH_SIZE = 500
# Threads wait for the storage, and Pillow releases the interpreter lock while it decodes.
_PICTURE_THREADS = 8
# Attempts to write a row whose categories staff move or delete meanwhile.
_CATEGORY_ATTEMPTS = 3
# GTIN and MPN differ for every product, so they are useless as filters.
_NAMES_WITHOUT_FACET = {ATTRIBUTES["gtin"], ATTRIBUTES["mpn"]}


def import_feed(
    source: Path | BinaryIO,
    *,
    folder: Path | None = None,
    accept_currency: str = "",
    default_stock: int = DEFAULT_STOCK,
    dry_run: bool = False,
    batch_size: int = BATCH_SIZE,
    on_problem: Callable[[Problem, bool], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Create and update products from a feed, or from a ZIP archive of a feed and its pictures.

    The package's docstring describes the format of feeds, and `archive` that of archives.

    Bad rows are reported and skipped. If several rows have the same id, the first one counts. Every batch
    is committed on its own; after a failure, importing the same feed again completes it. Do not call this
    function in a transaction: categories must not be created while product rows are locked.

    Args:
        source: a path, or a seekable binary file, which has no folder of pictures by default.
        folder: the folder that picture links are relative to; the feed's own by default. Ignored for an
            archive, which contains the pictures.
        accept_currency: a currency other than the shop's whose prices are taken unconverted.
        default_stock: the stock of a new product that is in stock without a quantity.
        dry_run: write nothing; the report says what an import would do.
        batch_size: rows per transaction.
        on_problem: called with every problem and whether the report lists it.
        on_progress: called with the bytes read from the file so far, and its size.

    Raises:
        FeedUnreadable: the file is not a feed or an archive of one; nothing was imported. If a feed breaks
            off later, or the database or the picture storage fails, the report's `stopped` says so instead.
    """
    with ExitStack() as stack:
        archive = stack.enter_context(open_archive(source))
        pictures: Path | Archive | None = archive or folder
        if archive is not None:
            source = stack.enter_context(archive.open_feed())
        elif folder is None and isinstance(source, Path):
            pictures = source.parent
        feed = stack.enter_context(open_feed(source))
        pool = stack.enter_context(ThreadPoolExecutor(_PICTURE_THREADS))
        importer = _Importer(pictures, accept_currency, default_stock, dry_run, on_problem, pool)
        importer.columns.update(feed.columns)
        try:
            for batch in _split_batches(importer.parse_rows(feed.rows), batch_size):
                importer.import_batch(batch)
                if on_progress:
                    on_progress(feed.position, feed.size)
        except (DatabaseError, Conflict) as error:
            importer.report.stopped = _(
                "The database failed at the batch that begins in line %(line)s: %(error)s\n"
                "Earlier rows are imported. Import the feed again to complete it."
            ) % {"line": importer.batch_line, "error": str(error).strip()}
        except _StorageFailed as error:
            importer.report.stopped = _("%(error)s\nImport the feed again to complete it.") % {"error": error}
        if on_progress and not importer.report.stopped:
            on_progress(feed.size, feed.size)
    importer.report.ignored_columns = sorted(importer.columns - {*COLUMNS, ""})
    return importer.report


def _split_batches(rows: Iterator[ParsedRow], size: int) -> Iterator[list[ParsedRow]]:
    batch: list[ParsedRow] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


class _StorageFailed(Exception):
    """The picture storage failed. The message says at which row and why."""


class _Importer:
    """The state of one import."""

    def __init__(
        self,
        folder: Path | Archive | None,
        accept_currency: str,
        default_stock: int,
        dry_run: bool,
        on_problem: Callable[[Problem, bool], None] | None,
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
        self._started_at = timezone.now()
        self._lines_by_sku: dict[str, int] = {}
        self._categories = CategoryPaths(dry_run=dry_run)
        self._new_categories: set[CategoryPath] = set()

    def parse_rows(self, rows: Iterator[RawRow]) -> Iterator[ParsedRow]:
        """Yield the valid rows, and report the others and the point where the feed breaks off."""
        lines = self._lines_by_sku
        try:
            for raw in rows:
                self.columns.update(raw.cells)
                try:
                    row = parse_row(
                        raw,
                        currency=settings.SHOP_CURRENCY,
                        accept_currency=self._accept_currency,
                        now=self._started_at,
                    )
                    if row.sku in lines:
                        raise RowRefused(
                            "id",
                            _("occurs in line %(line)s already; the first row counts")
                            % {"line": lines[row.sku]},
                        )
                except RowRefused as error:
                    self._report_refusal(raw.line, raw.cells.get("id", "").strip(), error)
                else:
                    if len(lines) == MAX_PRODUCTS:
                        raise FeedUnreadable(
                            _("line %(line)s: a feed can have at most %(maximum)s products; split it")
                            % {"line": raw.line, "maximum": f"{MAX_PRODUCTS:,}"}
                        )
                    lines[row.sku] = row.line
                    yield row
        except FeedUnreadable as error:
            self.report.stopped = _("The rest of the feed cannot be read: %(error)s") % {"error": error}

    def import_batch(self, rows: list[ParsedRow]) -> None:
        """Import rows with different SKUs.

        Raises:
            DatabaseError: the database failed for a reason other than a value of a row.
            Conflict: other transactions kept the batch from being written.
            _StorageFailed: a picture could not be stored; the rows before it are imported.
        """
        self.batch_line = rows[0].line
        if not self._dry_run:
            self._create_categories(rows)
        state = load_batch(rows)
        prepared: dict[str, RowPictures] = {}
        try:
            self._prepare_pictures(rows, state, prepared)
            failed = [row for row in rows if row.sku in prepared and prepared[row.sku].storage_error]
            failed_skus = {row.sku for row in failed}
            rows = [row for row in rows if row.sku not in failed_skus]
            plans, refusals = self._plan_rows(rows, state, prepared)
            changed = [plan for plan in plans if plan.has_changes]
            if self._dry_run:
                self._new_categories.update(self._categories.find_missing(row.category or () for row in rows))
                self.report.categories_created = len(self._new_categories)
                self._report_plans(plans, refusals)
            else:
                self._report_plans([plan for plan in plans if not plan.has_changes], refusals)
                if changed:
                    self._write([plan.row for plan in changed], prepared)
            if failed:
                first = failed[0]
                raise _StorageFailed(
                    _(
                        "line %(line)s [%(sku)s] %(error)s\n"
                        "Rows with pictures that were skipped from this line on: %(count)s."
                    )
                    % {
                        "line": first.line,
                        "sku": replace_surrogates(first.sku),
                        "error": prepared[first.sku].storage_error,
                        "count": len(failed),
                    }
                )
        finally:
            self._discard_unused_pictures(prepared)

    def _prepare_pictures(
        self, rows: Sequence[ParsedRow], state: BatchState, prepared: dict[str, RowPictures]
    ) -> None:
        """Prepare the pictures of all rows in parallel, and stop at the first failure of the storage."""
        errors: list[str] = []
        # Threads have a language of their own.
        language = get_language()

        def prepare_row(row: ParsedRow) -> RowPictures:
            if errors:
                return RowPictures(storage_error=errors[0])
            product = state.products.get(row.sku)
            existing = state.get_images(product) if product else []
            with override(language):
                result = prepare_pictures(row, existing, self._folder, store=not self._dry_run)
            if result.storage_error:
                errors.append(result.storage_error)
            return result

        with_pictures = [row for row in rows if row.pictures is not None]
        for row, result in zip(with_pictures, self._pool.map(prepare_row, with_pictures), strict=True):
            prepared[row.sku] = result

    def _create_categories(self, rows: Sequence[ParsedRow]) -> None:
        """Create missing categories, and retry if staff move categories at the same time."""
        wanted = {row.category for row in rows if row.category}
        for _attempt in range(_CATEGORY_ATTEMPTS):
            missing = self._categories.find_missing(wanted)
            if not missing:
                return
            for path in missing:
                self.report.categories_created += self._categories.create(path)

    def _plan_rows(
        self, rows: Sequence[ParsedRow], state: BatchState, prepared: dict[str, RowPictures]
    ) -> tuple[list[ProductPlan], list[tuple[ParsedRow, RowRefused]]]:
        plans, refusals = [], []
        for row in rows:
            pictures = prepared.get(row.sku)
            try:
                plan = plan_row(row, state, self._categories, pictures, default_stock=self._default_stock)
            except RowRefused as error:
                refusals.append((row, error))
            else:
                plans.append(plan)
        return plans, refusals

    def _write(self, rows: Sequence[ParsedRow], prepared: dict[str, RowPictures], attempt: int = 1) -> None:
        """Write rows with changes in one transaction.

        If the database refuses a value, the rows are planned and written once more, because another writer
        can have caused the conflict. Then they are split in halves until the refused row stands alone. If a
        category has been deleted, it is created again.
        """
        try:
            plans, refusals = self._write_batch(rows, prepared)
        except (IntegrityError, DataError, Conflict) as error:
            cause = error.__cause__ if isinstance(error, Conflict) else error
            if not isinstance(cause, IntegrityError | DataError):
                raise
            is_category_deleted = _is_category_deleted(cause)
            if attempt == 1 or (is_category_deleted and attempt < _CATEGORY_ATTEMPTS):
                self._categories.reload()
                self._create_categories(rows)
                self._write(rows, prepared, attempt + 1)
            elif len(rows) > 1:
                middle = len(rows) // 2
                self._write(rows[:middle], prepared, attempt=2)
                self._write(rows[middle:], prepared, attempt=2)
            elif is_category_deleted:
                self._categories.reload()
                refusal = refuse_deleted_category(rows[0].category or ())
                self._report_refusal(rows[0].line, rows[0].sku, refusal)
            else:
                reason = _("the database refuses it: %(error)s") % {"error": str(cause).strip()}
                self._report_refusal(rows[0].line, rows[0].sku, RowRefused("", reason))
        else:
            self._report_plans(plans, refusals)

    @atomic_or_conflict
    def _write_batch(
        self, rows: Sequence[ParsedRow], prepared: dict[str, RowPictures]
    ) -> tuple[list[ProductPlan], list[tuple[ParsedRow, RowRefused]]]:
        lock_products_for_import([row.sku for row in rows])
        plans, refusals = self._plan_rows(rows, load_batch(rows), prepared)
        changed = [plan.to_upsert() for plan in plans if plan.has_changes]
        if changed:
            upsert_products(changed, names_without_facet=_NAMES_WITHOUT_FACET)
        return plans, refusals

    def _report_plans(
        self, plans: Sequence[ProductPlan], refusals: Sequence[tuple[ParsedRow, RowRefused]]
    ) -> None:
        for row, error in refusals:
            self._report_refusal(row.line, row.sku, error)
        for plan in plans:
            for field, reason in plan.problems:
                self._report_problem(Problem(plan.row.line, plan.row.sku, field, reason, refused=False))
            if plan.has_changes:
                self.report.add_change(plan.to_change())
            else:
                self.report.unchanged += 1
            self.report.pictures_added += plan.pictures.added
            self.report.pictures_removed += len(plan.pictures.removed)

    def _report_refusal(self, line: int, sku: str, error: RowRefused) -> None:
        # The refused value can be text that cannot be encoded.
        sku, reason = replace_surrogates(sku[:64]), replace_surrogates(error.reason)
        self._report_problem(Problem(line, sku, error.field, reason, refused=True))

    def _report_problem(self, problem: Problem) -> None:
        is_listed = self.report.add_problem(problem)
        if self._on_problem:
            self._on_problem(problem, is_listed)

    def _discard_unused_pictures(self, prepared: dict[str, RowPictures]) -> None:
        """Delete the stored pictures of rows that were not written."""
        names = [picture.name for row in prepared.values() for picture in row.pictures if picture.name]
        if names:
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()
            # If the database is down, the last commit may have used some of the files, so all are kept.
            with suppress(DatabaseError):
                discard_files(names)


def _is_category_deleted(error: DatabaseError) -> bool:
    """Return whether the category of a product has been deleted since it was looked up."""
    diagnostics = getattr(error.__cause__, "diag", None)
    constraint = getattr(diagnostics, "constraint_name", None) or ""
    return constraint.startswith("catalog_product_category_id_")
