"""The previous release runs while and after the database is migrated.

A rolling deployment migrates first, and then replaces the processes of the previous release one by one. Its
code is in previous_release.tar.gz (see scripts/record_release.sh) and runs with the current packages.
"""

import os
import secrets
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.conf import settings
from django.db import connection

from backend.core.redis import get_redis_client
from backend.embedded import processes
from tests.support.web import Web
from tests.support.worker import Worker, find_code, wait_until

PROJECT_DIR = Path(__file__).resolve().parents[2]
ARCHIVE = Path(__file__).with_name("previous_release.tar.gz")
DATABASE = "upgrade_{}".format(os.environ.get("PYTEST_XDIST_WORKER", "main"))
CREATE_SHOP = """
import sys
import django
from django.core.management import call_command
django.setup()
call_command("migrate", verbosity=0)
call_command("import_products", sys.argv[1])
call_command("build_recommendations")
"""


class Release:
    """A release of the shop on the database of this test.

    Args:
        code: the directory of its code.
    """

    def __init__(self, code: Path) -> None:
        self._code = code
        self.web = Web(code=code, DB_NAME=DATABASE)
        self.worker = Worker(None, code=code, DB_NAME=DATABASE)

    def run(self, *arguments: str) -> None:
        """Run Python in the directory of the code. It must succeed."""
        done = self._run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    def tour(self) -> subprocess.CompletedProcess[str]:
        """Run the tour of this release against its web processes: catalogue, accounts, carts and orders."""
        return self._run("scripts/tour.py", SHOP_URL=f"http://127.0.0.1:{self.web.port}")

    def assert_tour_passes(self) -> None:
        done = self.tour()
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr + self.web.output()[-3000:]

    def _run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self._code,
            env=processes.make_environment(settings.ENV.data_dir) | {"DB_NAME": DATABASE} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def send(self, method: str, path: str, body: Any = None, *, status: int = 200, **headers: str) -> Any:
        """Send a request, check the status of the response, and return its body."""
        found, response = self.web.send_request(method, path, body, **headers)
        assert found == status, (found, response, self.web.output()[-3000:])
        return response


class Upgrade:
    """Two releases on one database, which the previous one has created and the current one migrated."""

    def __init__(self, stack: ExitStack, directory: Path) -> None:
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(directory, filter="data")
        self.previous, self.current = Release(directory), Release(PROJECT_DIR)
        # In one process, since each takes seconds to start.
        self.previous.run("-c", CREATE_SHOP, self._write_feed(directory))
        for process in (self.previous.web, self.previous.worker):
            stack.callback(process.stop)
            process.start()
        # Its connections are open, and its statements planned, when the tables change.
        self.previous.assert_tour_passes()
        self.account = self._log_in()
        self.old_order = self.order(self.previous)
        self.current.run("manage.py", "migrate", "--verbosity=0")
        for process in (self.current.web, self.current.worker):
            stack.callback(process.stop)
        self.current.web.start()

    def order(self, release: Release) -> str:
        """Order a product and return the number of the order."""
        product = release.send("GET", "/products?limit=1&in_stock=true")["items"][0]["id"]
        release.send("POST", "/cart", {"product_id": product, "quantity": 1}, **self.account)
        return str(release.send("POST", "/order", status=201, **self.account)["number"])

    def _write_feed(self, directory: Path) -> str:
        """Write the sample feed without its pictures and return its path."""
        rows = [line.split("\t") for line in (directory / "samples/products.tsv").read_text().splitlines()]
        kept = [number for number, name in enumerate(rows[0]) if not name.endswith("image_link")]
        feed = directory / "feed.tsv"
        feed.write_text("\n".join("\t".join(row[number] for number in kept) for row in rows))
        return str(feed)

    def _log_in(self) -> dict[str, str]:
        """Register at the previous release and return the headers of the account."""
        email = f"{secrets.token_hex(8)}@example.com"
        credentials = {"email": email, "password": secrets.token_urlsafe(12)}
        self.previous.send("POST", "/auth/register", credentials, status=202)
        code = find_code(wait_until(lambda: find_mail(email), "the mail with the code"))
        self.previous.send("POST", "/auth/confirm", {"email": email, "code": code})
        tokens = self.previous.send("POST", "/auth/login", credentials)
        return {"Authorization": f"Bearer {tokens['access_token']}"}


def find_mail(recipient: str) -> EmailMessage | None:
    """Return the mail to a recipient in the mail sink of the tests."""
    for path in (settings.ENV.data_dir / "mail").glob("*.eml"):
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        if mail["To"] == recipient:
            return mail
    return None


def execute(statement: str, database: str = DATABASE) -> None:
    other = psycopg2.connect(**connection.get_connection_params() | {"dbname": database})
    try:
        other.autocommit = True
        other.cursor().execute(statement)
    finally:
        other.close()


@pytest.fixture(scope="module")
def upgrade(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgrade]:
    get_redis_client().flushdb()
    execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", "lavka")
    execute(f"CREATE DATABASE {DATABASE}", "lavka")
    with ExitStack() as stack:
        stack.callback(execute, f"DROP DATABASE {DATABASE} WITH (FORCE)", "lavka")
        stack.callback(get_redis_client().flushdb)
        yield Upgrade(stack, tmp_path_factory.mktemp("previous"))


def test_both_releases_work_on_the_migrated_database(upgrade: Upgrade) -> None:
    upgrade.previous.assert_tour_passes()
    # Each executes the tasks of the other.
    upgrade.current.assert_tour_passes()
    upgrade.previous.worker.stop()
    upgrade.current.worker.start()
    upgrade.previous.assert_tour_passes()


def test_releases_read_and_change_the_carts_and_orders_of_each_other(upgrade: Upgrade) -> None:
    previous, current, account = upgrade.previous, upgrade.current, upgrade.account
    new_order = upgrade.order(current)
    for release in (previous, current):
        numbers = [order["number"] for order in release.send("GET", "/orders", **account)["items"]]
        assert {upgrade.old_order, new_order} <= set(numbers)
    for writer, reader in ((previous, current), (current, previous)):
        product = writer.send("GET", "/products?limit=1&in_stock=true")["items"][0]["id"]
        cart = writer.send("POST", "/cart", {"product_id": product, "quantity": 2}, **account)
        assert reader.send("GET", "/cart", **account)["total"] == cart["total"]
        cart = reader.send("PUT", "/cart", {"product_id": product, "quantity": 3}, **account)
        assert writer.send("GET", "/cart", **account)["total"] == cart["total"]
        writer.send("DELETE", "/cart", **account)
    assert (
        current.send("POST", f"/order/cancel?number={upgrade.old_order}", **account)["status"] == "cancelled"
    )
    assert previous.send("POST", f"/order/cancel?number={new_order}", **account)["status"] == "cancelled"


@pytest.mark.parametrize(
    ("change", "undo"),
    [
        (
            "ALTER TABLE orders_order RENAME COLUMN total TO amount",
            "ALTER TABLE orders_order RENAME COLUMN amount TO total",
        ),
        # Of Django's field with `default` and without `db_default`.
        (
            "ALTER TABLE carts_cartline ADD COLUMN gift boolean DEFAULT false NOT NULL;"
            "ALTER TABLE carts_cartline ALTER COLUMN gift DROP DEFAULT",
            "ALTER TABLE carts_cartline DROP COLUMN gift",
        ),
        (
            "ALTER TABLE accounts_session ADD CONSTRAINT short CHECK (length(refresh_digest) < 10) NOT VALID",
            "ALTER TABLE accounts_session DROP CONSTRAINT short",
        ),
    ],
    ids=["renamed column", "column without default", "new constraint"],
)
def test_tour_fails_on_a_schema_that_breaks_the_previous_release(
    upgrade: Upgrade, change: str, undo: str
) -> None:
    execute(change)
    try:
        done = upgrade.previous.tour()
    finally:
        execute(undo)
    assert done.returncode == 1
    assert "INTERNAL" in done.stdout[-3000:], done.stdout[-3000:]
