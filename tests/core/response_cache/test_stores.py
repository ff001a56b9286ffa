"""The limits of both stores: entries of one process, and entries in Redis."""

import time

from django.http import HttpResponse
from django.test import RequestFactory, SimpleTestCase, override_settings

from backend.core.redis import get_redis_client
from backend.core.response_cache import shared
from backend.core.response_cache.entries import Entry
from backend.core.response_cache.memory import MemoryStore
from tests.accounts.cases import clear_redis
from tests.core.response_cache.cases import count_stored

LATER = time.monotonic() + 3600


def entry_of(length: int, **headers: str) -> Entry:
    return Entry(b"x" * length, headers)


class MemoryTest(SimpleTestCase):
    def test_entries_are_dropped_only_beyond_the_limit(self) -> None:
        entry = entry_of(1000)
        for spare, kept in ((0, ["a", "b", "c"]), (-1, ["b", "c"])):
            store = MemoryStore(lambda: 3 * entry.size + spare)  # noqa: B023
            for key in "abc":
                store.add(key, entry, LATER)
            assert [key for key in "abc" if store.get(key)] == kept
            assert (len(store), store.size) == (len(kept), len(kept) * entry.size)

    def test_least_recently_used_entry_is_dropped_first(self) -> None:
        entry = entry_of(1000)
        store = MemoryStore(lambda: 2 * entry.size)
        store.add("a", entry, LATER)
        store.add("b", entry, LATER)
        store.get("a")
        store.add("c", entry, LATER)
        assert [key for key in "abc" if store.get(key)] == ["a", "c"]

    def test_entry_larger_than_the_store_drops_no_others(self) -> None:
        small, large = entry_of(10), entry_of(5000)
        for spare, kept in ((0, ["large"]), (-1, ["small"])):
            store = MemoryStore(lambda: large.size + spare)  # noqa: B023
            store.add("small", small, LATER)
            store.add("large", large, LATER)
            assert [key for key in ("small", "large") if store.get(key)] == kept

    def test_entry_expires(self) -> None:
        store = MemoryStore(lambda: 10_000)
        store.add("a", entry_of(10), time.monotonic() + 0.2)
        assert store.get("a") is not None
        time.sleep(0.2)
        assert store.get("a") is None
        assert (len(store), store.size) == (0, 0)

    def test_replaced_and_cleared_entries_free_their_memory(self) -> None:
        store = MemoryStore(lambda: 10_000)
        store.add("a", entry_of(10), LATER)
        store.add("a", entry_of(20), LATER)
        assert (len(store), store.size) == (1, entry_of(20).size)
        store.clear()
        assert (len(store), store.size) == (0, 0)


class EntryTest(SimpleTestCase):
    def test_packed_entry_is_restored(self) -> None:
        for body in (b"", b"{}", b"\n\n", bytes(range(256))):
            entry = Entry(body, {"Content-Type": "text/plain", "Vary": "Accept\tLanguage, Ключ"})
            assert Entry.unpack(entry.pack()) == entry

    def test_each_response_is_a_copy(self) -> None:
        response = HttpResponse(b"{}", content_type="application/json")
        entry = Entry.from_response(RequestFactory().get("/"), response)
        assert entry
        entry.to_response()["Extra"] = "value"
        assert "Extra" not in entry.to_response()
        assert entry.to_response()["Content-Type"] == "application/json"


@override_settings(CATALOG_CACHE_SECONDS=60)
class SharedTest(SimpleTestCase):
    def setUp(self) -> None:
        clear_redis()
        self.addCleanup(clear_redis)

    def store(self, key: str, entry: Entry, seconds: float = 60) -> bool:
        return shared.store(key, entry, time.monotonic() + seconds)

    def test_claim_returns_the_entry_with_its_expiry(self) -> None:
        self.store("a", entry_of(10), seconds=30)
        state = shared.read_or_lock("a")
        assert state and state.entry
        assert state.entry == entry_of(10)
        assert abs(state.expires_at - time.monotonic() - 30) <= 1

    def test_entry_expires(self) -> None:
        self.store("a", entry_of(10), seconds=0.2)
        assert count_stored() == 1
        time.sleep(0.25)
        assert count_stored() == 0
        assert self.store("a", entry_of(10), seconds=-0.1)
        assert count_stored() == 0

    def test_bytes_in_one_period_are_limited(self) -> None:
        entry = entry_of(1000)
        size = len(entry.pack())
        for spare, stored in ((0, 3), (-1, 2)):
            clear_redis()
            with self.settings(RESPONSE_CACHE_REDIS_BYTES=3 * size + spare):
                for key in "abc":
                    assert self.store(key, entry)
            assert count_stored() == stored

    def test_next_period_accepts_entries_again(self) -> None:
        with self.settings(CATALOG_CACHE_SECONDS=1, RESPONSE_CACHE_REDIS_BYTES=2000):
            for _ in range(2):
                self.store("a", entry_of(1000), seconds=1)
                self.store("b", entry_of(1000), seconds=1)
                assert count_stored() == 1
                time.sleep(1.1)

    def test_refused_entry_frees_its_key(self) -> None:
        assert shared.read_or_lock("a") is not None
        with self.settings(RESPONSE_CACHE_REDIS_BYTES=10):
            self.store("a", entry_of(1000))
        started = time.monotonic()
        state = shared.read_or_lock("a")
        assert state
        assert state.entry is None
        assert time.monotonic() - started < shared.LOCK_SECONDS / 2

    def test_lock_of_a_crashed_process_expires(self) -> None:
        assert shared.read_or_lock("a") is not None
        started = time.monotonic()
        state = shared.read_or_lock("a")
        assert state
        assert state.entry is None
        waited = time.monotonic() - started
        assert waited > shared.LOCK_SECONDS / 2
        assert waited < shared.LOCK_SECONDS + 1

    def test_only_the_owner_removes_a_lock(self) -> None:
        owner = shared.read_or_lock("a")
        assert owner
        assert shared.unlock("a", b"lock:another")
        assert count_stored() == 1
        assert shared.unlock("a", owner.lock)
        assert count_stored() == 0

    def test_late_owner_keeps_the_entry_of_its_successor(self) -> None:
        owner = shared.read_or_lock("a")
        assert owner
        get_redis_client().delete("lavka:responses:a")
        self.store("a", entry_of(10))
        shared.unlock("a", owner.lock)
        assert count_stored() == 1
