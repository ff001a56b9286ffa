"""General rate limits: the requests per minute of one client address and of one account.

Each process counts in memory. It adds its count to Redis once for every hundredth of the limit, and learns
there what the other processes have counted. So most requests, those answered from the response cache
included, cost no call of Redis. In return, a client can exceed a limit by one hundredth for each process that
it reaches. A limit below 200 is exact, since every request is added at once. Refused requests are not added.

Without Redis, each process limits what it counts by itself.

The headers are those of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Lock

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from redis import Redis

from backend.core.client_address import get_client_address
from backend.core.digests import digest_secret
from backend.core.errors import RateLimited
from backend.core.problems import refuse_in_either_api
from backend.core.redis import PREFIX, try_redis

WINDOW_SECONDS = 60
# About 2 MB in each process. A client that is dropped may repeat the last hundredth of its limit.
MAX_SUBJECTS = 10_000
# Health checks and scrapes must not fail, and a page can show a hundred pictures.
_EXEMPT_PATHS = ("/health/", "/metrics", "/media/")
# The key of the states in the environment of a request.
_STATES = "lavka.rate_limits"


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """A rate limit after a request was counted.

    Attributes:
        limit: the accepted number of requests in one window.
        count: the number of requests in this window, refused ones included.
        seconds_left: whole seconds until the next window.
    """

    limit: int
    count: int
    seconds_left: int


@dataclass(slots=True)
class _Count:
    """The requests of one subject: those known from Redis, and those that are not added to it yet."""

    total: int = 0
    pending: int = 0


class RequestCounter:
    """Counts of the requests of each subject in the current window.

    Args:
        name: the name of the limit, in the headers and in the keys in Redis.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = Lock()
        self._window = 0
        self._counts: dict[str, _Count] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, subject: str, limit: int) -> RateLimitState:
        """Count one request and return the state of its limit."""
        window, elapsed = divmod(time.time(), WINDOW_SECONDS)
        addition = 0
        with self._lock:
            if window != self._window:
                self._window = int(window)
                self._counts.clear()
            entry = self._counts.get(subject)
            if entry is None:
                if len(self._counts) >= MAX_SUBJECTS:
                    del self._counts[next(iter(self._counts))]
                entry = self._counts[subject] = _Count()
            entry.pending += 1
            count = entry.total + entry.pending
            if count <= limit and entry.pending >= limit // 100:
                addition, entry.pending, entry.total = entry.pending, 0, count
        if addition:
            key = f"{PREFIX}requests:{self._name}:{digest_secret(subject)}:{int(window)}"
            total = try_redis(partial(_increase, key, addition))
            if total is not None:
                with self._lock:
                    entry.total = max(entry.total, total)
                count = max(count, total)
        return RateLimitState(limit, count, max(1, int(WINDOW_SECONDS - elapsed)))


def _increase(key: str, addition: int, redis: Redis) -> int:
    """Add to a count in Redis and return the sum."""
    pipeline = redis.pipeline(transaction=False)
    pipeline.incrby(key, addition)
    pipeline.expire(key, 2 * WINDOW_SECONDS)
    total, _ = pipeline.execute()
    return int(total)


_addresses = RequestCounter("address")
_accounts = RequestCounter("account")


def limit_requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Refuse the requests of an address beyond `RATE_LIMIT_PER_ADDRESS`, and report all limits in headers."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(_EXEMPT_PATHS):
            return get_response(request)
        try:
            if settings.RATE_LIMIT_PER_ADDRESS:
                address = get_client_address(request)
                _hit(request, "address", _addresses.add(address, settings.RATE_LIMIT_PER_ADDRESS))
            response = get_response(request)
        except RateLimited as error:
            response = refuse_in_either_api(request, error)
        states: dict[str, RateLimitState] = request.META.get(_STATES, {})
        if states:
            response.headers["RateLimit-Policy"] = ", ".join(
                f'"{name}";q={state.limit};w={WINDOW_SECONDS}' for name, state in states.items()
            )
            response.headers["RateLimit"] = ", ".join(
                f'"{name}";r={max(0, state.limit - state.count)};t={state.seconds_left}'
                for name, state in states.items()
            )
        return response

    return middleware


def hit_account_limit(request: HttpRequest, user_id: int) -> None:
    """Count a request for its account, once.

    Raises:
        RateLimited: the account has sent more than `RATE_LIMIT_PER_ACCOUNT` requests in this window.
    """
    if settings.RATE_LIMIT_PER_ACCOUNT:
        # A GraphQL operation can read the viewer again after it was refused.
        state = request.META.get(_STATES, {}).get("account")
        _hit(request, "account", state or _accounts.add(str(user_id), settings.RATE_LIMIT_PER_ACCOUNT))


def _hit(request: HttpRequest, name: str, state: RateLimitState) -> None:
    request.META.setdefault(_STATES, {})[name] = state
    if state.count > state.limit:
        raise RateLimited(state.seconds_left)
