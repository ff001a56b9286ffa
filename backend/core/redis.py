"""The shop's Redis client, for rate limits, codes and caches. Celery and Django's cache have their own."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from django.conf import settings
from redis import ConnectionPool, Redis, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from backend.core.errors import SERVICE_UNAVAILABLE, Unavailable
from backend.core.redis_sentinels import SentinelPool, is_sentinel_url

logger = logging.getLogger(__name__)

T = TypeVar("T")

# All keys of the shop begin with this prefix, because Celery's queues are in the same database.
PREFIX = "lavka:"

TIMEOUT_SECONDS = 0.8
# After a timeout `try_redis` skips Redis for this long: a silent server would cost every request a timeout.
SKIP_SECONDS = 5.0
_skip_until = 0.0


@cache
def get_redis_client() -> Redis:
    """Return the client of this process. A call to a silent server fails within two timeouts.

    With Sentinels, a new connection also takes up to 0.3 s for each of them that does not respond.
    """
    pool_class = SentinelPool if is_sentinel_url(settings.REDIS_URL) else ConnectionPool
    return Redis.from_pool(
        pool_class.from_url(
            settings.REDIS_URL,
            socket_connect_timeout=TIMEOUT_SECONDS,
            socket_timeout=TIMEOUT_SECONDS,
            # Reconnect once if the server has closed a pooled connection.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
    )


@contextmanager
def redis_required() -> Iterator[Redis]:
    """Provide the client to an action that is impossible without Redis.

    It never skips Redis, so that the action succeeds as soon as the server responds again.

    Raises:
        Unavailable: Redis does not respond.
    """
    try:
        yield get_redis_client()
    except RedisError as error:
        logger.warning("Redis failed: %s", type(error).__name__)
        raise Unavailable(SERVICE_UNAVAILABLE) from error


def try_redis(call: Callable[[Redis], T]) -> T | None:
    """Return the result of a call that the shop can do without, or None if Redis does not respond.

    This is a circuit breaker: after a timeout, calls are skipped for `SKIP_SECONDS`. A server that refuses
    connections costs no time, and is used again as soon as it is back.
    """
    global _skip_until
    if time.monotonic() < _skip_until:
        return None
    try:
        return call(get_redis_client())
    except RedisTimeoutError:
        _skip_until = time.monotonic() + SKIP_SECONDS
        logger.warning("Redis does not respond and is skipped for %s s", SKIP_SECONDS)
    except RedisError as error:
        logger.warning("Redis failed: %s", type(error).__name__)
    return None


def is_redis_available() -> bool:
    """Return whether Redis responds. False without a check while Redis is skipped."""
    return try_redis(lambda redis: bool(redis.ping())) or False
