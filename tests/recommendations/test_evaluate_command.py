"""The command `evaluate_recommendations` on a purchase log."""

import json
import tempfile
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import SimpleTestCase

from tests.recommendations.purchase_logs import write_log, write_themed_log


class EvaluateRecommendationsTest(SimpleTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_command(self, log: Path, *options: str) -> str:
        out = StringIO()
        self.stderr = StringIO()
        call_command("evaluate_recommendations", str(log), *options, stdout=out, stderr=self.stderr)
        return out.getvalue()

    def test_json_has_the_hit_rates_and_leads_of_all_methods(self) -> None:
        log = write_themed_log(self.folder / "log.csv")
        options = ("--train-before=2011-03-01", "--until=2011-03-21", "--json")
        result = json.loads(self.run_command(log, *options))
        methods = {"popularity", "words", "co-purchase counts", "cosine", "jaccard", "lavka"}
        for task in ("A", "B"):
            assert set(result[task]) == methods
            for rate in result[task].values():
                low, high = rate["ci95"]
                assert 0 <= low <= rate["hit_rate_at_10"] <= high <= 1
            assert set(result["lead"][task]) == methods - {"lavka"}
        # Themes can be learnt from baskets, but neither from best sellers nor from words.
        for method in ("popularity", "words"):
            assert result["A"]["lavka"]["hit_rate_at_10"] > result["A"][method]["ci95"][1]
        assert result["A"]["lavka"]["hit_rate_at_10"] > 0.9
        assert result["seconds"] > 0 and result["peak_mb"] > 0
        assert (result["train_baskets"], result["test_baskets"], result["items"]) == (394, 133, 64)

        again = json.loads(self.run_command(log, *options))
        assert (again["A"], again["B"], again["lead"]) == (result["A"], result["B"], result["lead"])

    def test_text_has_a_table_for_each_task(self) -> None:
        text = self.run_command(write_themed_log(self.folder / "log.csv"), "--train-before=2011-03-01")
        assert "A, complete the cart" in text and "B, bought together" in text
        assert len([line for line in text.splitlines() if line.startswith("lavka ")]) == 2

    def test_rejected_rows_are_counted_on_standard_error(self) -> None:
        rows = [{"quantity": "0"}, {"quantity": "six"}, {"invoice": "C1"}, {}]
        log = write_log(self.folder / "log.csv", *rows)
        with pytest.raises(CommandError, match="No item is in 5 baskets"):
            self.run_command(log, "--train-before=2011-03-01")
        assert self.stderr.getvalue().splitlines() == [
            "        2 rows rejected: the quantity must be between 1 and 2147483647",
            "        1 rows rejected: the invoice is a cancellation",
        ]

    def test_invalid_options_and_logs_are_errors(self) -> None:
        log = write_log(self.folder / "log.csv", {})
        for path, options, message in [
            (log, ["--train-before=2011-01-01"], "No item is in 5 baskets before 2011-01-01"),
            (log, ["--train-before=January"], "'January' is not a date such as 2011-10-01"),
            (log, [], "--train-before is required with a log"),
            (
                log,
                ["--train-before=2011-02-01", "--until=2011-02-01"],
                "--until must be after --train-before",
            ),
            (self.folder / "absent", ["--train-before=2011-01-01"], "No such file"),
        ]:
            with self.subTest(options), pytest.raises(CommandError, match=message):
                self.run_command(path, *options)
