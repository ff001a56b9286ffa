"""A cached response, and its form in Redis."""

from dataclasses import dataclass
from typing import Self

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import set_response_etag

# Memory of an entry beside its body: its key, its headers and the objects that hold them.
_OVERHEAD_BYTES = 1500


@dataclass(frozen=True, slots=True)
class Entry:
    """The body and the headers of a response with status 200, and its operation for the metrics."""

    body: bytes
    headers: dict[str, str]
    operation: str = ""

    @classmethod
    def from_response(cls, request: HttpRequest, response: HttpResponseBase) -> Self | None:
        """Return the entry of a response, or None if it must not be cached.

        A response to GET gets an ETag, so that the body is hashed only once.
        """
        if (
            not isinstance(response, HttpResponse)
            or response.status_code != 200
            or response.cookies
            or len(response.content) > settings.RESPONSE_CACHE_MAX_BODY_BYTES
        ):
            return None
        if request.method == "GET" and "ETag" not in response.headers:
            set_response_etag(response)
        return cls(response.content, dict(response.headers.items()), getattr(response, "operation", ""))

    @property
    def size(self) -> int:
        """Estimated memory in bytes."""
        return len(self.body) + _OVERHEAD_BYTES

    def to_response(self) -> HttpResponse:
        """Return a new response."""
        response = HttpResponse(self.body, headers=self.headers)
        response.operation = self.operation  # type: ignore[attr-defined]
        return response

    def pack(self) -> bytes:
        """Return the headers, the operation and the body as one value."""
        return orjson.dumps([self.headers, self.operation]) + b"\n" + self.body

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Return the entry that `pack` has packed."""
        head, _, body = packed.partition(b"\n")
        headers, operation = orjson.loads(head)
        return cls(body, headers, operation)


# Stands for a request whose response is not cached, such as a mutation.
NOT_CACHEABLE = Entry(b"", {})
