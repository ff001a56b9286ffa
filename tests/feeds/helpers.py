"""Helpers of the feed tests."""

import io
import tempfile
from pathlib import Path

from django.test import TestCase, override_settings
from PIL import Image

from backend.feeds.importer import import_feed
from backend.feeds.report import ImportReport

Row = dict[str, str]


def table(*rows: Row, delimiter: str = "\t") -> bytes:
    """Return a feed without quoting; all rows have the columns of the first."""
    columns = list(rows[0])
    lines = [columns, *([row[column] for column in columns] for row in rows)]
    return "".join(delimiter.join(line) + "\n" for line in lines).encode()


def product_row(sku: str = "A-1", **cells: str) -> Row:
    """Return a row with the required values of a new product."""
    return {"id": sku, "title": f"Product {sku}", "price": "10.00 RUB"} | cells


def picture(color: str = "red", *, format: str = "JPEG", size: tuple[int, int] = (40, 30)) -> bytes:
    """Return the bytes of a picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, format)
    return file.getvalue()


class FeedTestCase(TestCase):
    """Provides a folder for a feed and its pictures, an empty media storage, and a shop in RUB."""

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
        """Write rows, or the bytes of a feed, to a file and import it."""
        data = b"".join(row for row in rows if isinstance(row, bytes))
        path = self.folder / "feed.tsv"
        path.write_bytes(data or table(*(row for row in rows if isinstance(row, dict))))
        return import_feed(path, **options)  # type: ignore[arg-type]

    def stored_files(self) -> list[str]:
        """Return the names of all files in the media storage."""
        return sorted(path.name for path in self.media.rglob("*") if path.is_file())


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    """Return (created, updated, unchanged, refused)."""
    return report.created, report.updated, report.unchanged, report.refused
