"""A cache in Redis that behaves as if empty while Redis does not respond."""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from redis import Redis

from backend.core.redis import PREFIX, try_redis

_SET_MAXIMUM = """
if (tonumber(redis.call('GET', KEYS[1])) or -1) < tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
"""

# Returns the value, or 1 if the caller has got the lock to compute it, or 0 if another one has it.
_READ_OR_LOCK = """
local value = redis.call('GET', KEYS[1])
if value then return value end
return redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""
_UNLOCK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""
# Longer than a statement may take in a web process.
LOCK_SECONDS = 5
_POLL_SECONDS = 0.02


def read_cached(keys: Iterable[str]) -> dict[str, Any]:
    """Return the cached values by key, without the keys that are missing. Empty if Redis does not respond."""
    names = list(keys)
    values = try_redis(lambda redis: redis.mget([_make_key(name) for name in names])) if names else None
    if values is None:
        return {}
    return {name: orjson.loads(value) for name, value in zip(names, values, strict=True) if value is not None}


def write_cached(values: Mapping[str, Any], *, seconds: int) -> None:
    """Cache JSON-serialisable values for some seconds. Does nothing if Redis does not respond."""

    def write(redis: Redis) -> None:
        with redis.pipeline(transaction=False) as pipeline:
            for name, value in values.items():
                pipeline.set(_make_key(name), orjson.dumps(value), ex=seconds)
            pipeline.execute()

    if values:
        try_redis(write)


def cache_maximum(name: str, number: int, *, seconds: int) -> None:
    """Cache a number unless a higher one is cached. Does nothing if Redis does not respond.

    A process that read an older version number cannot overwrite a newer one.
    """
    try_redis(lambda redis: redis.eval(_SET_MAXIMUM, 1, _make_key(name), number, seconds))


def compute_once(name: str, compute: Callable[[], Any], *, seconds: int) -> Any:
    """Return a cached value, or compute it and cache it for some seconds.

    Of all processes, only one computes a missing value at a time. The others wait for it, up to
    `LOCK_SECONDS`. While Redis does not respond, every caller computes the value.

    Args:
        compute: returns a JSON-serialisable value. Tuples are returned as lists.
        seconds: 0 computes the value every time.
    """
    if not seconds:
        return compute()
    key, lock, token = _make_key(name), _make_key(f"{name}:lock"), secrets.token_hex(8)
    deadline = time.monotonic() + LOCK_SECONDS
    while time.monotonic() < deadline:
        found = try_redis(
            lambda redis: redis.eval(_READ_OR_LOCK, 2, key, lock, token, int(LOCK_SECONDS * 1000))
        )
        if found is None:
            break
        if isinstance(found, bytes):
            return orjson.loads(found)
        if found == 1:
            try:
                value = compute()
                write_cached({name: value}, seconds=seconds)
            finally:
                try_redis(lambda redis: redis.eval(_UNLOCK, 1, lock, token))
            return value
        time.sleep(_POLL_SECONDS)
    return compute()


def _make_key(name: str) -> str:
    return f"{PREFIX}cache:{name}"
