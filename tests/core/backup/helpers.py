"""Run `backup` and `restore` as processes of their own, with PostgreSQL databases and an S3 server."""

import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
from django.db import connection
from django.test import TransactionTestCase
from psycopg2 import sql

from tests.catalog.factories import make_category, make_image, make_product
from tests.concurrency.actors import execute
from tests.concurrency.shoppers import ShopCase
from tests.support.object_storage import BUCKET, SECRET_KEY, Rclone

PROJECT = Path(__file__).resolve().parents[3]
# Each process of the tests has its own.
OTHER_DATABASE = f"restored_{os.environ.get('PYTEST_XDIST_WORKER', '')}"
OTHER_BUCKET = "restored"
MEGABYTE = 1024 * 1024
_CASTS = re.compile(r"::text(\[\])?|::character varying|[()]")
Tables = dict[str, tuple[int, str]]


def start(
    *arguments: str, prepare: Callable[[], None] | None = None, **environment: str
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=prepare,
    )


def finish(process: "subprocess.Popen[bytes]", stdin: bytes = b"") -> tuple[int, bytes, str]:
    """Return the exit status, the output and the messages of a command."""
    output, errors = process.communicate(stdin, timeout=300)
    messages = errors.decode()
    assert "Traceback" not in messages, messages
    assert "Exception ignored" not in messages, messages
    assert SECRET_KEY not in messages
    return process.returncode, output, messages


def run(*arguments: str, stdin: bytes = b"", **environment: str) -> tuple[int, bytes, str]:
    """Run a command, and return its exit status, output and messages."""
    return finish(start(*arguments, **environment), stdin)


def limit_file_size() -> None:
    """Make writes fail beyond a hundred kilobytes of a file, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def find_session(database: str) -> int | None:
    """Return the id of the session of pg_dump or psql in a database."""
    with closing(connect("postgres")) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'lavka-backup' AND datname = %s",
            [database],
        )
        found = cursor.fetchone()
    return found[0] if found else None


def measure_peak(*arguments: str, **environment: str) -> float:
    """Run a command that must succeed, and return the peak memory of its largest process in megabytes."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    command = [sys.executable, "-c", code, sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=PROJECT, env=os.environ | environment, capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return float(done.stdout)


def connect(database: str) -> Any:
    own = connection.settings_dict
    session = psycopg2.connect(host=own["HOST"], port=own["PORT"], user=own["USER"], dbname=database)
    session.autocommit = True
    return session


def digest_tables(database: str) -> Tables:
    """Return the number of rows and a digest of their content for every table, and the sequences' values."""
    with closing(connect(database)) as session, session.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables: Tables = {}
        for (table,) in cursor.fetchall():
            query = "SELECT count(*), coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {} t"
            cursor.execute(sql.SQL(query).format(sql.Identifier(table)))
            tables[table] = cursor.fetchone()
        cursor.execute("SELECT sequencename, coalesce(last_value, 0), '' FROM pg_sequences")
        return tables | {f"sequence {name}": (value, text) for name, value, text in cursor.fetchall()}


def list_definitions(database: str) -> list[str]:
    """Return the definitions of all functions, triggers, indexes and constraints."""
    with closing(connect(database)) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace"
            " WHERE nspname = 'public' AND prokind = 'f'"
            " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
            " UNION ALL SELECT concat_ws(' ', tgrelid::regclass, tgname, tgtype, tgfoid::regproc)"
            " FROM pg_trigger WHERE NOT tgisinternal"
            " UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"
            " UNION ALL SELECT conrelid::regclass || pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace"
        )
        # PostgreSQL writes `status IN (…)` with other casts and parentheses after it has been read from SQL.
        return sorted(_CASTS.sub("", row[0]) for row in cursor.fetchall())


class BackupCase(ShopCase, TransactionTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = Rclone()
        cls.addClassCleanup(cls.server.remove)
        cls.server.start()
        (cls.server.files / OTHER_BUCKET).mkdir()

    def setUp(self) -> None:
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.file = Path(temporary.name) / "shop.tar"
        self.source = str(connection.settings_dict["NAME"])
        self.addCleanup(self.empty_buckets)
        self.addCleanup(self.drop_database)
        self.drop_database()
        with closing(connect("postgres")) as session, session.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {OTHER_DATABASE}")
        self.fill()

    def drop_database(self) -> None:
        with closing(connect("postgres")) as session, session.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {OTHER_DATABASE} WITH (FORCE)")

    def empty_buckets(self) -> None:
        for bucket in (BUCKET, OTHER_BUCKET):
            for name in self.read_files(bucket):
                self.server.client().delete_object(Bucket=bucket, Key=name)

    def fill(self) -> None:
        """Fill the shop with every kind of row that a shopper leaves, and with pictures."""
        with self.server.as_media():
            product = make_product(
                "Ёлка", make_category("Trees", make_category("Plants")), {"Height (cm)": "120"}
            )
            make_image(product)
        self.add(self.a, self.b)
        self.order(key="the-key")
        self.add(self.c, product)
        self.put(BUCKET, "top.bin", os.urandom(1000))
        self.put(BUCKET, "empty.webp", b"")
        self.put(BUCKET, f"categories/{'кружки (1) ' * 8}.png", os.urandom(100_000))

    def put(self, bucket: str, name: str, data: bytes) -> None:
        self.server.client().put_object(Bucket=bucket, Key=name, Body=data)

    @property
    def source_environment(self) -> dict[str, str]:
        return self.server.environment | {"DB_NAME": self.source}

    @property
    def target_environment(self) -> dict[str, str]:
        return self.server.environment | {"DB_NAME": OTHER_DATABASE, "OBJECT_STORAGE_BUCKET": OTHER_BUCKET}

    def back_up(self) -> bytes:
        status, _, messages = run("backup", str(self.file), **self.source_environment)
        assert status == 0, messages
        return self.file.read_bytes()

    def restore(self, *options: str, data: bytes | None = None) -> tuple[int, str]:
        """Restore from a file, or from data on the standard input; return the status and the messages."""
        source = str(self.file) if data is None else "-"
        status, _, messages = run("restore", source, *options, stdin=data or b"", **self.target_environment)
        return status, messages

    def read_files(self, bucket: str) -> dict[str, bytes]:
        folder = self.server.files / bucket
        return {
            str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }

    def assert_restored(self) -> None:
        assert digest_tables(OTHER_DATABASE) == digest_tables(self.source)
        assert list_definitions(OTHER_DATABASE) == list_definitions(self.source)
        assert self.read_files(OTHER_BUCKET) == self.read_files(BUCKET)
        assert len(self.read_files(BUCKET)) >= 3
        assert digest_tables(OTHER_DATABASE)["orders_orderline"][0] == 2

    def fill_table(self, *, megabytes: int) -> None:
        """Create a table of random digits, which gzip halves."""
        execute(
            "CREATE TABLE filler AS SELECT n, (SELECT string_agg(md5(random()::text), '')"
            " FROM generate_series(1, 32 * 1024 + n * 0)) FROM generate_series(1, %s) n",
            megabytes,
        )
        self.addCleanup(execute, "DROP TABLE filler")
