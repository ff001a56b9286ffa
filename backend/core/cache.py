"""A cache in Redis that behaves as if empty while Redis does not respond."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from redis import Redis

from backend.core.redis import PREFIX, try_redis

_SET_MAXIMUM = """
if (tonumber(redis.call('GET', KEYS[1])) or -1) < tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
"""


def read_cached(keys: Iterable[str]) -> dict[str, Any]:
    """Return the cached values by key, without the keys that are missing. Empty if Redis does not respond."""
    names = list(keys)
    values = try_redis(lambda redis: redis.mget([_key(name) for name in names])) if names else None
    if values is None:
        return {}
    return {name: orjson.loads(value) for name, value in zip(names, values, strict=True) if value is not None}


def write_cached(values: Mapping[str, Any], *, seconds: int) -> None:
    """Cache JSON-serialisable values for some seconds. Does nothing if Redis does not respond."""

    def write(redis: Redis) -> None:
        with redis.pipeline(transaction=False) as pipeline:
            for name, value in values.items():
                pipeline.set(_key(name), orjson.dumps(value), ex=seconds)
            pipeline.execute()

    if values:
        try_redis(write)


def cache_maximum(name: str, number: int, *, seconds: int) -> None:
    """Cache a number unless a higher one is cached. Does nothing if Redis does not respond.

    A process that read an older version number cannot overwrite a newer one.
    """
    try_redis(lambda redis: redis.eval(_SET_MAXIMUM, 1, _key(name), number, seconds))


def _key(name: str) -> str:
    return f"{PREFIX}cache:{name}"
