"""The documents' site has no broken links, draws its diagrams and loads nothing from other hosts."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import HOST, browse

PROJECT_DIR = Path(__file__).resolve().parents[2]
MERMAID = PROJECT_DIR / "frontend/docs/node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js"
DOCS = PROJECT_DIR / "docs"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def copy_documents(directory: Path) -> Path:
    """Copy the sources of the site to a new directory and return it."""
    directory.mkdir()
    shutil.copy(PROJECT_DIR / "zensical.toml", directory)
    shutil.copytree(DOCS, directory / "docs")
    return directory


def build_site(directory: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a directory as `make docs` does."""
    return subprocess.run(
        [Path(sys.executable).with_name("zensical"), "build", "--strict", "--clean"],
        cwd=directory,
        env=os.environ | {"NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of the built site."""
    directory = copy_documents(tmp_path_factory.mktemp("documents") / "site")
    done = build_site(directory)
    assert done.returncode == 0, done.stdout
    built = directory / "var/site"
    shutil.copy(MERMAID, built / "javascripts")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(built)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{HOST}:{server.server_port}"
    server.shutdown()
    server.server_close()


def list_pages() -> dict[str, int]:
    """Return the paths of all pages, with the numbers of their diagrams."""
    pages = {}
    for file in sorted(DOCS.rglob("*.md")):
        name = file.relative_to(DOCS).with_suffix("").as_posix()
        name = re.sub("(^|/)(index|README)$", "", name)
        pages[f"/{name}/" if name else "/"] = file.read_text().count("```mermaid\n")
    return pages


@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_fits_the_window_and_draws_its_diagrams(
    width: int, site: str, screenshot: Callable[[Page, str], None]
) -> None:
    pages = list_pages()
    assert sum(pages.values()) >= 7
    with browse(site, "/", width=width, height=900) as page:
        for path, diagrams in pages.items():
            response = page.goto(path)
            assert response
            assert response.ok, path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            # The theme replaces <pre class="mermaid"> by a <div> with the drawing.
            expect(page.locator("div.mermaid")).to_have_count(diagrams)
            heights = page.locator("div.mermaid").evaluate_all(
                "drawings => drawings.map(drawing => drawing.getBoundingClientRect().height)"
            )
            assert all(height > 100 for height in heights), (path, heights)
            screenshot(page, f"docs-{width}-{path.strip('/').replace('/', '-') or 'index'}")


@pytest.mark.parametrize(
    ("link", "problem"),
    [("missing.md", "page does not exist"), ("index.md#missing", "anchor does not exist")],
)
def test_broken_link_fails_the_build(tmp_path: Path, link: str, problem: str) -> None:
    directory = copy_documents(tmp_path / "site")
    with (directory / "docs/index.md").open("a") as page:
        page.write(f"\nA [link]({link}).\n")

    done = build_site(directory)

    assert done.returncode
    assert problem in done.stdout
