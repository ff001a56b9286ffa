"""Failed and interrupted backups and restores change nothing."""

import io
import json
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from backend.core.backup import COMPLETE, MANIFEST
from backend.core.backup.postgres_tools import ToolError
from backend.core.backup.reader import BackupInvalid, restore_backup
from tests.core.backup.helpers import (
    OTHER_BUCKET,
    OTHER_DATABASE,
    BackupCase,
    connect,
    digest_tables,
    find_session,
    finish,
    limit_file_size,
    run,
    start,
)
from tests.support.object_storage import BUCKET
from tests.support.worker import wait_until


class FailureTest(BackupCase):
    def test_backup_into_a_missing_directory_is_refused(self) -> None:
        status, _, messages = run(
            "backup", str(self.file.parent / "missing" / "x"), **self.source_environment
        )
        assert status == 1
        assert f"The directory {self.file.parent / 'missing'} does not exist." in messages

    def test_failed_backup_leaves_no_file(self) -> None:
        closed = self.source_environment | {"OBJECT_STORAGE_URL": "http://127.0.0.1:1"}
        no_database = self.source_environment | {"DB_NAME": "missing"}
        for name, prepare, environment, reason in (
            ("storage", None, closed, "no server responds at http://127.0.0.1:1"),
            ("database", None, no_database, 'database "missing" does not exist'),
            ("disk", limit_file_size, self.source_environment, "File too large"),
        ):
            with self.subTest(name):
                process = start("backup", str(self.file), prepare=prepare, **environment)
                status, _, messages = finish(process)
                assert status == 1
                assert reason in messages
                assert list(self.file.parent.iterdir()) == []

    def test_interrupted_backup_leaves_no_file(self) -> None:
        with self.pg_dump_waits():
            process = start("backup", str(self.file), **self.source_environment)
            wait_until(lambda: find_session(self.source) is not None, "pg_dump", max_seconds=120)
            assert len(list(self.file.parent.iterdir())) == 1
            process.send_signal(signal.SIGINT)
            status, _, messages = finish(process)
        assert status == 130
        assert messages == "CommandError: The backup was interrupted. Nothing was written.\n"
        assert list(self.file.parent.iterdir()) == []

    def test_backup_whose_session_ends_leaves_no_file(self) -> None:
        with self.pg_dump_waits():
            process = start("backup", str(self.file), **self.source_environment)
            wait_until(lambda: find_session(self.source) is not None, "pg_dump", max_seconds=120)
            self.end_session(self.source)
            status, _, messages = finish(process)
        assert status == 1
        assert "pg_dump failed" in messages
        assert list(self.file.parent.iterdir()) == []

    @contextmanager
    def pg_dump_waits(self) -> Iterator[None]:
        """Lock a table, so that pg_dump waits."""
        with closing(connect(self.source)) as session, session.cursor() as cursor:
            session.autocommit = False
            cursor.execute("LOCK TABLE catalog_product")
            yield

    def end_session(self, database: str) -> None:
        with closing(connect("postgres")) as session, session.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [find_session(database)])

    def test_invalid_backups_leave_the_shop_unchanged(self) -> None:
        data = self.back_up()
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            part = archive.getmember("database/000001")
            picture = archive.getmember("media/top.bin")
            end = archive.getmember(COMPLETE).offset
        before = digest_tables(self.source)
        for name, broken, reason in (
            ("damaged database", self.change_byte(data, part), ""),
            ("damaged picture", self.change_byte(data, picture), "it is damaged: its digest differs"),
            ("truncated", data[: part.offset_data + part.size // 2], "unexpected end of data"),
            ("without its end", data[:end] + bytes(10240), "its end is missing"),
            ("newer version", self.add_migration(data), "does not know the migration orders.9999_future"),
            ("newer format", data.replace(b'{"format": 1', b'{"format": 2', 1), "reads format 1"),
            ("another file", b"x" * 20_000, "invalid header"),
            ("empty", b"", "empty file"),
        ):
            with self.subTest(name):
                with (
                    self.server.as_media(bucket=OTHER_BUCKET),
                    pytest.raises((BackupInvalid, ToolError)) as raised,
                ):
                    restore_backup(io.BytesIO(broken))
                assert reason in str(raised.value)
                assert digest_tables(self.source) == before
                assert self.read_files(OTHER_BUCKET) == {}

    def change_byte(self, data: bytes, member: tarfile.TarInfo) -> bytes:
        """Change a byte in the middle of a member."""
        middle = member.offset_data + member.size // 2
        return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]

    def add_migration(self, data: bytes) -> bytes:
        """Return a backup of a shop that has one more migration."""
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            file = archive.extractfile(MANIFEST)
            assert file
            manifest = json.loads(file.read())
        manifest["migrations"].append("orders.9999_future")
        changed, content = io.BytesIO(), json.dumps(manifest).encode()
        with tarfile.open(fileobj=changed, mode="w") as archive:
            member = tarfile.TarInfo(MANIFEST)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        return changed.getvalue()

    def assert_target_is_empty(self) -> None:
        assert digest_tables(OTHER_DATABASE) == {}
        assert self.read_files(OTHER_BUCKET) == {}

    def test_truncated_file_is_reported(self) -> None:
        data = self.back_up()
        self.file.write_bytes(data[: len(data) // 2])
        status, messages = self.restore()
        assert status == 1
        assert messages == (
            f"CommandError: {self.file} cannot be restored: unexpected end of data. The shop is unchanged.\n"
        )
        self.assert_target_is_empty()

    def test_missing_file_is_reported(self) -> None:
        status, messages = self.restore()
        assert status == 1
        assert f"No such file or directory: '{self.file}'" in messages

    def test_interrupted_restore_leaves_the_shop_empty(self) -> None:
        data = self.back_up()
        for name, stop, expected, reason in (
            ("signal", self.send_sigterm, 130, "The restore was interrupted. The shop is unchanged."),
            ("session", lambda process: self.end_session(OTHER_DATABASE), 1, "psql failed"),
            ("kill", lambda process: process.kill(), -9, ""),
        ):
            with self.subTest(name):
                process, rest = self.start_half_of_a_restore(data)
                stop(process)
                status, _, messages = finish(process, rest if name == "session" else b"")
                assert status == expected, messages
                assert reason in messages
                wait_until(lambda: find_session(OTHER_DATABASE) is None, "The end of psql", max_seconds=120)
                assert digest_tables(OTHER_DATABASE) == {}
                if name != "kill":
                    self.assert_target_is_empty()

    def send_sigterm(self, process: "subprocess.Popen[bytes]") -> None:
        process.send_signal(signal.SIGTERM)

    def start_half_of_a_restore(self, data: bytes) -> tuple["subprocess.Popen[bytes]", bytes]:
        """Start a restore that has stored media files and waits for more of the database.

        Returns:
            The process and the rest of the backup.
        """
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            part = archive.getmember("database/000001")
        middle = part.offset_data + part.size // 2
        process = start("restore", "-", **self.target_environment)
        assert process.stdin
        process.stdin.write(data[:middle])
        process.stdin.flush()
        wait_until(lambda: find_session(OTHER_DATABASE) is not None, "psql", max_seconds=120)
        assert self.read_files(OTHER_BUCKET) == self.read_files(BUCKET)
        return process, data[middle:]

    def test_restored_pictures_are_deleted_when_the_database_fails(self) -> None:
        data = self.back_up()
        with closing(connect("postgres")) as session, session.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {OTHER_DATABASE} SET default_transaction_read_only = on")
        status, messages = self.restore(data=data)
        assert status == 1
        assert "read-only transaction" in messages
        assert self.read_files(OTHER_BUCKET) == {}
