"""Restored shops have the rows and files of the backup."""

import os
from contextlib import closing

from django.conf import settings
from django.db import connection

from backend.core.backup import PART_SIZE
from backend.core.backup.postgres_tools import run_pg_dump
from tests.core.backup.helpers import (
    MEGABYTE,
    OTHER_BUCKET,
    OTHER_DATABASE,
    BackupCase,
    connect,
    digest_tables,
    measure_peak,
    run,
)
from tests.support.object_storage import BUCKET


class BackupTest(BackupCase):
    def test_restored_shop_has_the_rows_and_files_of_the_backup(self) -> None:
        self.back_up()
        assert self.file.stat().st_mode & 0o777 == 0o600
        status, messages = self.restore()
        assert status == 0, messages
        self.assert_restored()
        for command in (["check_categories"], ["migrate", "--check"]):
            status, output, messages = run(*command, **self.target_environment)
            assert status == 0, f"{command}: {output.decode()} {messages}"

    def test_backup_is_piped_into_a_migrated_empty_shop(self) -> None:
        status, _, messages = run("migrate", "--no-input", "--verbosity", "0", **self.target_environment)
        assert status == 0, messages
        status, data, messages = run("backup", "-", **self.source_environment)
        assert status == 0, messages
        status, messages = self.restore(data=data)
        assert status == 0, messages
        self.assert_restored()

    def test_shop_that_is_not_empty_is_replaced_only_with_force(self) -> None:
        data = self.back_up()
        assert self.restore()[0] == 0
        with closing(connect(OTHER_DATABASE)) as session, session.cursor() as cursor:
            cursor.execute("UPDATE catalog_product SET name = 'Another'")
        before = digest_tables(OTHER_DATABASE)
        status, messages = self.restore()
        assert status == 1
        assert "has rows. --force replaces its data." in messages
        assert digest_tables(OTHER_DATABASE) == before
        assert self.restore("--force", data=data)[0] == 0
        self.assert_restored()

    def test_media_storage_that_is_not_empty_is_refused(self) -> None:
        self.back_up()
        self.put(OTHER_BUCKET, "other.jpg", b"x")
        status, messages = self.restore()
        assert status == 1
        assert "the media storage has the file other.jpg. --force" in messages
        assert digest_tables(OTHER_DATABASE) == {}

    def test_existing_file_is_not_overwritten(self) -> None:
        self.file.write_bytes(b"precious")
        status, _, messages = run("backup", str(self.file), **self.source_environment)
        assert status == 1
        assert "already exists" in messages
        assert self.file.read_bytes() == b"precious"

    def test_memory_does_not_grow_with_the_database_or_a_picture(self) -> None:
        small = measure_peak("backup", str(self.file), **self.source_environment)
        self.put(BUCKET, "large.bin", os.urandom(150 * MEGABYTE))
        self.fill_table(megabytes=100)
        self.file.unlink()
        large = measure_peak("backup", str(self.file), **self.source_environment)
        assert self.file.stat().st_size > 190 * MEGABYTE
        restored = measure_peak("restore", str(self.file), **self.target_environment)
        self.assert_restored()
        assert large < small + 60, f"{small} MB, {large} MB"
        assert restored < small + 60, f"{small} MB, {restored} MB"

    def test_tables_that_the_backup_does_not_have_are_dropped(self) -> None:
        data = self.back_up()
        assert self.restore()[0] == 0
        with closing(connect(OTHER_DATABASE)) as session, session.cursor() as cursor:
            cursor.execute("CREATE TABLE extra (product bigint REFERENCES catalog_product)")
        assert self.restore("--force", data=data)[0] == 0
        self.assert_restored()

    def test_database_of_several_parts_is_restored(self) -> None:
        self.fill_table(megabytes=30)
        with run_pg_dump() as dump:
            assert len(dump.read()) > PART_SIZE
        data = self.back_up()
        assert self.restore(data=data)[0] == 0
        self.assert_restored()

    def test_local_files_are_backed_up_and_restored(self) -> None:
        source, target = self.file.parent / "source", self.file.parent / "target"
        folder = source / "media" / "products"
        folder.mkdir(parents=True)
        for name, size in (("кружка (1).webp", 100_000), ("empty.png", 0)):
            (folder / name).write_bytes(os.urandom(size))
        services = {"DB_HOST": str(connection.settings_dict["HOST"]), "REDIS_URL": settings.REDIS_URL}
        environment = services | {"DB_NAME": self.source, "DATA_DIR": str(source)}
        status, _, messages = run("backup", str(self.file), **environment)
        assert status == 0, messages
        environment = services | {"DB_NAME": OTHER_DATABASE, "DATA_DIR": str(target)}
        status, _, messages = run("restore", str(self.file), **environment)
        assert status == 0, messages
        assert digest_tables(OTHER_DATABASE) == digest_tables(self.source)
        restored = list((target / "media" / "products").iterdir())
        assert {path.name: path.read_bytes() for path in restored} == {
            path.name: path.read_bytes() for path in folder.iterdir()
        }
        assert {path.stat().st_mode & 0o777 for path in restored} == {0o644}
