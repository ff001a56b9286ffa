"""Persisted queries: a client sends the hash of a document instead of its text.

The protocol is Apollo's: https://www.apollographql.com/docs/apollo-server/performance/apq. A client first
sends the hash alone. If the shop does not know it, the client sends the text with the hash, once.

Redis keeps the texts for all processes, the most recently used `GRAPHQL_MAX_PERSISTED_QUERIES` of them. Any
client can register a valid document, so documents are limited in size and number, and a client must be
prepared to register its documents again.
"""

import hashlib
import re
import time
from collections.abc import Mapping
from typing import Any, cast

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from backend.core.errors import ErrorCode, Malformed, ShopError
from backend.core.redis import PREFIX, try_redis

# Documents are forgotten if none is used for this long.
_LIFETIME_SECONDS = 30 * 24 * 3600

_TEXTS = f"{PREFIX}persisted-queries:texts"
# A sorted set of the hashes by the time of their last use.
_USES = f"{PREFIX}persisted-queries:uses"

_HASH = re.compile(r"[0-9a-f]{64}")

_READ = """
local text = redis.call('HGET', KEYS[1], ARGV[1])
if text then
    redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
    redis.call('EXPIRE', KEYS[1], ARGV[3])
    redis.call('EXPIRE', KEYS[2], ARGV[3])
end
return text
"""
_WRITE = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
local excess = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[5])
if excess > 0 then
    local dropped = redis.call('ZPOPMIN', KEYS[2], excess)
    for index = 1, #dropped, 2 do
        redis.call('HDEL', KEYS[1], dropped[index])
    end
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[3])
"""


class PersistedQueryNotFound(ShopError):
    """No document with this hash is registered. Clients recognize the message."""

    code = ErrorCode.PERSISTED_QUERY_NOT_FOUND

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")


class PersistedQueryNotSupported(ShopError):
    """The shop does not support persisted queries. Clients recognize the message."""

    code = ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotSupported")


def read_query_hash(extensions: Mapping[str, Any], query: str | None) -> str | None:
    """Return the hash in the extensions of a request, or None if it has none.

    Args:
        query: the text of the document; None or empty if only the hash is sent.

    Raises:
        Malformed: the extension is malformed, or the hash is not that of the document.
    """
    extension = extensions.get("persistedQuery")
    if extension is None:
        return None
    path = "extensions.persistedQuery"
    if not isinstance(extension, dict):
        raise Malformed(_("persistedQuery must be an object with version and sha256Hash."), field=path)
    if extension.get("version") != 1:
        raise Malformed(_("version must be 1."), field=f"{path}.version")
    query_hash = extension.get("sha256Hash")
    if not isinstance(query_hash, str) or not _HASH.fullmatch(query_hash):
        raise Malformed(
            _("sha256Hash must be a SHA-256 of 64 lower-case hexadecimal digits."), field=f"{path}.sha256Hash"
        )
    if query and hashlib.sha256(query.encode()).hexdigest() != query_hash:
        raise Malformed(_("sha256Hash must be the SHA-256 of query."), field=f"{path}.sha256Hash")
    return query_hash


def read_persisted_query(query_hash: str) -> str | None:
    """Return the document with this hash; None if it is not registered or Redis does not respond."""
    arguments = (query_hash, time.time(), _LIFETIME_SECONDS)
    text = try_redis(lambda redis: redis.eval(_READ, 2, _TEXTS, _USES, *arguments))
    return cast(bytes, text).decode() if text is not None else None


def register_persisted_query(query_hash: str, text: str) -> None:
    """Store a valid document for all processes. Does nothing if Redis does not respond."""
    maximum = settings.GRAPHQL_MAX_PERSISTED_QUERIES
    arguments = (query_hash, time.time(), _LIFETIME_SECONDS, text, maximum)
    try_redis(lambda redis: redis.eval(_WRITE, 2, _TEXTS, _USES, *arguments))
