"""`check_storage` and `migrate_media` as processes of their own, against real S3 servers."""

import os
import random
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from tests.faults.test_services_down import dead_address
from tests.support.object_storage import BUCKET, SECRET_KEY, Moto, Rclone, Server

PROJECT = Path(__file__).resolve().parents[2]
STEPS = ("reach", "write", "read", "list", "public", "delete")


def start(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(*arguments: str, **environment: str) -> tuple[int, str]:
    """Return the exit status and the output of a command. Assert that the output has no secret."""
    process = start(*arguments, **environment)
    output, _ = process.communicate(timeout=60)
    assert "Traceback" not in output, output
    assert SECRET_KEY not in output
    return process.returncode, output


class ServerTestCase(unittest.TestCase):
    server: Server
    kind: type[Server]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.kind()
        cls.addClassCleanup(cls.server.remove)
        cls.server.start()


class CheckMotoTest(ServerTestCase):
    kind = Moto

    def test_every_step_succeeds_and_the_file_is_deleted(self) -> None:
        status, output = run("check_storage", **self.server.environment)
        lines = [line.split() for line in output.splitlines()]
        assert (status, lines[1:]) == (0, [[step, "ok"] for step in STEPS]), output
        assert self.server.objects() == {}

    def test_unreachable_public_url_is_a_warning(self) -> None:
        for url, reason in (
            (f"{self.server.url}/elsewhere", "responds with 404"),
            ("http://127.0.0.1:1", "is not reachable from this host"),
        ):
            with self.subTest(reason):
                environment = self.server.environment | {"OBJECT_STORAGE_PUBLIC_URL": url}
                status, output = run("check_storage", **environment)
                assert status == 0, output
                assert f"public  WARNING  {url}/check-storage/" in output
                assert reason in output


class CheckRcloneTest(ServerTestCase):
    kind = Rclone

    def assert_fails(self, reason: str, **environment: str) -> None:
        with self.subTest(reason):
            status, output = run("check_storage", **self.server.environment | environment)
            assert status == 1, output
            _, step, *_ = output.splitlines()
            assert step.startswith("reach   FAILED"), output
            assert reason in step, output

    def test_failure_names_the_setting_to_check(self) -> None:
        self.assert_fails("the key is unknown (OBJECT_STORAGE_KEY_ID)", OBJECT_STORAGE_KEY_ID="nobody")
        self.assert_fails(
            "the secret does not match the key (OBJECT_STORAGE_SECRET_KEY)", OBJECT_STORAGE_SECRET_KEY="x"
        )
        self.assert_fails(
            "the bucket “elsewhere” does not exist (OBJECT_STORAGE_BUCKET)", OBJECT_STORAGE_BUCKET="elsewhere"
        )
        self.assert_fails("no server responds at http://127.0.0.1:1", OBJECT_STORAGE_URL="http://127.0.0.1:1")
        self.assert_fails("TLS", OBJECT_STORAGE_URL=self.server.url.replace("http:", "https:"))
        with dead_address() as address:
            for _ in address.ways():
                pass
            url = f"http://{address.host}:{address.port}"
            self.assert_fails(f"{url} does not respond in time", OBJECT_STORAGE_URL=url)

    def test_private_bucket_succeeds_without_a_public_url(self) -> None:
        # In development the shop serves the pictures.
        environment = self.server.environment | {"OBJECT_STORAGE_PUBLIC_URL": ""}
        status, output = run("check_storage", **environment)
        assert status == 0, output
        assert "public" not in output


class CheckDirectoryTest(unittest.TestCase):
    def test_directory_succeeds_and_an_unwritable_one_fails(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            status, output = run("check_storage", DATA_DIR=directory)
            assert status == 0, output
            assert f"{directory}/media" in output
            Path(directory, "media", "check-storage").rmdir()
            Path(directory, "media", "check-storage").write_text("not a folder")
            status, output = run("check_storage", DATA_DIR=directory)
            assert status == 1
            assert "write   FAILED" in output


class MigrateTest(ServerTestCase):
    kind = Rclone
    files = 400

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.data_dir = Path(directory.name)
        self.addCleanup(self.empty_bucket)
        source = random.Random(5)
        self.expected = {
            f"products/{number}.jpg": source.randbytes(source.randrange(1, 20_000))
            for number in range(self.files)
        } | {"categories/кружки (1).png": b"", "top.webp": b"x"}
        for name, content in self.expected.items():
            path = self.data_dir / "media" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def empty_bucket(self) -> None:
        client = self.server.client()
        for name in self.server.objects():
            client.delete_object(Bucket=BUCKET, Key=name)

    def environment(self) -> dict[str, str]:
        return self.server.environment | {"DATA_DIR": str(self.data_dir)}

    def migrate(self, *options: str) -> tuple[int, str]:
        return run("migrate_media", "--to", "s3", *options, **self.environment())

    def test_killed_run_is_completed_by_the_next_run(self) -> None:
        process = start("migrate_media", "--to", "s3", "--parallel", "2", **self.environment())
        self.addCleanup(process.communicate)
        bucket = self.server.files / BUCKET / "products"
        deadline = time.monotonic() + 60
        while not (bucket.exists() and len(os.listdir(bucket)) > 20) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.kill()
        process.wait()
        before = len(self.server.objects())
        assert 20 < before < len(self.expected)
        status, output = self.migrate()
        assert status == 0, output
        assert f"{before} were already stored, 0 failed" in output
        assert self.server.objects() == self.expected
        assert "0 copied (0.0 MB)" in self.migrate()[1]

    def test_dry_run_counts_files_without_copying(self) -> None:
        assert f"{len(self.expected)} would be copied" in self.migrate("--dry-run")[1]
        assert self.server.objects() == {}

    def test_changed_objects_are_replaced_and_local_files_are_kept(self) -> None:
        self.migrate()
        client = self.server.client()
        same_size = bytes(len(self.expected["products/7.jpg"]))
        client.put_object(Bucket=BUCKET, Key="products/7.jpg", Body=same_size)
        client.put_object(Bucket=BUCKET, Key="products/8.jpg", Body=b"shorter")
        client.put_object(Bucket=BUCKET, Key="products/other.jpg", Body=b"another file")
        assert self.migrate()[1].startswith("2 copied")
        assert self.server.objects() == self.expected | {"products/other.jpg": b"another file"}
        assert (self.data_dir / "media" / "products" / "7.jpg").exists()

    def test_run_stopped_by_an_outage_is_completed_by_the_next_run(self) -> None:
        process = start("migrate_media", "--to", "s3", "--parallel", "2", **self.environment())
        bucket = self.server.files / BUCKET / "products"
        while not (bucket.exists() and len(os.listdir(bucket)) > 20):
            time.sleep(0.005)
        self.server.stop()
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "Run the command again to continue." in output
        assert "Traceback" not in output, output
        self.server.start()
        assert self.migrate()[0] == 0
        assert self.server.objects() == self.expected

    def test_missing_object_storage_is_reported(self) -> None:
        status, output = run("migrate_media", "--to", "s3", DATA_DIR=str(self.data_dir))
        assert status == 1
        assert "OBJECT_STORAGE_URL" in output
