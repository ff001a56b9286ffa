"""Outages of the object storage during an import, and imports after them."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from django.db import connection
from django.test import TransactionTestCase

from backend.catalog.models import Product, ProductImage
from backend.feeds.importer import import_feed
from tests.feeds.helpers import counts, picture, product_row, table
from tests.support.object_storage import Rclone

ROWS = 300
PROJECT = Path(__file__).resolve().parents[2]


class StorageOutageTest(TransactionTestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.feed = Path(temporary.name) / "feed.tsv"
        rows = []
        for number in range(ROWS):
            (self.feed.parent / f"{number}.jpg").write_bytes(picture(size=(number + 1, 40)))
            rows.append(product_row(f"A-{number:03}", image_link=f"{number}.jpg"))
        self.feed.write_bytes(table(*rows))
        self.server = Rclone()
        self.addCleanup(self.server.remove)
        self.server.start()

    def run_command(self) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "manage.py", "import_products", str(self.feed), "--batch-size", "100"],
            cwd=PROJECT,
            env=os.environ | self.server.environment | {"DB_NAME": connection.settings_dict["NAME"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.addCleanup(process.kill)
        return process

    def start_and_wait_for_pictures(self, count: int) -> "subprocess.Popen[str]":
        process = self.run_command()
        folder = self.server.files / "pictures" / "products"
        deadline = time.monotonic() + 60
        while not (folder.exists() and len(os.listdir(folder)) > count):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.002)
        return process

    def assert_stopped_clearly(self, process: "subprocess.Popen[str]") -> None:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1, output
        assert "Traceback" not in output
        assert re.search(r"line \d+ \[A-\d+\] image_link: \d+\.jpg: The object storage fails: ", output)
        assert "Import the feed again to complete it." in output

    def assert_no_row_without_its_file(self) -> None:
        names = set(ProductImage.objects.values_list("file", flat=True))
        # Uploads that were in progress when the server was frozen may be unreadable. No row refers to them.
        assert names <= set(self.server.names())
        assert len(names) == Product.objects.count()

    def assert_completes(self) -> None:
        output, _ = self.run_command().communicate(timeout=60)
        assert " 0 refused" in output
        assert ProductImage.objects.count() == ROWS
        self.assert_no_row_without_its_file()
        with self.server.as_media():
            assert counts(import_feed(self.feed)) == (0, 0, ROWS, 0)

    def test_import_completes_after_the_server_was_stopped(self) -> None:
        process = self.start_and_wait_for_pictures(130)
        self.server.stop()
        self.assert_stopped_clearly(process)
        assert Product.objects.count() >= 100
        assert Product.objects.count() < ROWS
        self.server.start()
        self.assert_no_row_without_its_file()
        self.assert_completes()

    def test_import_completes_after_the_server_was_unresponsive(self) -> None:
        process = self.start_and_wait_for_pictures(130)
        self.server.freeze()
        self.assert_stopped_clearly(process)
        self.server.resume()
        self.assert_no_row_without_its_file()
        self.assert_completes()

    def test_import_continues_after_a_short_outage(self) -> None:
        process = self.start_and_wait_for_pictures(50)
        self.server.freeze()
        time.sleep(0.4)
        self.server.resume()
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        self.assert_no_row_without_its_file()
        assert len(self.server.objects()) == ROWS
