"""Rate limits, counted in Redis so that every process counts the same."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from limits import RateLimitItem
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from backend.core.digests import digest_of
from backend.core.errors import RateLimited
from backend.core.redis import PREFIX, needing_redis, redis_client


@dataclass(frozen=True, slots=True)
class Tries:
    """What is counted together, and how much of it is allowed.

    Attributes:
        limits: those in force together, the shortest window first.
        action: what is tried.
        who: an address, an e-mail or whatever it is counted by; kept as a hash only.
    """

    limits: Sequence[RateLimitItem]
    action: str
    who: str


def count_try(limits: Sequence[RateLimitItem], action: str, who: str) -> None:
    """Count one try by one thing; see `count_tries`."""
    count_tries([Tries(limits, action, who)])


def count_tries(counted: Sequence[Tries]) -> None:
    """Count one try before it is made, so that parallel tries all count.

    The limit that refuses a try is the last to count it: who goes on trying does not fill the windows
    after it, and to wait as long as one is told helps.

    Raises:
        RateLimited: limits are used up; the wait is the longest of theirs.
        Unavailable: Redis does not answer.
    """
    asked = [(limit, (tries.action, digest_of(tries.who))) for tries in counted for limit in tries.limits]
    with needing_redis():
        if all(_limiter().hit(limit, *key) for limit, key in asked):
            return
        used_up = [(limit, key) for limit, key in asked if not _limiter().test(limit, *key)]
        ends = [_limiter().get_window_stats(limit, *key).reset_time for limit, key in used_up]
    raise RateLimited(max(1, math.ceil(max(ends, default=0) - time.time())))


def forget_tries(counted: Sequence[Tries]) -> None:
    """Start counting anew, as after a success."""
    with needing_redis():
        for tries in counted:
            for limit in tries.limits:
                _limiter().clear(limit, tries.action, digest_of(tries.who))


@cache
def _limiter() -> FixedWindowRateLimiter:
    pool = redis_client().connection_pool
    return FixedWindowRateLimiter(RedisStorage("redis://", connection_pool=pool, key_prefix=f"{PREFIX}limit"))
