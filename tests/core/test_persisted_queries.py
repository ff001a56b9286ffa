"""Persisted queries by Apollo's protocol: registration, use, limits, and a Redis that does not respond."""

import hashlib
import json
import time
from threading import Thread
from typing import Any
from unittest import mock

from django.http import HttpResponse
from django.test import Client, SimpleTestCase, TestCase, override_settings

from backend.api.graphql import schema
from backend.core import redis
from backend.core.graphql import documents
from backend.core.graphql.documents import DocumentCache
from backend.core.graphql.persisted_queries import read_persisted_query, register_persisted_query
from backend.core.redis import TIMEOUT_SECONDS, get_redis_client
from tests.accounts.cases import clear_redis
from tests.carts.factories import make_products
from tests.core.test_redis import replace_with_silent_redis
from tests.support.people import make_user, open_session_token

QUERY = "{ products { nodes { name } } }"
RESPONSE_JSON = "application/graphql-response+json"


def digest(query: str) -> str:
    return hashlib.sha256(query.encode()).hexdigest()


def extension_of(query_hash: Any, version: Any = 1) -> dict[str, Any]:
    return {"persistedQuery": {"version": version, "sha256Hash": query_hash}}


def forget_documents() -> None:
    """Empty the cache of this process, as in a process that has just started."""
    schema.documents = DocumentCache(schema.documents.max_bytes)


class PersistedQueriesTest(TestCase):
    def setUp(self) -> None:
        clear_redis()
        forget_documents()
        self.addCleanup(clear_redis)
        self.addCleanup(setattr, redis, "_skip_until", 0.0)
        make_products(2)

    def post(self, body: dict[str, Any], **headers: str) -> HttpResponse:
        return self.client.post(
            "/graphql", json.dumps(body), content_type="application/json", headers=headers
        )

    def register(self, query: str = QUERY, **parameters: Any) -> HttpResponse:
        return self.post({"query": query, "extensions": extension_of(digest(query)), **parameters})

    def send_hash(self, query: str = QUERY, **headers: str) -> HttpResponse:
        """Send the hash by GET, as a client does behind a CDN."""
        parameters = {"extensions": json.dumps(extension_of(digest(query)))}
        return self.client.get("/graphql", parameters, headers={"Accept": "*/*", **headers})

    def assert_not_found(self, response: HttpResponse, status: int = 200) -> None:
        error = {
            "message": "PersistedQueryNotFound",
            "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND", "field": None},
        }
        assert (response.status_code, response.json()) == (status, {"errors": [error]})
        assert response["Cache-Control"] == "no-store"

    def assert_found(self, response: HttpResponse) -> None:
        assert response.status_code == 200
        assert len(response.json()["data"]["products"]["nodes"]) == 2


class ProtocolTest(PersistedQueriesTest):
    def test_registered_query_runs_by_its_hash(self) -> None:
        self.assert_not_found(self.send_hash())
        self.assert_not_found(self.post({"extensions": extension_of(digest(QUERY))}))
        self.assert_found(self.register())
        self.assert_found(self.send_hash())
        self.assert_found(self.post({"extensions": extension_of(digest(QUERY))}))
        self.assert_found(self.post({"query": "", "extensions": extension_of(digest(QUERY))}))

    def test_registered_query_is_known_to_other_processes(self) -> None:
        self.register()
        forget_documents()
        self.assert_found(self.send_hash())

    def test_registered_query_is_read_from_memory(self) -> None:
        self.register()
        get_redis_client().flushdb()
        self.assert_found(self.send_hash())

    def test_text_that_is_sent_again_is_written_to_redis_again(self) -> None:
        self.register()
        clear_redis()
        self.register()
        forget_documents()
        self.assert_found(self.send_hash())

    def test_query_can_be_registered_by_get(self) -> None:
        extensions = json.dumps(extension_of(digest(QUERY)))
        self.assert_found(self.client.get("/graphql", {"query": QUERY, "extensions": extensions}))
        forget_documents()
        self.assert_found(self.send_hash())

    def test_variables_and_operation_name_are_sent_with_the_hash(self) -> None:
        query = (
            "query A { a: __typename } query B($first: Int) { products(first: $first) { nodes { name } } }"
        )
        self.register(query, operationName="A")
        response = self.client.get(
            "/graphql",
            {
                "operationName": "B",
                "variables": '{"first": 1}',
                "extensions": json.dumps(extension_of(digest(query))),
            },
        )
        assert len(response.json()["data"]["products"]["nodes"]) == 1
        unnamed = self.send_hash(query).json()["errors"][0]
        assert unnamed["extensions"]["code"] == "MALFORMED"

    def test_media_type_of_the_specification_has_statuses(self) -> None:
        self.assert_not_found(self.send_hash(Accept=RESPONSE_JSON), 404)
        with override_settings(GRAPHQL_PERSISTED_QUERIES=False):
            assert self.send_hash(Accept=RESPONSE_JSON).status_code == 400
        self.register()
        response = self.send_hash(Accept=RESPONSE_JSON)
        self.assert_found(response)
        assert RESPONSE_JSON in response["Content-Type"]

    def test_mutation_runs_by_its_hash_by_post_only(self) -> None:
        mutation = "mutation { cartClear { errors { code } } }"
        self.register(mutation)
        response = self.send_hash(mutation)
        assert (response.status_code, response["Allow"]) == (405, "POST")
        response = self.post({"extensions": extension_of(digest(mutation))})
        assert response.json()["data"] == {"cartClear": {"errors": []}}

    def test_wrong_hash_is_refused_and_not_registered(self) -> None:
        other = "{ categories { name } }"
        for accept in ("application/json", RESPONSE_JSON):
            response = self.post({"query": QUERY, "extensions": extension_of(digest(other))}, Accept=accept)
            error = {
                "message": "sha256Hash must be the SHA-256 of query.",
                "extensions": {
                    "code": "MALFORMED",
                    "field": ["extensions", "persistedQuery", "sha256Hash"],
                },
            }
            assert (response.status_code, response.json()) == (400, {"errors": [error]})
        self.assert_not_found(self.send_hash(other))

    def test_malformed_extension_is_refused(self) -> None:
        right = digest(QUERY)
        for extension, field in [
            ("text", None),
            ([], None),
            (True, None),
            ({}, "version"),
            ({"version": 2, "sha256Hash": right}, "version"),
            ({"version": "1", "sha256Hash": right}, "version"),
            ({"version": 1}, "sha256Hash"),
            *(
                ({"version": 1, "sha256Hash": value}, "sha256Hash")
                for value in (None, 1, "", right[1:], f"{right}0", right.upper(), f"{right}\n", "é" * 64)
            ),
        ]:
            with self.subTest(extension):
                for query in ({"query": QUERY}, {}):
                    response = self.post({**query, "extensions": {"persistedQuery": extension}})
                    (error,) = response.json()["errors"]
                    assert (response.status_code, error["extensions"]["code"]) == (400, "MALFORMED")
                    path = ["extensions", "persistedQuery", *([field] if field else [])]
                    assert error["extensions"]["field"] == path

    def test_null_extension_is_the_same_as_none(self) -> None:
        self.assert_found(self.post({"query": QUERY, "extensions": {"persistedQuery": None, "other": 1}}))

    def test_invalid_document_is_not_registered(self) -> None:
        for query in ("{ unknown }", "{", "{ products(first: true) { totalCount } }"):
            assert "errors" in self.register(query).json()
            self.assert_not_found(self.send_hash(query))

    def test_document_that_is_refused_for_its_size_is_not_registered(self) -> None:
        fits = QUERY + " " * (32 * 1024 - len(QUERY))
        self.assert_found(self.register(fits))
        self.assert_found(self.send_hash(fits))
        assert self.register(f"{fits} ").status_code == 413
        self.assert_not_found(self.send_hash(f"{fits} "))

    def test_limits_apply_to_a_registered_query(self) -> None:
        self.register()
        with override_settings(GRAPHQL_MAX_COST=100):
            (error,) = self.send_hash().json()["errors"]
        assert error["extensions"]["code"] == "TOO_COMPLEX"

    def test_query_without_hash_is_not_registered(self) -> None:
        self.assert_found(self.post({"query": QUERY}))
        self.assert_not_found(self.send_hash())
        assert get_redis_client().keys("lavka:persisted-queries:*") == []


class CachingTest(PersistedQueriesTest):
    def test_anonymous_get_by_hash_is_cacheable(self) -> None:
        self.register()
        by_hash = self.send_hash()
        by_text = self.client.get("/graphql", {"query": QUERY}, headers={"Accept": "*/*"})
        for name in ("Cache-Control", "Vary", "ETag"):
            assert by_hash[name] == by_text[name]
        assert "public" in by_hash["Cache-Control"]
        vary = {name.strip().lower() for name in by_hash["Vary"].split(",")}
        assert vary == {"accept", "origin", "authorization", "x-cart-token"}
        not_modified = self.send_hash(**{"If-None-Match": by_hash["ETag"]})
        assert (not_modified.status_code, not_modified.content) == (304, b"")

    def test_other_requests_by_hash_are_not_cacheable(self) -> None:
        cart = "{ cart { total } }"
        self.register()
        self.register(cart)
        token = open_session_token(make_user())
        for response in (
            self.send_hash(cart),
            self.send_hash(Authorization=f"Bearer {token}"),
            self.post({"extensions": extension_of(digest(QUERY))}),
        ):
            assert response["Cache-Control"] == "no-store"


class SettingTest(PersistedQueriesTest):
    @override_settings(GRAPHQL_PERSISTED_QUERIES=False)
    def test_hash_is_not_supported_if_persisted_queries_are_off(self) -> None:
        error = {
            "message": "PersistedQueryNotSupported",
            "extensions": {"code": "PERSISTED_QUERY_NOT_SUPPORTED", "field": None},
        }
        for response in (self.send_hash(), self.post({"extensions": extension_of(digest(QUERY))})):
            assert (response.status_code, response.json()) == (200, {"errors": [error]})
            assert response["Cache-Control"] == "no-store"

    def test_text_runs_unregistered_if_persisted_queries_are_off(self) -> None:
        with override_settings(GRAPHQL_PERSISTED_QUERIES=False):
            self.assert_found(self.register())
        self.assert_not_found(self.send_hash())


class LimitsTest(PersistedQueriesTest):
    def query(self, number: int) -> str:
        return f"{{ a{number}: __typename }}"

    def stored(self, numbers: range) -> list[int]:
        return [number for number in numbers if read_persisted_query(digest(self.query(number)))]

    def test_least_recently_used_documents_are_dropped(self) -> None:
        with override_settings(GRAPHQL_MAX_PERSISTED_QUERIES=3):
            for number in range(3):
                self.register(self.query(number))
            assert self.stored(range(3)) == [0, 1, 2]
            forget_documents()
            self.send_hash(self.query(0))
            # Reading them has used all; the first one was used last.
            self.register(self.query(3))
            assert self.stored(range(4)) == [0, 2, 3]
        assert get_redis_client().hlen("lavka:persisted-queries:texts") == 3
        assert get_redis_client().zcard("lavka:persisted-queries:uses") == 3

    def test_lower_limit_drops_the_excess(self) -> None:
        for number in range(10):
            self.register(self.query(number))
        with override_settings(GRAPHQL_MAX_PERSISTED_QUERIES=2):
            self.register(self.query(10))
        assert self.stored(range(11)) == [9, 10]

    def test_number_is_bounded_when_many_clients_register_at_once(self) -> None:
        def register(first: int) -> None:
            for number in range(first, first + 50):
                register_persisted_query(digest(self.query(number)), self.query(number))

        with override_settings(GRAPHQL_MAX_PERSISTED_QUERIES=20):
            threads = [Thread(target=register, args=[first]) for first in range(0, 400, 50)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        client = get_redis_client()
        hashes = client.zrange("lavka:persisted-queries:uses", 0, -1)
        assert len(hashes) == 20
        assert set(hashes) == set(client.hkeys("lavka:persisted-queries:texts"))

    def test_unused_documents_are_forgotten(self) -> None:
        self.register()
        for name in ("texts", "uses"):
            assert get_redis_client().ttl(f"lavka:persisted-queries:{name}") > 29 * 24 * 3600


class RedisDownTest(PersistedQueriesTest):
    def test_known_query_runs_from_memory(self) -> None:
        self.register()
        with replace_with_silent_redis():
            started = time.monotonic()
            self.assert_found(self.send_hash())
            assert time.monotonic() - started < TIMEOUT_SECONDS / 2

    def test_unknown_query_is_not_found_after_one_timeout(self) -> None:
        with replace_with_silent_redis():
            started = time.monotonic()
            self.assert_not_found(self.send_hash())
            assert time.monotonic() - started < 2 * TIMEOUT_SECONDS + 0.5
            started = time.monotonic()
            for _ in range(5):
                self.assert_not_found(self.send_hash())
            # The client then sends the text, which runs and is known to this process.
            self.assert_found(self.register())
            self.assert_found(self.send_hash())
            assert time.monotonic() - started < TIMEOUT_SECONDS


class MemoryTest(SimpleTestCase):
    """The cache in front of Redis."""

    def add(self, cache: DocumentCache, text: str) -> None:
        cache.add(text, documents.parse(text), digest(text))

    def test_hash_is_forgotten_with_its_document(self) -> None:
        cache = DocumentCache(max_bytes=100_000)
        for number in range(300):
            self.add(cache, f"{{ a{number} }}")
        assert len(cache) < 300
        assert len(cache._texts) == len(cache)
        assert cache.size <= 100000
        assert cache.find_text(digest("{ a299 }")) == "{ a299 }"
        assert cache.find_text(digest("{ a0 }")) is None

    def test_hash_is_added_to_a_document_that_is_stored(self) -> None:
        cache = DocumentCache(max_bytes=100_000)
        cache.add("{ a }", documents.parse("{ a }"))
        assert cache.find_text(digest("{ a }")) is None
        before = cache.size
        for _ in range(2):
            self.add(cache, "{ a }")
            assert cache.find_text(digest("{ a }")) == "{ a }"
            assert cache.size == before + documents._BYTES_PER_HASH

    def test_persisted_query_is_parsed_once(self) -> None:
        clear_redis()
        forget_documents()
        client = Client()
        extensions = extension_of(digest("{ __typename }"))

        def send(**body: Any) -> Any:
            body |= {"extensions": extensions}
            response = client.post("/graphql", json.dumps(body), content_type="application/json")
            return response.json()["data"]

        with mock.patch.object(documents, "parse", wraps=documents.parse) as parse:
            send(query="{ __typename }")
            for _ in range(3):
                assert send() == {"__typename": "Query"}
        parse.assert_called_once()
        clear_redis()
