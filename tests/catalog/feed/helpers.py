"""What the tests of the feeds share."""

import io
import tempfile
from pathlib import Path

from django.test import TestCase, override_settings
from PIL import Image

from backend.catalog.feed.importing import import_feed
from backend.catalog.feed.report import ImportReport

Row = dict[str, str]


def table(*rows: Row, delimiter: str = "\t") -> bytes:
    """Return a feed of these rows, written plainly; all have the columns of the first."""
    columns = list(rows[0])
    lines = [columns, *([row[column] for column in columns] for row in rows)]
    return "".join(delimiter.join(line) + "\n" for line in lines).encode()


def product_row(sku: str = "A-1", **cells: str) -> Row:
    """Return a row with all that a new product needs."""
    return {"id": sku, "title": f"Product {sku}", "price": "10.00 RUB"} | cells


def picture(color: str = "red", *, format: str = "JPEG", size: tuple[int, int] = (40, 30)) -> bytes:
    """Return the bytes of a picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, format)
    return file.getvalue()


class FeedTestCase(TestCase):
    """Has a folder for a feed and its pictures, and a storage of its own; the shop sells in RUB."""

    def setUp(self) -> None:
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name) / "feed"
        self.folder.mkdir()
        self.media = Path(temporary.name) / "media"
        settings = override_settings(MEDIA_ROOT=self.media, SHOP_CURRENCY="RUB")
        settings.enable()
        self.addCleanup(settings.disable)

    def run_import(self, *rows: Row | bytes, **options: object) -> ImportReport:
        """Import rows, or the bytes of a feed, from the folder."""
        data = b"".join(row for row in rows if isinstance(row, bytes))
        path = self.folder / "feed.tsv"
        path.write_bytes(data or table(*(row for row in rows if isinstance(row, dict))))
        return import_feed(path, **options)  # type: ignore[arg-type]

    def stored_files(self) -> list[str]:
        """Return the names of the files in the storage."""
        return sorted(path.name for path in self.media.rglob("*") if path.is_file())


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    """Return (created, updated, unchanged, refused)."""
    return report.created, report.updated, report.unchanged, report.refused
