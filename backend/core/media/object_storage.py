"""Media in S3 object storage: the same for every provider, and quick to say that it is down."""

import mimetypes
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from hashlib import md5
from http import HTTPStatus
from typing import Any

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ParamValidationError,
    ReadTimeoutError,
    SSLError,
)
from django.core.exceptions import SuspiciousOperation
from django.core.files import File
from django.core.files.base import ContentFile
from django.utils.encoding import filepath_to_uri
from storages.backends.s3 import S3Storage
from storages.utils import clean_name, to_bytes

from backend.core.media.storage import StorageUnavailable, media_cache_control

# One try of at most a second each to connect and to be answered, for the questions that web requests ask.
# Every file is saved after such a question, so that no request waits for a storage that is down.
_QUICK = {"connect_timeout": 1, "read_timeout": 1, "retries": {"total_max_attempts": 1}}
# For what moves bytes.
_PATIENT = {
    "connect_timeout": 1,
    "read_timeout": 5,
    "retries": {"total_max_attempts": 3, "mode": "standard"},
}
# How long the answer of `last_error` is good for, in seconds.
_CHECK_SECONDS = 5.0


class ObjectStorage(S3Storage):
    """A bucket, or a folder of it, whose addresses are made without asking it.

    Every method raises `StorageUnavailable` for what is the storage's fault.

    Args:
        url: the provider's endpoint.
        region, key_id, secret_key, bucket: as the provider gives them.
        public_url: what the addresses of files begin with.
        addressing: whether the bucket stands in the "path" or, "virtual", in the host's name.
        location: the folder.
    """

    def __init__(
        self,
        *,
        url: str,
        region: str,
        key_id: str,
        secret_key: str,
        bucket: str,
        public_url: str,
        addressing: str = "path",
        location: str = "",
    ) -> None:
        self.public_url = public_url.rstrip("/")
        self.addressing = addressing
        self._last_check: tuple[float, str | None] = (0.0, None)
        super().__init__(
            endpoint_url=url,
            region_name=region,
            access_key=key_id,
            secret_key=secret_key,
            bucket_name=bucket,
            location=location,
            file_overwrite=False,
            # Neither is ours to take from the machine's environment.
            security_token=None,
            session_profile=None,
            client_config=self._config(_PATIENT),
        )

    def _config(self, patience: dict[str, Any]) -> Config:
        return Config(
            signature_version="s3v4",
            s3={"addressing_style": self.addressing},
            # boto's own checksums are in headers and trailers that many providers refuse.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            max_pool_connections=16,
            **patience,
        )

    @cached_property
    def _session(self) -> Session:
        return self._create_session()

    @cached_property
    def client(self) -> Any:
        """Return boto's client for what moves bytes; it may be shared by threads."""
        return self._make_client(self.client_config)

    @cached_property
    def _quick_client(self) -> Any:
        return self._make_client(self._config(_QUICK))

    def _make_client(self, config: Config) -> Any:
        return self._session.client(
            "s3", region_name=self.region_name, endpoint_url=self.endpoint_url, config=config
        )

    def _key(self, name: str) -> str:
        key: str = self._normalize_name(clean_name(name))
        return key

    @contextmanager
    def _faults(self, name: str = "") -> Iterator[None]:
        try:
            yield
        except ParamValidationError as error:
            raise SuspiciousOperation("No object can have this name.") from error
        except (BotoCoreError, ClientError, ValueError) as error:
            if name and _status(error) == HTTPStatus.NOT_FOUND and _code(error) != "NoSuchBucket":
                raise FileNotFoundError(f"There is no {name} in the object storage.") from error
            raise StorageUnavailable(f"The object storage fails: {self.explain(error)}.") from error

    def explain(self, error: Exception) -> str:
        """Return what is wrong in words that name the variable or the service to look at, and no secret."""
        code = _code(error)
        match error:
            case ConnectTimeoutError() | ReadTimeoutError():
                return f"{self.endpoint_url} does not answer in time"
            case SSLError():
                return f"the TLS certificate of {self.endpoint_url} is not accepted"
            case EndpointConnectionError():
                return f"nothing answers at {self.endpoint_url} (OBJECT_STORAGE_URL)"
            case ConnectionError() | HTTPClientError():
                return f"the connection to {self.endpoint_url} broke"
        if code in ("InvalidAccessKeyId", "InvalidClientTokenId"):
            return "it does not know the key (OBJECT_STORAGE_KEY_ID)"
        if code == "SignatureDoesNotMatch":
            return "the secret is not the key's (OBJECT_STORAGE_SECRET_KEY)"
        if code == "NoSuchBucket":
            return f"it has no bucket “{self.bucket_name}” (OBJECT_STORAGE_BUCKET)"
        if code in ("AuthorizationHeaderMalformed", "PermanentRedirect", "301", "IllegalLocationConstraint"):
            return f"the bucket is in a region other than {self.region_name} (OBJECT_STORAGE_REGION)"
        if code in ("AccessDenied", "403"):
            return f"the key may not do this in the bucket “{self.bucket_name}”"
        if code == "RequestTimeTooSkewed":
            return "its clock and this machine's differ"
        if code:
            return f"it answers {_status(error)}" + (f" {code}" if not code.isdigit() else "")
        return f"{type(error).__name__}: {error}"

    def ping(self) -> None:
        """Find out within two seconds whether the storage lets us in.

        Raises:
            StorageUnavailable: it does not.
        """
        with self._faults():
            self._quick_client.list_objects_v2(Bucket=self.bucket_name, Prefix=self.location, MaxKeys=1)

    def last_error(self) -> str | None:
        """Return what `ping` has found wrong, or None; asked anew when that is some seconds old."""
        until, fault = self._last_check
        if time.monotonic() >= until:
            fault = None
            try:
                self.ping()
            except StorageUnavailable as error:
                fault = error.message
            self._last_check = (time.monotonic() + _CHECK_SECONDS, fault)
        return fault

    def exists(self, name: str) -> bool:
        """Say whether there is such a file."""
        try:
            self._head(name)
        except FileNotFoundError:
            return False
        return True

    def delete(self, name: str) -> None:
        """Delete a file; one that is not there is none too many."""
        with self._faults():
            self._quick_client.delete_object(Bucket=self.bucket_name, Key=self._key(name))

    def _save(self, name: str, content: File) -> str:
        if content.seekable():
            content.seek(0)
        self.put(name, to_bytes(content.read()))
        return str(clean_name(name))

    def put(self, name: str, data: bytes) -> tuple[int, str]:
        """Write a file of exactly this name, over one that is there; bytes damaged on the way are refused.

        Returns:
            Its size and its ETag, as `entries` gives them.
        """
        with self._faults():
            answer = self.client.put_object(
                Bucket=self.bucket_name,
                Key=self._key(name),
                Body=data,
                ContentMD5=b64encode(md5(data, usedforsecurity=False).digest()).decode(),
                **self.get_object_parameters(name),
            )
        return len(data), answer.get("ETag", "").strip('"')

    def entries(self) -> Iterator[tuple[str, int, str]]:
        """Yield the name, size and ETag of every file; an ETag is the content's MD5 with most providers."""
        folder = f"{self.location}/" if self.location else ""
        with self._faults():
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket_name, Prefix=folder
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(folder), entry["Size"], entry["ETag"].strip('"')

    def _open(self, name: str, mode: str = "rb") -> File:
        with self._faults(name):
            answer = self.client.get_object(Bucket=self.bucket_name, Key=self._key(name))
            return ContentFile(answer["Body"].read(), name)

    def fetch(self, name: str) -> tuple[bytes, dict[str, str]]:
        """Return a file and the headers to show it with, for a web request."""
        with self._faults(name):
            answer = self._quick_client.get_object(Bucket=self.bucket_name, Key=self._key(name))
            headers = {
                "Content-Type": answer["ContentType"],
                "Cache-Control": answer.get("CacheControl", media_cache_control(name)),
            }
            return answer["Body"].read(), headers

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        """Return the folders and the files in a folder."""
        with self._faults():
            listed: tuple[list[str], list[str]] = super().listdir(name)
            return listed

    def size(self, name: str) -> int:
        """Return how many bytes a file has."""
        return int(self._head(name)["ContentLength"])

    def get_modified_time(self, name: str) -> datetime:
        """Return when a file was written."""
        written: datetime = self._head(name)["LastModified"]
        return written

    def _head(self, name: str) -> dict[str, Any]:
        with self._faults(name):
            head: dict[str, Any] = self._quick_client.head_object(
                Bucket=self.bucket_name, Key=self._key(name)
            )
            return head

    def get_object_parameters(self, name: str) -> dict[str, str]:
        """Return the headers of a file, told by its name: what an upload says of itself is not trusted."""
        return {
            "ContentType": mimetypes.guess_type(name)[0] or "application/octet-stream",
            "CacheControl": media_cache_control(name),
        }

    def url(self, name: str, parameters: Any = None, expire: Any = None, http_method: Any = None) -> str:
        """Return the public address of a file, which does not expire."""
        folder = f"{self.location}/" if self.location else ""
        return f"{self.public_url}/{folder}{filepath_to_uri(name)}"


def _code(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _status(error: Exception) -> int:
    if not isinstance(error, ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
