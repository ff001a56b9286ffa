"""`manage.py evaluate_recommendations` on a log made for it."""

import json
import tempfile
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import SimpleTestCase

from tests.recommendations.logs import write_log, write_themed_log


class EvaluateRecommendationsTest(SimpleTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_command(self, log: Path, *options: str) -> str:
        out = StringIO()
        call_command("evaluate_recommendations", str(log), *options, stdout=out)
        return out.getvalue()

    def test_json(self) -> None:
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
        # Themes can be learnt from baskets; neither the best sellers nor the words tell them.
        for method in ("popularity", "words"):
            assert result["A"]["lavka"]["hit_rate_at_10"] > result["A"][method]["ci95"][1]
        assert result["A"]["lavka"]["hit_rate_at_10"] > 0.9
        assert result["seconds"] > 0 and result["peak_mb"] > 0
        assert (result["train_baskets"], result["test_baskets"], result["items"]) == (394, 133, 64)

        again = json.loads(self.run_command(log, *options))
        assert (again["A"], again["B"], again["lead"]) == (result["A"], result["B"], result["lead"])

    def test_text(self) -> None:
        text = self.run_command(write_themed_log(self.folder / "log.csv"), "--train-before=2011-03-01")
        assert "A, complete the cart" in text and "B, bought together" in text
        assert len([line for line in text.splitlines() if line.startswith("lavka ")]) == 2

    def test_what_it_refuses(self) -> None:
        log = write_log(self.folder / "log.csv", {})
        for path, options, message in [
            (log, ["--train-before=2011-01-01"], "No item is in 5 baskets before 2011-01-01"),
            (log, ["--train-before=January"], "'January' is not a day such as 2011-10-01"),
            (log, [], "--train-before is needed with a log"),
            (
                log,
                ["--train-before=2011-02-01", "--until=2011-02-01"],
                "--until must be after --train-before",
            ),
            (self.folder / "absent", ["--train-before=2011-01-01"], "No such file"),
        ]:
            with self.subTest(options), pytest.raises(CommandError, match=message):
                self.run_command(path, *options)
