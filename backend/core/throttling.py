"""Rate limits, counted in Redis so that every process counts the same."""

import math
import time
from collections.abc import Sequence
from functools import cache

from limits import RateLimitItem
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from backend.core.digests import digest_of
from backend.core.errors import RateLimited
from backend.core.redis import PREFIX, needing_redis, redis_client


def count_try(limits: Sequence[RateLimitItem], action: str, who: str) -> None:
    """Count one try before it is made, so that parallel tries all count, and stop at a limit that is used up.

    Args:
        limits: those in force together, asked in this order; longer windows make the wait grow.
        action: what is tried.
        who: an address or an e-mail; kept as a hash only.

    Raises:
        RateLimited: one of the limits is used up; the wait is that limit's, a later one may ask for more.
        Unavailable: Redis does not answer.
    """
    key = digest_of(who)
    with needing_redis():
        for limit in limits:
            if not _limiter().hit(limit, action, key):
                reset = _limiter().get_window_stats(limit, action, key).reset_time
                raise RateLimited(max(1, math.ceil(reset - time.time())))


def forget_tries(limits: Sequence[RateLimitItem], action: str, who: str) -> None:
    """Start counting anew, as after a success."""
    with needing_redis():
        for limit in limits:
            _limiter().clear(limit, action, digest_of(who))


@cache
def _limiter() -> FixedWindowRateLimiter:
    pool = redis_client().connection_pool
    return FixedWindowRateLimiter(RedisStorage("redis://", connection_pool=pool, key_prefix=f"{PREFIX}limit"))
