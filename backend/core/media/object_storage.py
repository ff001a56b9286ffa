"""Media in S3 object storage of any provider, with short timeouts and clear errors."""

import mimetypes
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cached_property
from hashlib import md5
from http import HTTPStatus
from typing import IO, Any

from boto3.s3.transfer import TransferConfig
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
from django.utils.translation import gettext_lazy as _
from storages.backends.s3 import S3Storage
from storages.utils import clean_name, to_bytes

from backend.core.media.storage import StorageUnavailable, choose_cache_control

# For small calls of web requests: one attempt. Every upload begins with such a call, so that no request
# waits for a storage that is down.
_SINGLE_ATTEMPT = {"connect_timeout": 1, "read_timeout": 1, "retries": {"total_max_attempts": 1}}
# For calls that transfer files.
_WITH_RETRIES = {
    "connect_timeout": 1,
    "read_timeout": 5,
    "retries": {"total_max_attempts": 3, "mode": "standard"},
}
# Seconds for which `last_error` returns the same result.
_CHECK_SECONDS = 5.0


class ObjectStorage(S3Storage):
    """A bucket, or a folder of one. URLs of files are computed without a call to the storage.

    All methods raise `StorageUnavailable` if the storage fails.

    Args:
        url: endpoint of the provider.
        region, key_id, secret_key, bucket: the values that the provider assigned.
        public_url: prefix of the URLs of files.
        addressing: "path" if the bucket is part of the path, "virtual" if it is part of the host name.
        location: the folder; empty for the whole bucket.
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
            # Do not read credentials from the environment of the machine.
            security_token=None,
            session_profile=None,
            client_config=self._make_config(_WITH_RETRIES),
        )

    def _make_config(self, timeouts: dict[str, Any]) -> Config:
        return Config(
            signature_version="s3v4",
            s3={"addressing_style": self.addressing},
            # Many providers reject the headers and trailers of boto's own checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            max_pool_connections=16,
            **timeouts,
        )

    @cached_property
    def _session(self) -> Session:
        return self._create_session()

    @cached_property
    def client(self) -> Any:
        """The client for calls that transfer files. It is thread-safe."""
        return self._make_client(self.client_config)

    @cached_property
    def _single_attempt_client(self) -> Any:
        return self._make_client(self._make_config(_SINGLE_ATTEMPT))

    def _make_client(self, config: Config) -> Any:
        return self._session.client(
            "s3", region_name=self.region_name, endpoint_url=self.endpoint_url, config=config
        )

    def _make_key(self, name: str) -> str:
        key: str = self._normalize_name(clean_name(name))
        return key

    @contextmanager
    def _translate_errors(self, name: str = "") -> Iterator[None]:
        try:
            yield
        except ParamValidationError as error:
            raise SuspiciousOperation("The file name is invalid.") from error
        except (BotoCoreError, ClientError, ValueError) as error:
            if name and _get_status(error) == HTTPStatus.NOT_FOUND and _get_code(error) != "NoSuchBucket":
                raise FileNotFoundError(f"{name} does not exist in the object storage.") from error
            raise StorageUnavailable(
                _("The object storage fails: %(error)s."), params={"error": self.explain(error)}
            ) from error

    def explain(self, error: Exception) -> str:
        """Describe an error by the setting or service to check, without secrets."""
        code = _get_code(error)
        match error:
            case ConnectTimeoutError() | ReadTimeoutError():
                return f"{self.endpoint_url} does not respond in time"
            case SSLError():
                return f"the TLS certificate of {self.endpoint_url} is not accepted"
            case EndpointConnectionError():
                return f"no server responds at {self.endpoint_url} (OBJECT_STORAGE_URL)"
            case ConnectionError() | HTTPClientError():
                return f"the connection to {self.endpoint_url} was interrupted"
        if code in ("InvalidAccessKeyId", "InvalidClientTokenId"):
            return "the key is unknown (OBJECT_STORAGE_KEY_ID)"
        if code == "SignatureDoesNotMatch":
            return "the secret does not match the key (OBJECT_STORAGE_SECRET_KEY)"
        if code == "NoSuchBucket":
            return f"the bucket “{self.bucket_name}” does not exist (OBJECT_STORAGE_BUCKET)"
        if code in ("AuthorizationHeaderMalformed", "PermanentRedirect", "301", "IllegalLocationConstraint"):
            return f"the bucket is in a region other than {self.region_name} (OBJECT_STORAGE_REGION)"
        if code in ("AccessDenied", "403"):
            return f"the key has no permission for this in the bucket “{self.bucket_name}”"
        if code == "RequestTimeTooSkewed":
            return "the clocks of the storage and of this machine differ"
        if code:
            return f"it responds with {_get_status(error)}" + (f" {code}" if not code.isdigit() else "")
        return f"{type(error).__name__}: {error}"

    def ping(self) -> None:
        """Check within two seconds that the storage responds and accepts the credentials.

        Raises:
            StorageUnavailable: it does not.
        """
        with self._translate_errors():
            self._single_attempt_client.list_objects_v2(
                Bucket=self.bucket_name, Prefix=self.location, MaxKeys=1
            )

    def last_error(self) -> str | None:
        """Return the error of `ping`, or None. The result is cached for some seconds."""
        until, message = self._last_check
        if time.monotonic() >= until:
            message = None
            try:
                self.ping()
            except StorageUnavailable as error:
                message = error.message
            self._last_check = (time.monotonic() + _CHECK_SECONDS, message)
        return message

    def exists(self, name: str) -> bool:
        """Return whether the file exists."""
        try:
            self._head(name)
        except FileNotFoundError:
            return False
        return True

    def delete(self, name: str) -> None:
        """Delete a file if it exists."""
        with self._translate_errors():
            self._single_attempt_client.delete_object(Bucket=self.bucket_name, Key=self._make_key(name))

    def _save(self, name: str, content: File) -> str:
        if content.seekable():
            content.seek(0)
        self.put(name, to_bytes(content.read()))
        return str(clean_name(name))

    def put(self, name: str, data: bytes) -> tuple[int, str]:
        """Write a file under exactly this name, replacing an existing one. The storage checks its MD5 digest.

        Returns:
            Its size in bytes and its ETag, as in `list_entries`.
        """
        with self._translate_errors():
            response = self.client.put_object(
                Bucket=self.bucket_name,
                Key=self._make_key(name),
                Body=data,
                ContentMD5=b64encode(md5(data, usedforsecurity=False).digest()).decode(),
                **self.get_object_parameters(name),
            )
        return len(data), response.get("ETag", "").strip('"')

    def list_entries(self) -> Iterator[tuple[str, int, str]]:
        """Yield name, size in bytes and ETag of all files. For most providers the ETag is the MD5 digest."""
        folder = f"{self.location}/" if self.location else ""
        with self._translate_errors():
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket_name, Prefix=folder
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(folder), entry["Size"], entry["ETag"].strip('"')

    def list_files(self) -> Iterator[tuple[str, int]]:
        """Yield name and size in bytes of all files."""
        for name, size, _modified in self.list_entries():
            yield name, size

    def _open(self, name: str, mode: str = "rb") -> File:
        with self._translate_errors(name):
            response = self.client.get_object(Bucket=self.bucket_name, Key=self._make_key(name))
            return ContentFile(response["Body"].read(), name)

    @contextmanager
    def stream(self, name: str) -> Iterator[tuple[int, IO[bytes]]]:
        """Provide the size in bytes and a stream of a file."""
        with self._translate_errors(name):
            response = self.client.get_object(Bucket=self.bucket_name, Key=self._make_key(name))
            with closing(response["Body"]) as body:
                yield response["ContentLength"], body

    def store(self, name: str, stream: IO[bytes]) -> None:
        """Write a file under exactly this name, replacing an existing one, with at most 8 MB in memory."""
        with self._translate_errors():
            self.client.upload_fileobj(
                stream,
                self.bucket_name,
                self._make_key(name),
                ExtraArgs=self.get_object_parameters(name),
                # Threads would hold several parts of a file in memory.
                Config=TransferConfig(use_threads=False),
            )

    def fetch(self, name: str) -> tuple[bytes, dict[str, str]]:
        """Return a file with its response headers, for a web request."""
        with self._translate_errors(name):
            response = self._single_attempt_client.get_object(
                Bucket=self.bucket_name, Key=self._make_key(name)
            )
            headers = {
                "Content-Type": response["ContentType"],
                "Cache-Control": response.get("CacheControl", choose_cache_control(name)),
            }
            return response["Body"].read(), headers

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        """Return the names of the folders and files in a folder."""
        with self._translate_errors():
            listed: tuple[list[str], list[str]] = super().listdir(name)
            return listed

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        return int(self._head(name)["ContentLength"])

    def get_modified_time(self, name: str) -> datetime:
        """Return the time of the last change of a file."""
        written: datetime = self._head(name)["LastModified"]
        return written

    def _head(self, name: str) -> dict[str, Any]:
        with self._translate_errors(name):
            head: dict[str, Any] = self._single_attempt_client.head_object(
                Bucket=self.bucket_name, Key=self._make_key(name)
            )
            return head

    def get_object_parameters(self, name: str) -> dict[str, str]:
        """Return the headers of a file by its name, because the headers of an upload are not trusted."""
        return {
            "ContentType": mimetypes.guess_type(name)[0] or "application/octet-stream",
            "CacheControl": choose_cache_control(name),
        }

    def url(self, name: str, parameters: Any = None, expire: Any = None, http_method: Any = None) -> str:
        """Return the public URL of a file. It does not expire."""
        folder = f"{self.location}/" if self.location else ""
        return f"{self.public_url}/{folder}{filepath_to_uri(name)}"


def _get_code(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _get_status(error: Exception) -> int:
    if not isinstance(error, ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
