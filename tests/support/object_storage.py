"""S3 servers for tests that store pictures.

`Moto` keeps objects in memory, accepts any access key, records requests, and has a public bucket. `Rclone`
stores objects in a directory, so that they survive a restart, and checks access keys.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
from botocore.config import Config
from django.conf import settings
from django.test import override_settings

from backend.embedded import processes
from tests.support.ports import find_free_port
from tests.support.worker import wait_until

KEY_ID = "the-key-id"
SECRET_KEY = "the-secret-key"
BUCKET = "pictures"


class Server:
    """An S3 server process with one bucket and a fixed port."""

    def __init__(self) -> None:
        self.port = find_free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._directory = TemporaryDirectory()
        self.files = Path(self._directory.name) / "files"
        (self.files / BUCKET).mkdir(parents=True)
        self._log = Path(self._directory.name) / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of a shop process that stores its pictures on this server."""
        return {
            "OBJECT_STORAGE_URL": self.url,
            "OBJECT_STORAGE_REGION": "us-east-1",
            "OBJECT_STORAGE_KEY_ID": KEY_ID,
            "OBJECT_STORAGE_SECRET_KEY": SECRET_KEY,
            "OBJECT_STORAGE_BUCKET": BUCKET,
            "OBJECT_STORAGE_PUBLIC_URL": f"{self.url}/{BUCKET}",
        }

    def as_media(self, **options: Any) -> override_settings:
        """Store the pictures of this process on this server while the settings are overridden."""
        defaults = {
            "url": self.url,
            "region": "us-east-1",
            "key_id": KEY_ID,
            "secret_key": SECRET_KEY,
            "bucket": BUCKET,
            "public_url": f"{self.url}/{BUCKET}",
        }
        media = {"BACKEND": "backend.core.media.object_storage.ObjectStorage", "OPTIONS": defaults | options}
        # Local files of other tests must not be found.
        empty_folder = Path(self._directory.name) / "empty"
        return override_settings(STORAGES=settings.STORAGES | {"default": media}, MEDIA_ROOT=empty_folder)

    def client(self) -> Any:
        """Return an S3 client that is independent of the shop's code."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}),
        )

    def objects(self) -> dict[str, bytes]:
        """Return the content of all objects by name."""
        client = self.client()
        return {name: client.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in self.names()}

    def names(self) -> list[str]:
        """Return the names of all objects."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def start(self) -> "Server":
        """Start or restart the server."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                # The next run finds and stops the processes of a killed run by this environment.
                env=processes.make_environment(settings.ENV.data_dir),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = self._process
        wait_until(lambda: self._listens() or process.poll() is not None, "The S3 server's start")
        assert process.poll() is None, self._log.read_text()
        return self

    def stop(self) -> None:
        """Stop listening, so that connections are refused."""
        if self._process:
            processes.stop([self._process], signal.SIGTERM)
            self._process = None

    def freeze(self) -> None:
        """Freeze the server: it accepts connections but does not respond."""
        assert self._process
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Resume a frozen server."""
        assert self._process
        os.kill(self._process.pid, signal.SIGCONT)

    def restore(self) -> None:
        """Start a stopped server, or resume a frozen one."""
        if self._process:
            self.resume()
        else:
            self.start()

    def remove(self) -> None:
        """Stop the server and delete its files."""
        if self._process:
            self.resume()
        self.stop()
        self._directory.cleanup()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _command(self) -> list[str]:
        raise NotImplementedError


class Moto(Server):
    """The server of moto, which records requests."""

    def start(self) -> "Server":
        super().start()
        client = self.client()
        client.create_bucket(Bucket=BUCKET)
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{BUCKET}/*",
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
        return self

    def requests(self) -> list[str]:
        """Return every request since the start, such as "PUT /pictures/products/a.jpg"."""
        return re.findall(r'"(?:\x1b\[\d*m)*([A-Z]+ \S+) HTTP/1', self._log.read_text())

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]


class Rclone(Server):
    """`rclone serve s3`, which is independent of boto and stores objects as files."""

    def _command(self) -> list[str]:
        rclone = str(Path(sys.executable).with_name("rclone"))
        address = f"127.0.0.1:{self.port}"
        return [
            *(rclone, "serve", "s3", str(self.files), "--addr", address),
            *("--auth-key", f"{KEY_ID},{SECRET_KEY}", "--config", os.devnull),
        ]
