"""The entries that all processes share, in Redis.

A key holds either an entry or the lock of the process that computes it.
"""

import secrets
import time
from dataclasses import dataclass

from django.conf import settings

from backend.core.redis import PREFIX, try_redis
from backend.core.response_cache.entries import Entry

# A lock expires after this time, in case its process has crashed. No process waits longer for it.
LOCK_SECONDS = 2.0
_POLL_SECONDS = 0.02

_LOCK_MARK = b"lock:"
# The number changes with the packed form of an entry, since hosts of two releases share Redis.
_KEY_PREFIX = f"{PREFIX}responses:2:"
# Bytes that have been stored since the key was created. It expires together with the first of them.
_SIZE_KEY = f"{PREFIX}response-bytes"

# One script costs two thirds of the CPU time of a pipeline with its two commands.
_READ_OR_LOCK = """
local value = redis.call('GET', KEYS[1])
if value then
    return {value, redis.call('PTTL', KEYS[1])}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {false, 0}
"""
# Celery's queue is in the same Redis, so a flood of different requests must not fill its memory.
_STORE = """
local size = redis.call('INCRBY', KEYS[2], #ARGV[1])
if size == #ARGV[1] then
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
if size > tonumber(ARGV[4]) then
    redis.call('DEL', KEYS[1])
    return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_UNLOCK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
end
return 1
"""


@dataclass(frozen=True, slots=True)
class KeyState:
    """The state of a key in Redis.

    Attributes:
        lock: the value of the caller's lock; the caller computes the entry if `entry` is None.
        entry: the entry that another process has stored.
        expires_at: the entry's expiry by `time.monotonic`.
    """

    lock: bytes
    entry: Entry | None = None
    expires_at: float = 0.0


def read_or_lock(key: str) -> KeyState | None:
    """Read an entry, or lock its key. Wait while another process has the lock, up to `LOCK_SECONDS`.

    After that time the caller computes the entry without a lock.

    Returns:
        None if Redis does not respond.
    """
    lock = _LOCK_MARK + secrets.token_hex(8).encode()
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        asked_at = time.monotonic()
        reply = try_redis(
            lambda redis: redis.eval(_READ_OR_LOCK, 1, _KEY_PREFIX + key, lock, int(LOCK_SECONDS * 1000))
        )
        if reply is None:
            return None
        value, lifetime_ms = reply
        if value is not None and not value.startswith(_LOCK_MARK):
            return KeyState(lock, Entry.unpack(value), asked_at + lifetime_ms / 1000)
        if value is None or asked_at >= deadline:
            return KeyState(lock)
        time.sleep(_POLL_SECONDS)


def store(key: str, entry: Entry, expires_at: float) -> bool:
    """Store an entry unless it has expired, in place of the lock, and return False if Redis does not respond.

    Args:
        expires_at: by `time.monotonic`. Redis counts the rest of the time, so no clocks are compared.
    """
    lifetime_ms = int((expires_at - time.monotonic()) * 1000)
    if lifetime_ms <= 0:
        return True
    stored = try_redis(
        lambda redis: redis.eval(
            _STORE,
            2,
            _KEY_PREFIX + key,
            _SIZE_KEY,
            entry.pack(),
            lifetime_ms,
            settings.CATALOG_CACHE_SECONDS * 1000,
            settings.RESPONSE_CACHE_REDIS_BYTES,
        )
    )
    return stored is not None


def unlock(key: str, lock: bytes) -> bool:
    """Remove the caller's lock, and return False if Redis does not respond."""
    return try_redis(lambda redis: redis.eval(_UNLOCK, 1, _KEY_PREFIX + key, lock)) is not None
