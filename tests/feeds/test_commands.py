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

    def test_repeated_problems_are_counted(self) -> None:
        rows = [product_row(f"A-{number}", color="") | {"price": f"{number} USD"} for number in range(3000)]
        rows += [product_row(f"B-{number}", color="x" * 256) for number in range(4)]
        lines = self.run_command(table(*rows)).splitlines()
        reason = (
            "price: is in USD but the shop's currency is RUB; "
            "--accept-currency USD takes the numbers unconverted"
        )
        color = "color: is 256 characters long; the limit is 255"
        assert lines == [
            *(f"line {number + 2} [A-{number}] {reason} (row refused)" for number in range(3)),
            *(f"line {number + 3002} [B-{number}] {color}" for number in range(3)),
            f"… and 2,997 more rows like line 2 [A-0] {reason} (row refused)",
            f"… and 1 more row like line 3002 [B-0] {color}",
            "4 created, 0 updated, 0 unchanged, 3000 refused; 4 other problems",
        ]
        assert len(self.run_command(table(*rows), "--verbosity=2").splitlines()) == 3005

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
