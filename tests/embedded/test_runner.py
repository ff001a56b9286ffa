"""``make up`` with real processes. Most tests share a data directory to save time."""

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

PROJECT_DIR = Path(__file__).resolve().parents[2]
READY = "The shop is ready"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop that has never been started."""
    shop = Shop(tmp_path / "data")
    yield shop
    shop.stop()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop, running or stopped, with the data of earlier tests."""
    shop = Shop(tmp_path_factory.mktemp("shop") / "data")
    yield shop
    shop.stop()


@pytest.fixture
def running(data: Shop) -> Shop:
    """The shared shop, running."""
    if not data.processes():
        data.start()
        data.wait_for(READY)
    return data


@pytest.fixture
def complete(data: Shop) -> Shop:
    """The shared shop with all its processes, which may not be ready."""
    if not data.processes():
        data.start()
        data.wait_for("Listening at")
    return data


@pytest.fixture
def stopped(data: Shop) -> Shop:
    """The shared shop, stopped."""
    if data.processes():
        data.run_embedded("down")
    return data


class TestSharedDataDirectory:
    def test_first_run_prints_urls_and_saves_the_staff_login(self, running: Shop) -> None:
        log = running.log.read_text()

        readme = (PROJECT_DIR / "README.md").read_text()
        printed = readme.split("when it is ready:\n\n```\n")[1].split("\n```")[0]
        for line in printed.replace("8000", str(running.port)).splitlines():
            assert f"  {line.replace('…/var', str(running.data_dir))}\n" in log
        _, password = (running.data_dir / "admin.txt").read_text().split()
        assert password not in log
        assert "156 created" in log
        assert (running.data_dir / "admin.txt").stat().st_mode & 0o777 == 0o600
        with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/admin/login/") as page:
            assert page.status == 200

    def test_sockets_are_accessible_to_the_owner_only(self, running: Shop) -> None:
        assert (running.data_dir / "run").stat().st_mode & 0o777 == 0o700

    def test_postgres_treats_cyrillic_characters_as_letters(self, running: Shop) -> None:
        running.sql("CREATE EXTENSION IF NOT EXISTS pg_trgm")

        assert running.sql("SELECT lower('ЧАЙНИК'), cardinality(show_trgm('чайник')) > 0") == [
            ("чайник", True)
        ]

    def test_manage_py_uses_the_services_of_the_running_shop(self, running: Shop) -> None:
        running.valkey().set("written by", "the test")
        code = """
from django.core.mail import send_mail
from backend.accounts.models import User
from backend.core.redis import get_redis_client
print(User.objects.get().email)
print(get_redis_client().get("written by").decode())
print(send_mail("From manage.py", "", None, ["anna@example.com"]))
"""

        result = running.run(sys.executable, "manage.py", "shell", "-v0", "-c", code)

        assert result.stdout.split("\n")[:3] == ["admin@example.com", "the test", "1"], result.stderr
        running.wait_for("to anna@example.com: From manage.py")

    def test_tour_and_manage_py_find_the_port_of_the_running_shop(self, running: Shop) -> None:
        code = "from django.conf import settings; print(settings.PUBLIC_URL)"
        url = f"http://localhost:{running.port}"

        tour = running.run("env", "--unset=PORT", sys.executable, "scripts/tour.py")
        manage = running.run(
            *("env", "--unset=PORT", sys.executable, "manage.py", "shell", "-v0", "-c"), code
        )

        assert tour.returncode == 0, tour.stdout + tour.stderr
        assert f"curl -s {url}/" in tour.stdout
        assert max(map(len, tour.stdout.splitlines())) <= 120
        assert manage.stdout.strip() == url, manage.stderr

    def test_mail_sink_accepts_a_login(self, running: Shop) -> None:
        code = (
            "from django.core.mail import send_mail; send_mail('Logged in', '', None, ['anna@example.com'])"
        )

        result = running.run(
            *("env", "SMTP_FROM_PASSWORD=secret", "SMTP_FROM_MAIL=shop@example.com"),
            *(sys.executable, "manage.py", "shell", "-v0", "-c", code),
        )

        assert result.returncode == 0, result.stderr
        running.wait_for("to anna@example.com: Logged in")

    def test_commands_without_a_database_do_not_need_one(self, stopped: Shop) -> None:
        assert not (stopped.data_dir / "services.env").exists()

        assert stopped.run(sys.executable, "manage.py", "check").returncode == 0

    def test_second_run_is_refused_with_the_url_of_the_first(self, running: Shop) -> None:
        result = running.run_embedded("up")

        assert result.returncode == 1
        assert f"Already running in {running.data_dir}: http://localhost:{running.port}" in result.stderr
        assert running.runner
        assert running.runner.poll() is None

    def test_shop_without_a_secret_key_is_refused(self, tmp_path: Path) -> None:
        refused = Shop(tmp_path / "keyless", DJANGO_SECRET_KEY="").run_embedded("up")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == "DJANGO_SECRET_KEY is not set. .env.example has one for development.\n"

    def test_data_survives_a_killed_runner(self, running: Shop) -> None:
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

    def test_data_survives_when_all_processes_are_killed(self, running: Shop) -> None:
        login = (running.data_dir / "admin.txt").read_text()
        running.sql("CREATE TABLE kept_too AS SELECT 2 AS value")
        running.valkey().set("kept", "this too")
        running.kill(running.processes())
        assert not running.processes()

        started = time.monotonic()
        running.start()
        running.wait_for(READY)

        # Ten seconds on an idle machine.
        assert time.monotonic() - started < 30
        assert running.sql("SELECT value FROM kept_too") == [(2,)]
        assert running.valkey().get("kept") == "this too"
        assert (running.data_dir / "admin.txt").read_text() == login

    def test_down_stops_every_process(self, running: Shop) -> None:
        result = running.run_embedded("down")

        assert "is stopped" in result.stdout
        assert running.wait_for_end() == 0
        assert not running.processes()
        assert not (running.data_dir / "services.env").exists()
        assert "shut down" in (running.data_dir / "postgres.log").read_text()
        assert "No shop runs" in running.run_embedded("down").stdout

    def test_ctrl_c_in_make_stops_every_process(self, stopped: Shop) -> None:
        stopped.start("make", "up")
        stopped.wait_for(READY)
        assert stopped.runner

        os.killpg(stopped.runner.pid, signal.SIGINT)

        stopped.wait_for_end()
        assert not stopped.processes()

    def test_ctrl_c_while_modules_are_imported_prints_no_stack_trace(self, stopped: Shop) -> None:
        stopped.start(sys.executable, "-X", "importtime", "-m", "backend.embedded", "up")
        # One of the first modules that the settings import, seconds before the last one on a busy machine.
        stopped.wait_for("annotated_types")
        assert stopped.runner

        stopped.runner.send_signal(signal.SIGINT)

        assert stopped.wait_for_end() == -signal.SIGINT
        assert "Traceback" not in stopped.log.read_text()

    @pytest.mark.parametrize("log_text", ["Starting PostgreSQL", "Preparing the database", "Listening at"])
    def test_ctrl_c_during_the_start_stops_every_process(self, stopped: Shop, log_text: str) -> None:
        stopped.start()
        stopped.wait_for(log_text)
        assert stopped.runner

        stopped.runner.send_signal(signal.SIGINT)

        assert stopped.wait_for_end() == 0
        assert not stopped.processes()

    def test_ctrl_c_while_a_class_is_generated_ends_with_status_zero(
        self, stopped: Shop, tmp_path: Path
    ) -> None:
        # With -m, since Python ignores the interrupt of exec() in a script that calls sys.exit().
        (tmp_path / "interrupted_shop.py").write_text("""
import sys
from backend.embedded import __main__, first_run

def prepare(data_dir):
    exec("import time; print('Waiting for a signal', flush=True); time.sleep(100)")

first_run.prepare = prepare
sys.exit(__main__.main())
""")
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        stopped.start("env", f"PYTHONPATH={path}", sys.executable, "-m", "interrupted_shop", "up")
        stopped.wait_for("Waiting for a signal")
        assert stopped.runner

        stopped.runner.send_signal(signal.SIGINT)

        assert stopped.wait_for_end() == 0

    def test_ctrl_c_that_other_code_discards_stops_the_shop(self, stopped: Shop) -> None:
        code = """
import sys, time
from contextlib import suppress
from backend.embedded import __main__, first_run

def prepare(data_dir):
    with suppress(KeyboardInterrupt):
        print("Waiting for a signal", flush=True)
        time.sleep(100)

first_run.prepare = prepare
sys.exit(__main__.main())
"""
        stopped.start(sys.executable, "-c", code, "up")
        stopped.wait_for("Waiting for a signal")
        assert stopped.runner

        stopped.runner.send_signal(signal.SIGINT)

        assert stopped.wait_for_end() == 0
        assert not stopped.processes()

    def test_closed_terminal_stops_the_shop(self, stopped: Shop) -> None:
        stopped.start()
        stopped.wait_for("Starting PostgreSQL")
        assert stopped.runner

        stopped.runner.send_signal(signal.SIGHUP)

        assert stopped.wait_for_end() == 0
        assert "Preparing the database" not in stopped.log.read_text()

    def test_closed_terminal_does_not_stop_the_shop_under_nohup(self, stopped: Shop) -> None:
        stopped.start("nohup", sys.executable, "-m", "backend.embedded", "up")
        stopped.wait_for("Starting PostgreSQL")
        assert stopped.runner

        stopped.runner.send_signal(signal.SIGHUP)

        stopped.wait_for("Preparing the database")
        stopped.runner.terminate()
        assert stopped.wait_for_end() == 0
        assert not stopped.processes()

    @pytest.mark.parametrize(
        ("name", "command"),
        [
            ("PostgreSQL", "bin/postgres"),
            ("Valkey", "valkey-server"),
            ("The mail sink", "backend.embedded.mail_sink"),
            ("web", "gunicorn"),
            ("worker", "worker"),
            ("beat", "beat"),
        ],
    )
    def test_killed_process_is_restarted(self, running: Shop, name: str, command: str) -> None:
        running.find_child(command).kill()
        running.wait_for(f"{name} was killed by SIGKILL. Restart 1 of 5 in 0.5 s.")
        running.wait_until_ready(command)

        email = f"{name.replace(' ', '-').lower()}@example.com"
        response = running.post("/auth/register", {"email": email, "password": "correct horse battery"})
        assert response == 202
        running.wait_for(f"to {email}")
        assert running.log.read_text().count(f"{name} was killed") == 1
        assert "Traceback" not in running.log.read_text()

    def test_service_that_keeps_ending_stops_the_shop_with_the_end_of_its_log(self, stopped: Shop) -> None:
        stopped.start()
        stopped.wait_for(READY)
        for number in range(1, 6):
            stopped.find_child("valkey-server").kill()
            # It may have been killed during its start.
            stopped.wait_for(f". Restart {number} of 5 in")
            stopped.wait_until_ready("valkey-server")
        stopped.find_child("valkey-server").kill()

        assert stopped.wait_for_end() == 1
        log = stopped.log.read_text()
        assert f". It was restarted 5 times. The end of {stopped.data_dir}/valkey.log:" in log
        assert "Ready to accept connections unix" in log
        assert not stopped.processes()

    def test_down_stops_the_processes_of_a_killed_runner(self, complete: Shop) -> None:
        assert complete.runner
        complete.runner.kill()
        complete.runner.wait()

        assert (complete.data_dir / "services.env").exists()

        complete.run_embedded("down")

        assert not complete.processes()
        assert not (complete.data_dir / "services.env").exists()


def test_port_in_use_is_reported(shop: Shop) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", shop.port))
        listener.listen()
        result = shop.run_embedded("up")

    assert result.returncode == 1
    assert f"Port {shop.port} cannot be used" in result.stderr
    assert not shop.processes()


def test_manage_py_without_a_database_says_what_to_do(shop: Shop) -> None:
    result = shop.run(sys.executable, "manage.py", "migrate")

    assert result.returncode == 1
    assert result.stderr.strip() == "PostgreSQL is not configured: run `make up`, or set DB_HOST."


def test_manage_py_with_an_unreachable_database_prints_one_message(shop: Shop, tmp_path: Path) -> None:
    result = shop.run("env", f"DB_HOST={tmp_path}", sys.executable, "manage.py", "migrate")

    assert result.returncode == 1
    assert f'connection to server on socket "{tmp_path}/.s.PGSQL.5432" failed' in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("options", [[], ["-u"]], ids=["buffered", "unbuffered"])
def test_manage_py_exits_with_141_if_the_reader_of_its_output_has_ended(
    shop: Shop, options: list[str]
) -> None:
    command = [sys.executable, *options, "manage.py", "diffsettings"]
    result = shop.run("sh", "-c", '("$@"; echo "status $?" >&2) | true', "sh", *command)

    assert result.stderr == "status 141\n"


def test_two_copies_run_at_the_same_time_in_long_paths_and_as_an_unprivileged_user(tmp_path: Path) -> None:
    long_path = tmp_path.joinpath(*["a directory with a long name"] * 4)
    long_path.mkdir(parents=True)
    unprivileged, other = (
        Shop(long_path / "данные", is_unprivileged=True),
        Shop(tmp_path / "another, with a comma"),
    )
    # An earlier run was killed while it created the database's files.
    (other.data_dir / "postgres.new" / "base").mkdir(parents=True)
    if os.geteuid() == 0:
        os.chown(long_path, 1, 1)
    try:
        for shop in (unprivileged, other):
            shop.start()
        for shop in (unprivileged, other):
            shop.wait_for(READY)
        unprivileged.sql("CREATE TABLE only_here ()")

        assert other.sql("SELECT to_regclass('only_here')") == [(None,)]
        assert unprivileged.runner
        assert other.runner
        unprivileged.runner.terminate()
        assert unprivileged.wait_for_end() == 0
        assert not unprivileged.processes()
        assert other.runner.poll() is None
    finally:
        for shop in (unprivileged, other):
            shop.stop()
