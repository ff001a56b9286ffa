"""Request ids in responses, logs and masked errors, and logs without personal data."""

import json
import logging
from unittest import mock

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import HttpResponse
from django.test import Client, TestCase
from redis import RedisError

from backend.catalog import selectors
from backend.core.errors import Unavailable
from backend.core.logs import JsonFormatter, OneLineFilter, OutageFilter, TextFormatter
from backend.core.request_record import RequestRecord, get_request_id, reset_record, set_record

HEADER = "X-Request-ID"
REQUEST_ID = "0198c9a2-7b1e-7c33-8f7e-1d2b3c4d5e6f"


def make_log_record(message: str, error: BaseException | None = None) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("shop", logging.ERROR, __file__, 1, message, None, exc_info)


def send_id(request_id: str) -> str:
    return str(Client().get("/health/live", headers={HEADER: request_id})[HEADER])


@pytest.mark.parametrize("request_id", ["a" * 8, "A" * 64, REQUEST_ID, "web_1.42-x"])
def test_well_formed_id_is_returned(request_id: str) -> None:
    assert send_id(request_id) == request_id


@pytest.mark.parametrize(
    "request_id", ["a" * 7, "A" * 65, "jane@example.com", "two words", "a" * 8 + "\n", '{"a": "b"}', ""]
)
def test_other_id_is_replaced(request_id: str) -> None:
    answer = send_id(request_id)

    assert answer != request_id
    assert len(answer) == 32


def test_each_request_without_id_gets_its_own() -> None:
    first, second = (Client().get("/health/live")[HEADER] for _ in range(2))

    assert first != second
    assert get_request_id() is None


def test_refused_requests_have_an_id() -> None:
    for path, headers in (("/nothing", {}), ("/products", {"Host": "other.example"})):
        response = Client().get(path, headers={HEADER: REQUEST_ID, **headers})
        assert response.status_code >= 400
        assert response[HEADER] == REQUEST_ID
        assert "request_id" not in response.json()


class MaskedErrorTest(TestCase):
    """The selector of the category tree has a bug."""

    def setUp(self) -> None:
        names = ("read_category_tree", "read_categories")
        for name in names:
            if hasattr(selectors, name):
                patch = mock.patch.object(selectors, name, side_effect=RuntimeError("a bug"))
                patch.start()
                self.addCleanup(patch.stop)

    def log_of(self, path: str, **options: object) -> tuple[HttpResponse, list[dict[str, str]]]:
        """Return a response and the records that were logged as JSON."""
        lines: list[str] = []
        handler = logging.Handler()
        handler.setFormatter(JsonFormatter())
        handler.emit = lambda record: lines.append(handler.format(record))  # type: ignore[method-assign]
        logging.getLogger().addHandler(handler)
        self.addCleanup(logging.getLogger().removeHandler, handler)
        client = Client(headers={HEADER: REQUEST_ID}, raise_request_exception=False)
        send = client.post if options else client.get
        return send(path, **options), [json.loads(line) for line in lines]

    def test_problem_of_a_bug_has_the_id_of_the_log(self) -> None:
        response, records = self.log_of("/categories")

        assert response.status_code == 500
        assert response.json()["request_id"] == REQUEST_ID
        assert [record["request_id"] for record in records] == [REQUEST_ID]
        assert "RuntimeError: a bug" in records[0]["exception"]

    def test_masked_graphql_error_has_the_id_of_the_log(self) -> None:
        body = json.dumps({"query": "{ categories { name } }"})
        response, records = self.log_of("/graphql", data=body, content_type="application/json")

        (error,) = response.json()["errors"]
        assert error["extensions"] == {"code": "INTERNAL", "field": None, "requestId": REQUEST_ID}
        assert "a bug" not in response.content.decode()
        assert {record["request_id"] for record in records} == {REQUEST_ID}


class TestFormatters:
    """Both formatters."""

    @pytest.fixture(autouse=True)
    def current_record(self):
        token = set_record(RequestRecord(REQUEST_ID, task="orders.send_status", task_id="t1"))
        yield
        reset_record(token)

    def test_json_record_is_one_line_with_task_and_exception(self) -> None:
        try:
            raise ValueError("two\nlines")
        except ValueError as error:
            line = JsonFormatter().format(make_log_record("Имя \udcff\n", error))

        assert "\n" not in line
        entry = json.loads(line)
        assert entry.keys() == {
            *("time", "level", "logger", "message"),
            *("request_id", "task", "task_id", "exception"),
        }
        assert entry["message"] == "Имя ?\n"
        assert entry["task"] == "orders.send_status"
        assert entry["exception"].endswith("ValueError: two\nlines")

    def test_text_line_ends_with_the_id(self) -> None:
        formatter = TextFormatter("%(levelname)s %(name)s %(message)s")

        assert formatter.format(make_log_record("Failed")) == f"ERROR shop Failed [{REQUEST_ID}]"

    def test_personal_data_are_removed(self) -> None:
        detail = "duplicate key\nDETAIL:  Key (phone)=(+79001234567) already exists.\n"
        error = IntegrityError(detail)
        for formatter in (JsonFormatter(), TextFormatter()):
            line = formatter.format(make_log_record("To jane.doe+1@example.co.uk: user@host", error))
            assert "+7900" not in line
            assert "jane" not in line
            assert "[email]" in line
            assert "duplicate key" in line
            assert "user@host" in line

    def test_one_line_filter_replaces_the_stack_trace(self) -> None:
        record = make_log_record("Failed", ValueError("two\nlines"))
        OneLineFilter().filter(record)

        assert record.getMessage() == "Failed: ValueError: two lines"
        assert record.exc_info is None

    def test_outage_filter_replaces_only_the_stack_traces_of_outages(self) -> None:
        for error in (
            OperationalError("down"),
            InterfaceError("down"),
            RedisError("down"),
            Unavailable("down"),
        ):
            record = make_log_record("Failed", error)
            assert OutageFilter().filter(record)
            assert record.getMessage() == f"Failed: {type(error).__name__}: down"
            assert record.exc_info is None
        for error in (ValueError("bug"), IntegrityError("bug")):
            record = make_log_record("Failed", error)
            assert OutageFilter().filter(record)
            assert record.exc_info
