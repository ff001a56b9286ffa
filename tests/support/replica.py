"""A PostgreSQL server of its own for a test class, with a streaming replica.

The server that all tests share is no good primary: their databases come and go while it is copied.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from django.conf import settings
from django.db import connection

from backend.embedded import postgres, processes, services
from tests.support.worker import wait_until


@contextmanager
def run_own_postgres() -> Iterator[dict[str, str]]:
    """Run a separate PostgreSQL with the tables of the shop, and let this process use it.

    Provides the variables for other processes that use it.
    """
    with ExitStack() as stack:
        data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # PostgreSQL runs as another user if the tests run as root.
        data_dir.chmod(0o755)
        stack.enter_context(services.lock_data_directory(data_dir, "a test"))
        started = stack.enter_context(
            services.run_services(
                data_dir, database="lavka", with_valkey=False, with_mail_sink=False, for_tests=True
            )
        )
        variables = {"DB_NAME": "lavka", **started.variables}
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            env=os.environ | variables,
            check=True,
        )
        database = settings.DATABASES["default"]
        shared = {name: database[name] for name in ("HOST", "PORT", "NAME", "USER", "PASSWORD")}
        connection.close()
        database.update({name: variables.get(f"DB_{name}", value) for name, value in shared.items()})
        stack.callback(database.update, shared)
        stack.callback(connection.close)
        with connection.cursor() as cursor:
            # Transactions must be in the write-ahead log when they are visible, as in production.
            cursor.execute("ALTER DATABASE lavka SET synchronous_commit = on")
        connection.close()
        yield variables


class Replica:
    """A hot standby of the PostgreSQL that this process uses. It logs every statement.

    Attributes:
        host: the directory of its Unix socket, as a value of `DB_REPLICA_HOST`.
    """

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp())
        # PostgreSQL runs as another user if the tests run as root.
        self._directory.chmod(0o755)
        self._data = self._directory / "data"
        self._log = self._directory / "log"
        self._server: subprocess.Popen[bytes] | None = None
        self.host = str(self._directory)
        self._copy_primary()

    def _copy_primary(self) -> None:
        if os.geteuid() == 0:
            os.chown(self._directory, postgres.NOBODY, postgres.NOBODY)
        command = [
            str(postgres._find_binary("pg_basebackup")),
            *("--host", settings.DATABASES["default"]["HOST"], "--username", postgres.SUPERUSER),
            *("--pgdata", str(self._data), "--checkpoint", "fast", "--write-recovery-conf"),
        ]
        subprocess.run(postgres._make_owner_command(command, self._directory), check=True)

    def start(self) -> None:
        """Start the server unless it runs, and wait until it accepts reads."""
        if self._server:
            return
        options = [
            *("-c", "listen_addresses=", "-c", f"unix_socket_directories={self._directory}"),
            *("-c", "log_statement=all", "-c", "fsync=off", "-c", "wal_receiver_timeout=2s"),
            # The rows of the log must not depend on the settings of the primary.
            *("-c", "log_line_prefix=", "-c", "logging_collector=off"),
        ]
        command = [str(postgres._find_binary("postgres")), "-D", str(self._data), *options]
        self._server = subprocess.Popen(
            postgres._make_owner_command(command, self._data),
            env=processes.make_environment(settings.ENV.data_dir),
            stdout=self._log.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        wait_until(self._is_ready, "The start of the replica")

    def stop(self) -> None:
        """Stop the server and close its connections."""
        if self._server:
            processes.stop([self._server], signal.SIGINT)
            self._server = None

    def rebuild(self) -> None:
        """Copy the primary again, after a promotion."""
        self.stop()
        shutil.rmtree(self._data)
        self._copy_primary()
        self.start()

    def remove(self) -> None:
        """Stop the server and remove its files."""
        self.stop()
        shutil.rmtree(self._directory)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all processes of the server, such as SIGSTOP to freeze it."""
        assert self._server
        server = psutil.Process(self._server.pid)
        for process in [server, *server.children(recursive=True)]:
            process.send_signal(number)

    def execute(self, statement: str) -> Any:
        """Execute a statement on the replica and return its first value, or None."""
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone()
            return row[0] if row else None

    def list_read_tables(self) -> list[str]:
        """Return the first table of each logged query, in the order of the log."""
        queries = re.findall(r'statement: SELECT .*? FROM "(\w+)"', self._log.read_text(errors="replace"))
        return [str(table) for table in queries]

    def _is_ready(self) -> bool:
        try:
            return self.execute("SELECT pg_is_in_recovery()") is True
        except psycopg2.OperationalError:
            return False

    def _connect(self) -> Any:
        name = settings.DATABASES["default"]["NAME"]
        connection = psycopg2.connect(host=self.host, user=postgres.SUPERUSER, dbname=name, connect_timeout=2)
        connection.autocommit = True
        return connection
