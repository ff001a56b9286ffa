"""The database of each query: the replica for permitted reads of the catalogue, else the primary."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from backend.core.replica.monitor import REPLICA, monitor

# The time, by `time.monotonic`, whose commits the replica must have replayed. None: the replica is forbidden.
_required_time: ContextVar[float | None] = ContextVar("replica_required_time", default=None)
_alias: ContextVar[str] = ContextVar("read_alias", default=DEFAULT_DB_ALIAS)
get_read_alias = _alias.get


@contextmanager
def permit_replica(since: float = -math.inf) -> Iterator[None]:
    """Let `use_replica` use the replica in this block.

    Args:
        since: a time by `time.monotonic`. The replica is used only if it has replayed all commits before it.
    """
    token = _required_time.set(since)
    try:
        yield
    finally:
        _required_time.reset(token)


@contextmanager
def use_replica() -> Iterator[None]:
    """Read from the replica in this block if that is permitted and the replica is up to date.

    The block must not write, and must not read anything but the catalogue.
    """
    since = _required_time.get()
    if since is None or REPLICA not in connections.settings or not monitor.has_replayed(since):
        yield
        return
    token = _alias.set(REPLICA)
    try:
        yield
    finally:
        _alias.reset(token)


class Router:
    """Django's database router: reads where `use_replica` says, and everything else on the primary."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return get_read_alias()

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return DEFAULT_DB_ALIAS

    def allow_relation(self, first: Any, second: Any, **hints: Any) -> bool:
        # Both databases have the same rows.
        return True

    def allow_migrate(self, alias: str, app_label: str, **hints: Any) -> bool:
        return alias == DEFAULT_DB_ALIAS
