"""Imports in separate processes: concurrent and killed ones."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from django.db import connection
from django.test import TransactionTestCase

from backend.catalog.models import Category, Characteristic, Product, ProductImage
from backend.feeds.importer import import_feed
from tests.catalog.derived import (
    assert_characteristics_are_right,
    assert_listing_is_right,
    assert_tree_is_valid,
)
from tests.feeds.helpers import counts, picture, product_row, table

ROWS = 600
PICTURES = 20
PROJECT = Path(__file__).resolve().parents[2]


class ProcessesTest(TransactionTestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        # The processes use the media storage of the whole test run.
        self.addCleanup(self.delete_pictures)
        self.feed = Path(temporary.name) / "feed.tsv"
        (self.feed.parent / "a.jpg").write_bytes(picture())
        rows = [
            product_row(
                f"A-{number:04}",
                title=f"Product {number % 100}",
                link="",
                image_link="a.jpg" if number < PICTURES else "",
                product_type=f"Root {number % 3} > Shelf {number % 40}",
                product_detail=f"S:Height (cm):{number % 7},S:Name {number % 20}:x",
            )
            for number in range(ROWS)
        ]
        self.feed.write_bytes(table(*rows))

    def delete_pictures(self) -> None:
        for image in ProductImage.objects.all():
            image.file.storage.delete(image.file.name or "")

    def start(self, *options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "import_products", str(self.feed), *options],
            cwd=PROJECT,
            env=os.environ | {"DB_NAME": connection.settings_dict["NAME"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.kill)
        return process

    def assert_complete(self) -> None:
        assert Product.objects.count() == ROWS
        assert ProductImage.objects.count() == PICTURES
        assert Category.objects.count() == 3 + 120
        assert Characteristic.objects.count() == 21
        assert_tree_is_valid()
        assert_listing_is_right()
        assert_characteristics_are_right()
        assert counts(import_feed(self.feed)) == (0, 0, ROWS, 0)

    def test_concurrent_imports_of_a_feed_create_every_product_once(self) -> None:
        processes = [self.start("--batch-size=100"), self.start("--batch-size=70")]
        created = 0
        for process in processes:
            out, errors = process.communicate(timeout=300)
            assert process.returncode == 0, errors
            assert " 0 updated" in out, out
            assert " 0 refused" in out, out
            created += int(out.split(" created")[0])
        assert created == ROWS
        self.assert_complete()

    def test_killed_import_completes_when_it_is_run_again(self) -> None:
        process = self.start("--batch-size=30")
        deadline = time.monotonic() + 60
        while not Product.objects.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        assert 0 < Product.objects.count() < ROWS
        assert_listing_is_right()
        import_feed(self.feed)
        self.assert_complete()
