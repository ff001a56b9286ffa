"""Grouping of the problems in a report."""

from unittest import mock

from django.test import SimpleTestCase

from backend.feeds import report
from backend.feeds.report import ImportReport, Problem


def problem(line: int, reason: str, *, field: str = "price", refused: bool = True) -> Problem:
    return Problem(line, f"A-{line}", field, reason, refused)


class ProblemKindsTest(SimpleTestCase):
    def test_problems_that_differ_in_values_are_of_one_kind(self) -> None:
        for first, second in [
            ("'x' is not a price", '"it\'s" is not a price'),
            (r"'it\'s \"x\"' is not a price", "'' is not a price"),
            ("is 1,234 characters long", "is 5 characters long"),
            ("'1,234' can mean 1234 or 1.234", "'5.678 ₽' can mean 5678 or 5.678"),
            ("'a.jpg': the file does not exist", "'b/c d.png': the file does not exist"),
            ("the database refuses it: x\nDETAIL: (5, a)", "the database refuses it: x\nDETAIL: (6, b)"),
            ("is in USD but the shop's currency is 'X'", "is in USD but the shop's currency is 'Y'"),
        ]:
            with self.subTest(first=first):
                assert problem(2, first).kind == problem(3, second).kind

    def test_other_reasons_fields_and_consequences_are_other_kinds(self) -> None:
        kinds = {
            problem(2, "'x' is not a price").kind,
            problem(2, "'x' is not a number").kind,
            problem(2, "'x' is not a price", field="sale_price").kind,
            problem(2, "'x' is not a price", refused=False).kind,
        }
        assert len(kinds) == 4

    def test_first_rows_of_each_kind_are_listed(self) -> None:
        result = ImportReport()
        listed = [result.add_problem(problem(line, f"'{line}' is bad")) for line in range(2, 3002)]
        assert sum(listed) == 3
        assert [entry.line for entry in result.problems] == [2, 3, 4]
        assert (result.problem_count, result.refused) == (3000, 3000)
        assert list(result.list_repeated_problems()) == [
            "… and 2,997 more rows like line 2 [A-2] price: '2' is bad (row refused)"
        ]

    def test_three_rows_are_all_listed(self) -> None:
        result = ImportReport()
        for line in (2, 2, 3, 4):
            assert result.add_problem(problem(line, "is bad"))
        assert list(result.list_repeated_problems()) == []
        assert not result.add_problem(problem(5, "is bad"))
        assert next(result.list_repeated_problems()).startswith("… and 1 more row like line 2")

    def test_kinds_are_limited_in_number(self) -> None:
        with mock.patch.object(report, "MAX_LISTED", 6):
            result = ImportReport()
            assert [result.add_problem(problem(2, f"is {word}")) for word in ("a", "b", "c")] == [
                True,
                True,
                False,
            ]
        assert result.problem_count == 3
