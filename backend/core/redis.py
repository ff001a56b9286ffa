"""The shop's own connection to Redis, for what is counted or kept there for minutes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.conf import settings
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from backend.core.errors import Unavailable

# Every key of ours begins with this; Celery's queues are in the same database.
PREFIX = "lavka:"

TIMEOUT_SECONDS = 0.8
# A silent Redis would otherwise cost every order its timeout.
TAKEN_FOR_DOWN_SECONDS = 5.0
_taken_for_down_until = 0.0


@cache
def redis_client() -> Redis:
    """Return the process's client, which gives up on a silent Redis within two timeouts."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
        # A pooled connection that Redis has closed is opened again, once.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )


@contextmanager
def needing_redis() -> Iterator[Redis]:
    """Give the client; a Redis that does not answer makes the whole action unavailable.

    Raises:
        Unavailable: nothing that depends on Redis can be done now.
    """
    try:
        yield redis_client()
    except RedisError as error:
        raise Unavailable("The service is temporarily unavailable. Try again in a moment.") from error


def redis_answers() -> bool:
    """Say whether Redis is there, in well under a second when it is not.

    One that is silent is not asked again for `TAKEN_FOR_DOWN_SECONDS`.
    """
    global _taken_for_down_until
    if time.monotonic() < _taken_for_down_until:
        return False
    try:
        return bool(redis_client().ping())
    except RedisTimeoutError:
        _taken_for_down_until = time.monotonic() + TAKEN_FOR_DOWN_SECONDS
    except RedisError:
        pass
    return False
