"""``make up`` as a whole, on real processes. Most cases share a data directory, to save time."""

import os
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.shop import Shop

READY = "The shop is ready"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop that was never started."""
    shop = Shop(tmp_path / "data")
    yield shop
    shop.stop()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop, running or not, that remembers what earlier cases wrote."""
    shop = Shop(tmp_path_factory.mktemp("shop") / "data")
    yield shop
    shop.stop()


@pytest.fixture
def running(data: Shop) -> Shop:
    """The same, running."""
    if not data.processes():
        data.start()
        data.wait_for(READY)
    return data


@pytest.fixture
def complete(data: Shop) -> Shop:
    """The same with all its processes, ready or not."""
    if not data.processes():
        data.start()
        data.wait_for("Listening at")
    return data


@pytest.fixture
def stopped(data: Shop) -> Shop:
    """The same, not running."""
    if data.processes():
        data.embedded("down")
    return data


class TestOneDataDirectory:
    def test_first_run_says_where_everything_is(self, running: Shop) -> None:
        log = running.log.read_text()

        for path in ("/graphql", "/docs", "/admin/", "/products?limit=3"):
            assert f"http://localhost:{running.port}{path}" in log
        email, password = (running.data_dir / "admin.txt").read_text().split()
        assert f"{email}, password in {running.data_dir / 'admin.txt'}" in log
        assert password not in log
        assert "156 created" in log
        assert (running.data_dir / "admin.txt").stat().st_mode & 0o777 == 0o600
        with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/admin/login/") as page:
            assert page.status == 200

    def test_sockets_are_for_the_owner_only(self, running: Shop) -> None:
        assert (running.data_dir / "run").stat().st_mode & 0o777 == 0o700

    def test_cyrillic_letters_are_letters(self, running: Shop) -> None:
        running.sql("CREATE EXTENSION IF NOT EXISTS pg_trgm")

        assert running.sql("SELECT lower('ЧАЙНИК'), cardinality(show_trgm('чайник')) > 0") == [
            ("чайник", True)
        ]

    def test_manage_py_beside_it_reaches_the_same_database(self, running: Shop) -> None:
        code = "from backend.accounts.models import User; print(User.objects.get().email)"

        done = running.run(sys.executable, "manage.py", "shell", "-v0", "-c", code)

        assert done.stdout.strip() == "admin@example.com", done.stderr

    def test_second_run_says_that_it_is_running(self, running: Shop) -> None:
        done = running.embedded("up")

        assert done.returncode == 1
        assert f"Already running in {running.data_dir}: http://localhost:{running.port}" in done.stderr
        assert running.runner
        assert running.runner.poll() is None

    def test_killed_runner(self, running: Shop) -> None:
        running.sql("CREATE TABLE kept AS SELECT 1 AS value")
        running.valkey().set("kept", "yes")
        assert running.runner
        running.runner.kill()
        running.runner.wait()

        running.start()
        running.wait_for(READY)

        assert "that a killed run left behind" in running.log.read_text()
        assert running.sql("SELECT value FROM kept") == [(1,)]
        assert running.valkey().get("kept") == "yes"

    def test_killed_altogether(self, running: Shop) -> None:
        login = (running.data_dir / "admin.txt").read_text()
        running.sql("CREATE TABLE kept_too AS SELECT 2 AS value")
        running.valkey().set("kept", "this too")
        running.kill(running.processes())
        assert not running.processes()

        began = time.monotonic()
        running.start()
        running.wait_for(READY)

        # Ten seconds on a machine that does nothing else; here other tests run beside it.
        assert time.monotonic() - began < 30
        assert running.sql("SELECT value FROM kept_too") == [(2,)]
        assert running.valkey().get("kept") == "this too"
        assert (running.data_dir / "admin.txt").read_text() == login

    def test_down_sends_sigterm_which_leaves_no_process(self, running: Shop) -> None:
        done = running.embedded("down")

        assert "is stopped" in done.stdout
        assert running.wait_for_end() == 0
        assert not running.processes()
        assert "shut down" in (running.data_dir / "postgres.log").read_text()
        assert "No shop runs" in running.embedded("down").stdout

    def test_ctrl_c_in_make_leaves_no_process(self, stopped: Shop) -> None:
        stopped.start("make", "up")
        stopped.wait_for(READY)
        assert stopped.runner

        os.killpg(stopped.runner.pid, signal.SIGINT)

        stopped.wait_for_end()
        assert not stopped.processes()

    @pytest.mark.parametrize("moment", ["Starting PostgreSQL", "Preparing the database", "Listening at"])
    def test_stopped_while_it_starts(self, stopped: Shop, moment: str) -> None:
        stopped.start()
        stopped.wait_for(moment)
        assert stopped.runner

        stopped.runner.send_signal(signal.SIGINT)

        assert stopped.wait_for_end() == 0
        assert not stopped.processes()

    def test_closed_terminal_stops_it(self, stopped: Shop) -> None:
        stopped.start()
        stopped.wait_for("Starting PostgreSQL")
        assert stopped.runner

        stopped.runner.send_signal(signal.SIGHUP)

        assert stopped.wait_for_end() == 0
        assert "Preparing the database" not in stopped.log.read_text()

    def test_closed_terminal_does_not_stop_it_under_nohup(self, stopped: Shop) -> None:
        stopped.start("nohup", sys.executable, "-m", "backend.embedded", "up")
        stopped.wait_for("Starting PostgreSQL")
        assert stopped.runner

        stopped.runner.send_signal(signal.SIGHUP)

        stopped.wait_for("Preparing the database")
        stopped.runner.terminate()
        assert stopped.wait_for_end() == 0
        assert not stopped.processes()

    def test_dead_service_stops_the_shop(self, complete: Shop) -> None:
        [server] = complete.processes("valkey-server")
        server.kill()

        assert complete.wait_for_end() == 1
        assert "Valkey has ended" in complete.log.read_text()
        assert not complete.processes()

    def test_down_stops_what_a_killed_runner_left(self, complete: Shop) -> None:
        assert complete.runner
        complete.runner.kill()
        complete.runner.wait()

        complete.embedded("down")

        assert not complete.processes()


def test_taken_port_is_said(shop: Shop) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", shop.port))
        stranger.listen()
        done = shop.embedded("up")

    assert done.returncode == 1
    assert f"Port {shop.port} cannot be used" in done.stderr
    assert not shop.processes()


def test_manage_py_without_a_shop_says_what_starts_it(shop: Shop) -> None:
    done = shop.run(sys.executable, "manage.py", "migrate")

    assert done.returncode == 1
    assert done.stderr.strip() == "The database does not answer: `make up` starts it."


def test_plain_user_in_a_deep_directory_beside_another_copy(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a directory with a long name"] * 4)
    deep.mkdir(parents=True)
    plain, other = Shop(deep / "данные", plain_user=True), Shop(tmp_path / "another, with a comma")
    # A run that was killed while it created the database's files.
    (other.data_dir / "postgres.new" / "base").mkdir(parents=True)
    if os.geteuid() == 0:
        os.chown(deep, 1, 1)
    try:
        for shop in (plain, other):
            shop.start()
        for shop in (plain, other):
            shop.wait_for(READY)
        plain.sql("CREATE TABLE only_here ()")

        assert other.sql("SELECT to_regclass('only_here')") == [(None,)]
        assert plain.runner
        assert other.runner
        plain.runner.terminate()
        assert plain.wait_for_end() == 0
        assert not plain.processes()
        assert other.runner.poll() is None
    finally:
        for shop in (plain, other):
            shop.stop()
