"""Rate limits, counted in Redis so that all processes share one count."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from limits import RateLimitItem
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from backend.core.digests import digest_secret
from backend.core.errors import RateLimited
from backend.core.redis import PREFIX, get_redis_client, redis_required


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The limits on one action by one subject.

    Attributes:
        limits: enforced together; the shortest window comes first.
        action: the name of the action.
        subject: the address, e-mail or id that the action is counted for; stored as a hash only.
    """

    limits: Sequence[RateLimitItem]
    action: str
    subject: str


def hit_rate_limit(limits: Sequence[RateLimitItem], action: str, subject: str) -> None:
    """Count one attempt of an action by one subject; see `hit_rate_limits`."""
    hit_rate_limits([RateLimit(limits, action, subject)])


def hit_rate_limits(rate_limits: Sequence[RateLimit]) -> None:
    """Count one attempt against several rate limits.

    Call it before the attempt is made, so that parallel attempts all count. Counting stops at the first
    limit that rejects the attempt. Rejected attempts do not consume the longer windows, so a client that
    waits for `retry_after` seconds is accepted.

    Raises:
        RateLimited: a limit is exhausted; `retry_after` is the longest wait of all exhausted limits.
        Unavailable: Redis does not respond.
    """
    keys = [
        (limit, (rate_limit.action, digest_secret(rate_limit.subject)))
        for rate_limit in rate_limits
        for limit in rate_limit.limits
    ]
    with redis_required():
        if all(_get_limiter().hit(limit, *key) for limit, key in keys):
            return
        exhausted = [(limit, key) for limit, key in keys if not _get_limiter().test(limit, *key)]
        ends = [_get_limiter().get_window_stats(limit, *key).reset_time for limit, key in exhausted]
    raise RateLimited(max(1, math.ceil(max(ends, default=0) - time.time())))


def reset_rate_limits(rate_limits: Sequence[RateLimit]) -> None:
    """Clear the counts of several rate limits, for example after a successful login.

    Raises:
        Unavailable: Redis does not respond.
    """
    with redis_required():
        for rate_limit in rate_limits:
            for limit in rate_limit.limits:
                _get_limiter().clear(limit, rate_limit.action, digest_secret(rate_limit.subject))


@cache
def _get_limiter() -> FixedWindowRateLimiter:
    pool = get_redis_client().connection_pool
    return FixedWindowRateLimiter(RedisStorage("redis://", connection_pool=pool, key_prefix=f"{PREFIX}limit"))
