"""Concurrent requests for a response that is not cached yet."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any
from unittest import mock

from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import Client

from backend.catalog import selectors
from backend.catalog.rest import endpoints
from backend.core.redis import PREFIX, get_redis_client
from backend.core.response_cache import responses, shared
from backend.core.response_cache.computations import Computation, Computations
from tests.concurrency.actors import MAX_SECONDS
from tests.core.response_cache.cases import CommittingCacheCase

CLIENTS = 12


class ColdKeyTest(CommittingCacheCase):
    def setUp(self) -> None:
        super().setUp()
        self.computed = 0

    def send_together(
        self, clients: int = CLIENTS, compute: Callable[[], None] = lambda: time.sleep(0.3)
    ) -> list[HttpResponse]:
        """Request the category tree from several threads at the same time, and count its computations."""
        start = threading.Barrier(clients)
        counting = threading.Lock()
        read = selectors.read_category_tree

        def read_slowly(*args: Any, **kwargs: Any) -> Any:
            with counting:
                self.computed += 1
            compute()
            return read(*args, **kwargs)

        def send() -> HttpResponse:
            try:
                start.wait(MAX_SECONDS)
                return Client().get("/categories")
            finally:
                connection.close()

        with (
            mock.patch.object(endpoints.selectors, "read_category_tree", read_slowly),
            ThreadPoolExecutor(clients) as pool,
        ):
            return [pending.result(MAX_SECONDS) for pending in [pool.submit(send) for _ in range(clients)]]

    @contextmanager
    def separate_processes(self) -> Iterator[None]:
        """Let each request run as if it were the only one of its process."""
        with (
            mock.patch.object(Computations, "join", return_value=(Computation(), True)),
            mock.patch.object(Computations, "finish"),
            mock.patch.object(responses._memory, "get", return_value=None),
        ):
            yield

    def assert_equal_pages(self, pages: list[HttpResponse]) -> None:
        assert {page.status_code for page in pages} == {200}
        assert len({page.content for page in pages}) == 1

    def test_one_request_of_a_process_computes(self) -> None:
        with mock.patch.object(shared, "read_or_lock", return_value=shared.KeyState(b"lock:")):
            self.assert_equal_pages(self.send_together())
        assert self.computed == 1

    def test_one_request_of_several_processes_computes(self) -> None:
        with self.separate_processes():
            self.assert_equal_pages(self.send_together())
        assert self.computed == 1

    def test_every_request_computes_without_the_guards(self) -> None:
        with (
            self.separate_processes(),
            mock.patch.object(shared, "read_or_lock", return_value=shared.KeyState(b"lock:")),
        ):
            self.assert_equal_pages(self.send_together())
        assert self.computed == CLIENTS

    def test_error_of_the_computing_request_does_not_block_the_others(self) -> None:
        def fail_first() -> None:
            time.sleep(0.2)
            if failures:
                failures.pop()
                raise OperationalError

        for separation in (self.separate_processes, nullcontext):
            responses._version.increase()
            failures = [None]
            started = time.monotonic()
            with separation():
                pages = self.send_together(4, fail_first)
            assert sorted(page.status_code for page in pages) == [200, 200, 200, 503]
            assert time.monotonic() - started < shared.LOCK_SECONDS

    def test_crashed_process_blocks_the_others_for_a_limited_time(self) -> None:
        self.client.get("/categories")
        (key,) = get_redis_client().scan_iter(f"{PREFIX}responses:*")
        get_redis_client().set(key, b"lock:of a crashed process", px=int(shared.LOCK_SECONDS * 1000))
        responses._memory.clear()
        started = time.monotonic()
        self.assert_equal_pages(self.send_together())
        assert self.computed == 1
        assert time.monotonic() - started < 2 * shared.LOCK_SECONDS

    def test_waiting_requests_compute_after_the_maximum_wait(self) -> None:
        slow = [None]

        def hang_first() -> None:
            if slow:
                slow.pop()
                time.sleep(1)

        with mock.patch.object(shared, "LOCK_SECONDS", 0.1):
            self.assert_equal_pages(self.send_together(4, hang_first))
        assert self.computed == 4

    def test_repeated_uncacheable_request_takes_no_lock(self) -> None:
        query = '{"query": "{ categories { name } cart { total } }"}'
        request = partial(self.client.post, "/graphql", query, content_type="application/json")
        with mock.patch.object(shared, "read_or_lock", wraps=shared.read_or_lock) as read_or_lock:
            assert {request().status_code for _ in range(3)} == {200}
        assert read_or_lock.call_count == 1
