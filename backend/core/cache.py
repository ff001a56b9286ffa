"""A cache in Redis that behaves as if empty while Redis does not answer."""

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from redis import RedisError

from backend.core.redis import PREFIX, redis_client

logger = logging.getLogger(__name__)

# After a failure Redis is skipped for a while: one that does not answer would cost every request a timeout.
PAUSE_SECONDS = 5.0
_SET_MAXIMUM = """
if (tonumber(redis.call('GET', KEYS[1])) or -1) < tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
"""
_paused_until = 0.0


def read_cached(keys: Iterable[str]) -> dict[str, Any]:
    """Return the cached values by key, without the keys that are missing. Empty if Redis does not answer."""
    names = list(keys)
    if not names or _is_paused():
        return {}
    try:
        values = redis_client().mget([_key(name) for name in names])
    except RedisError as error:
        _pause(error)
        return {}
    return {name: orjson.loads(value) for name, value in zip(names, values, strict=True) if value is not None}


def write_cached(values: Mapping[str, Any], *, seconds: int) -> None:
    """Cache JSON-serialisable values for some seconds. Does nothing if Redis does not answer."""
    if not values or _is_paused():
        return
    try:
        with redis_client().pipeline(transaction=False) as pipeline:
            for name, value in values.items():
                pipeline.set(_key(name), orjson.dumps(value), ex=seconds)
            pipeline.execute()
    except RedisError as error:
        _pause(error)


def cache_maximum(name: str, number: int, *, seconds: int) -> None:
    """Cache a number unless a higher one is cached. Does nothing if Redis does not answer.

    A process that read an older version number cannot overwrite a newer one.
    """
    if _is_paused():
        return
    try:
        redis_client().eval(_SET_MAXIMUM, 1, _key(name), number, seconds)
    except RedisError as error:
        _pause(error)


def _key(name: str) -> str:
    return f"{PREFIX}cache:{name}"


def _is_paused() -> bool:
    return time.monotonic() < _paused_until


def _pause(error: RedisError) -> None:
    global _paused_until
    _paused_until = time.monotonic() + PAUSE_SECONDS
    logger.warning(
        "Redis does not answer (%s); the cache is skipped for %s s", type(error).__name__, PAUSE_SECONDS
    )
