"""Serve requests from the cache, or compute and cache their responses."""

import hashlib
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial, wraps
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import get_language

from backend.core.replica import permit_replica, use_replica
from backend.core.request_record import record_cache_result
from backend.core.response_cache import shared
from backend.core.response_cache.computations import Computations
from backend.core.response_cache.entries import NOT_CACHEABLE, Entry
from backend.core.response_cache.memory import MemoryStore
from backend.core.response_cache.version import CatalogueVersion

# A cart or an account can be behind each of these headers.
_CREDENTIALS = ("HTTP_AUTHORIZATION", "HTTP_X_CART_TOKEN", "HTTP_COOKIE")
# Longer request bodies are not cached. A GraphQL document has at most half of that.
MAX_REQUEST_BYTES = 64 * 1024
# A request whose response must not be cached is computed without a lock for this long.
_NOT_CACHEABLE_SECONDS = 5.0
# Results in the metrics. A request whose response must not be cached is a miss once, and then no request
# of the cache.
HIT, MISS = "hit", "miss"

_memory = MemoryStore(lambda: settings.RESPONSE_CACHE_BYTES)
_version = CatalogueVersion(on_change=_memory.clear)
_computations = Computations()


def respond(
    request: HttpRequest,
    compute: Callable[[], HttpResponseBase],
    *,
    is_shareable: Callable[[], bool] = lambda: True,
) -> HttpResponseBase:
    """Return the cached response to a request, or compute it and cache it.

    The response to a request with credentials is always computed, and from the primary database. Of equal
    requests that arrive at the same time, one is computed, and the others wait for its response.

    Args:
        compute: computes the response. An exception is raised to the caller, and nothing is cached.
        is_shareable: called after `compute`; returns false if the response is an error, depends on who has
            sent the request, or does not only read the catalogue.
    """
    if _has_credentials(request):
        return compute()
    if not settings.CATALOG_CACHE_SECONDS:
        return _compute_permitted(compute, -math.inf)
    # The version must be read before the database, so that no edit is missed.
    version = _version.read()
    # A replica must have replayed the edits that the version counts. Without a version nothing is cached.
    compute = partial(_compute_permitted, compute, -math.inf if version is None else _version.changed_at)
    digest = _compute_digest(request)
    if version is None or digest is None:
        return compute()
    key = f"{version}:{digest}"
    entry = _memory.get(key)
    if entry is NOT_CACHEABLE:
        return compute()
    if entry is not None:
        record_cache_result(HIT)
        return entry.to_response()
    record_cache_result(MISS)
    computation, is_leader = _computations.join(key)
    if not is_leader:
        # The leader may have to wait for the lock of a crashed process first.
        entry = computation.wait(2 * shared.LOCK_SECONDS)
        if entry is None:
            return compute()
        record_cache_result(HIT)
        return entry.to_response()
    try:
        response, computation.entry = _load(request, key, compute, is_shareable)
        return response
    finally:
        _computations.finish(key)


def cache_responses(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Decorate a view whose responses depend on the request and the catalogue only."""

    @wraps(view)
    def cached(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        def compute() -> HttpResponseBase:
            with use_replica():
                return view(request, *args, **kwargs)

        return respond(request, compute)

    return cached


def mark_catalogue_changed() -> None:
    """Make all cached responses obsolete when the transaction has committed.

    Call it in the transaction of every edit that shoppers can see, except for changes of stock by orders.
    """
    calls = transaction.get_connection().run_on_commit
    if settings.CATALOG_CACHE_SECONDS and all(call is not _increase_version for _, call, _ in calls):
        transaction.on_commit(_increase_version, robust=True)


def _compute_permitted(compute: Callable[[], HttpResponseBase], since: float) -> HttpResponseBase:
    with permit_replica(since):
        return compute()


def _increase_version() -> None:
    _version.increase()


def _load(
    request: HttpRequest,
    key: str,
    compute: Callable[[], HttpResponseBase],
    is_shareable: Callable[[], bool],
) -> tuple[HttpResponseBase, Entry | None]:
    """Return the response and its entry, from Redis or computed. The entry is None if it is not cached."""
    # An earlier computation may have finished since the caller looked.
    entry = _memory.get(key)
    if entry is NOT_CACHEABLE:
        return compute(), None
    if entry is not None:
        record_cache_result(HIT)
        return entry.to_response(), entry
    state = shared.read_or_lock(key)
    if state is None:
        _version.invalidate()
        return compute(), None
    if state.entry is not None:
        _memory.add(key, state.entry, state.expires_at)
        record_cache_result(HIT)
        return state.entry.to_response(), state.entry
    started_at = time.monotonic()
    with ExitStack() as stack:
        stack.callback(_unlock, key, state)
        response = compute()
        entry = Entry.from_response(request, response) if is_shareable() else None
        if entry is not None:
            # In Redis the entry replaces the lock.
            stack.pop_all()
    if entry is None:
        if response.status_code == 200:
            _memory.add(key, NOT_CACHEABLE, started_at + _NOT_CACHEABLE_SECONDS)
        return response, None
    # Stock changes without a new version, so the time counts from before the database was read.
    expires_at = started_at + settings.CATALOG_CACHE_SECONDS
    if shared.store(key, entry, expires_at):
        _memory.add(key, entry, expires_at)
    else:
        _version.invalidate()
    return response, entry


def _unlock(key: str, state: shared.KeyState) -> None:
    if not shared.unlock(key, state.lock):
        _version.invalidate()


def _has_credentials(request: HttpRequest) -> bool:
    return any(request.META.get(name) for name in _CREDENTIALS)


def _compute_digest(request: HttpRequest) -> str | None:
    """Return a hash of everything that a response can depend on, or None for a request that is never cached.

    The content is hashed as it was sent, so that a hit parses nothing.
    """
    meta = request.META
    if request.method != "GET" and request.content_type != "application/json":
        return None
    try:
        if int(meta.get("CONTENT_LENGTH") or 0) > MAX_REQUEST_BYTES:
            return None
        body = request.body
    except (ValueError, OSError):
        # The view reports it.
        return None
    head = (
        request.method,
        request.path,
        meta.get("QUERY_STRING"),
        meta.get("CONTENT_TYPE"),
        meta.get("HTTP_ACCEPT"),
        get_language(),
    )
    # `repr` contains no line break, so that no head and body together look like others.
    return hashlib.sha256(f"{head!r}\n".encode() + body).hexdigest()
