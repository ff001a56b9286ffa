"""The comparison of pinned packages with advisories."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from scripts.audit import is_affected, main

PINS = """
django==5.2.3 \\
    --hash=sha256:00
    # via -r base.in
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:01
numpy==2.5.5 ; python_full_version >= '3.12'
Flask-Cors==6.0.0
"""
RANGE = [{"introduced": "5.2"}, {"fixed": "5.2.4"}]


def make_advisory(
    *events: dict[str, str], name: str = "Django", ecosystem: str = "PyPI", **fields: Any
) -> dict[str, Any]:
    return {
        "id": "PYSEC-2026-1",
        "aliases": ["CVE-2026-0001"],
        "summary": "Injection of SQL",
        "affected": [
            {
                "package": {"name": name, "ecosystem": ecosystem},
                "ranges": [{"type": "ECOSYSTEM", "events": list(events or RANGE)}],
            }
        ],
        **fields,
    }


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    path = tmp_path / "pins.txt"
    path.write_text(PINS)
    return path


def audit(advisories: Path, requirements: Path) -> int:
    return main([str(advisories), "--requirements", str(requirements)])


def write_advisory(folder: Path, advisory: Any) -> Path:
    path = folder / "advisory.json"
    path.write_text(json.dumps(advisory))
    return path


def test_affected_version_is_reported_with_the_version_that_fixes_it(
    requirements: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(write_advisory(tmp_path, make_advisory()), requirements) == 1
    assert capsys.readouterr().out.splitlines() == [
        "django 5.2.3: PYSEC-2026-1 CVE-2026-0001: Injection of SQL. Fixed in 5.2.4.",
        "3 packages, 1 advisories, 1 affected versions.",
    ]


@pytest.mark.parametrize(
    "advisory",
    [
        make_advisory({"introduced": "0"}, {"fixed": "5.2.3"}),
        make_advisory(name="djangorestframework"),
        make_advisory(ecosystem="npm"),
        make_advisory(withdrawn="2026-01-01T00:00:00Z"),
        {"id": "PYSEC-2026-2"},
    ],
    ids=["fixed", "other package", "other ecosystem", "withdrawn", "nothing affected"],
)
def test_advisory_about_other_versions_is_not_reported(
    requirements: Path, tmp_path: Path, advisory: dict[str, Any]
) -> None:
    assert audit(write_advisory(tmp_path, advisory), requirements) == 0


def test_every_pinned_version_and_spelling_of_a_name_is_compared(
    requirements: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [
        make_advisory({"introduced": "2.5"}, name="NumPy"),
        make_advisory({"introduced": "0"}, name="flask_cors"),
    ]
    assert audit(write_advisory(tmp_path, records), requirements) == 1
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first.startswith("flask-cors 6.0.0: ")
    assert first.endswith("There is no fixed version.")
    assert second.startswith("numpy 2.5.5: ")


@pytest.mark.parametrize("kind", ["directory", "zip"])
def test_advisories_are_read_from_a_directory_or_an_archive(
    requirements: Path, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "advisories"
    folder.mkdir()
    write_advisory(folder, make_advisory())
    path = folder
    if kind == "zip":
        path = tmp_path / "all.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(folder / "advisory.json", "PYSEC-2026-1.json")
    assert audit(path, requirements) == 1


@pytest.mark.parametrize("content", [None, "", "[]", "not JSON"])
def test_missing_or_empty_advisories_are_an_error_and_not_a_success(
    requirements: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    path = tmp_path / "advisory.json"
    if content is not None:
        path.write_text(content)
    assert audit(path, requirements) == 2
    assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("events", "affected", "unaffected"),
    [
        (RANGE, ["5.2", "5.2.3"], ["5.1.9", "5.2.4", "6.0"]),
        ([{"introduced": "0"}, {"last_affected": "1.10"}], ["0.1", "1.9", "1.10"], ["1.10.1", "2"]),
        (
            # In any order.
            [{"fixed": "4.2.9"}, {"introduced": "0"}, {"introduced": "5.0"}, {"fixed": "5.1.2"}],
            ["4.2.8", "5.0", "5.1.1"],
            ["4.2.9", "4.2.10", "5.1.2"],
        ),
        ([{"introduced": "1.0"}, {"fixed": "2.0"}], ["2.0rc1", "1.0.post1"], ["1.0rc1", "2.0.post1"]),
    ],
)
def test_range_begins_and_ends_at_its_events(
    events: list[dict[str, str]], affected: list[str], unaffected: list[str]
) -> None:
    entry = {"ranges": [{"type": "ECOSYSTEM", "events": events}]}
    assert [version for version in (*affected, *unaffected) if is_affected(version, entry)] == affected


def test_version_that_cannot_be_compared_is_looked_up_in_the_list() -> None:
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1-dev-r2"}]}]
    assert is_affected("1.1", {"ranges": ranges, "versions": ["1.1"]})
    assert not is_affected("1.2", {"ranges": ranges, "versions": ["1.1"]})
    # Nothing shows that it is not affected.
    assert is_affected("1.2", {"ranges": ranges})


def test_pinned_requirements_are_compared_by_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_advisory(tmp_path, make_advisory({"introduced": "0"}))
    assert main([str(path)]) == 1
    assert capsys.readouterr().out.startswith("django ")
