"""The management commands of feeds."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from backend.catalog.models import Product
from tests.feeds.helpers import FeedTestCase, product_row, table


class ImportProductsTest(FeedTestCase):
    def run_command(self, data: bytes, *options: str) -> str:
        path = self.folder / "feed.txt"
        path.write_bytes(data)
        out = StringIO()
        call_command("import_products", str(path), *options, stdout=out, stderr=StringIO())
        return out.getvalue()

    def test_output_lists_problems_ignored_columns_and_counts(self) -> None:
        rows = [product_row("A-1", tax="x", brand="B"), product_row("A-2", tax="", brand="") | {"price": "x"}]
        assert self.run_command(table(*rows)) == (
            "line 3 [A-2] price: 'x' is not a price such as \"28.99 RUB\" (row refused)\n"
            "columns ignored: tax\n"
            "1 created, 0 updated, 0 unchanged, 1 refused\n"
        )

    def test_dry_run_currency_and_default_stock_options(self) -> None:
        feed = table(product_row(price="5 USD"))
        assert "Dry run: 1 created" in self.run_command(feed, "--dry-run", "--accept-currency=USD")
        assert not Product.objects.exists()
        self.run_command(feed, "--accept-currency=USD", "--default-stock=3")
        assert Product.objects.get().stock == 3

    def test_invalid_options_and_missing_files_are_command_errors(self) -> None:
        for options, message in [
            (["--accept-currency=dollar"], 'must be a code of three letters such as "USD"'),
            (["--default-stock=-1"], "--default-stock must be at least 0"),
            (["--batch-size=0"], "--batch-size at least 1"),
        ]:
            with self.subTest(options=options), pytest.raises(CommandError, match=message):
                self.run_command(table(product_row()), *options)
        with pytest.raises(CommandError, match="cannot be read: No such file"):
            call_command("import_products", str(self.folder / "absent"))

    def test_broken_feed_prints_the_counts_and_exits_with_an_error(self) -> None:
        out = StringIO()
        path = self.folder / "feed.xml"
        path.write_bytes(b"<rss><item><id>1</id><title>T</title><price>1</price></item><item>")
        with pytest.raises(CommandError, match="cannot be read: the XML"):
            call_command("import_products", str(path), stdout=out)
        assert "1 created" in out.getvalue()
