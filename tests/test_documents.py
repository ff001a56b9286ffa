"""The documents name files and tests that exist, and everything in docs/ is in the navigation."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

PROJECT_DIR = Path(__file__).resolve().parents[1]
DOCS = PROJECT_DIR / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
# The page about payments shows how to write this module.
EXAMPLES = {"backend/orders/payments/acme.py"}
FILE = re.compile(r"`((?:backend|benchmarks|docs|examples|samples|scripts|tests)/[\w./-]+)`")


def list_pages(entry: Any) -> list[str]:
    """Return the pages of a part of the navigation."""
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [page for part in parts for page in list_pages(part)]


def test_every_page_is_in_the_navigation() -> None:
    navigation = tomllib.loads((PROJECT_DIR / "zensical.toml").read_text())["project"]["nav"]
    pages = list_pages(navigation)
    assert sorted(pages) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = set(FILE.findall(page.read_text())) - EXAMPLES
    missing = {name for name in named if not (PROJECT_DIR / name).exists()}
    assert not missing


def test_files_are_found_in_pages() -> None:
    named = {name for page in PAGES for name in FILE.findall(page.read_text())}
    assert {"tests/test_privacy.py", "tests/fuzz/", "backend/core/middleware.py"} <= named
