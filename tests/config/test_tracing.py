"""Traces that a collector receives over OTLP from the web processes and the worker."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from gzip import decompress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from django.test import SimpleTestCase, TransactionTestCase
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.ports import find_free_port
from tests.support.web import Web
from tests.support.worker import MailServer, Worker, wait_until

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
REQUEST_ID = "0198c9a2-7b1e-7c33-8f7e-1d2b3c4d5e6f"
ADDRESS = "jane@example.com"
REGISTRATION = {"email": ADDRESS, "password": "correct horse battery"}
# Spans are sent in batches; this shortens the wait for them.
BATCH_DELAY = {"OTEL_BSP_SCHEDULE_DELAY": "100"}


class Collector:
    """A receiver of OTLP over HTTP.

    Attributes:
        bodies: the received requests.
    """

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces"
                bodies.append(decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def list_spans(self) -> Sequence[Span]:
        """Return the received spans."""
        return [
            span
            for body in list(self.bodies)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def find(self, name: str) -> Span:
        """Wait for the only span with this name."""
        wait_until(lambda: name in [span.name for span in self.list_spans()], f"The span {name}")
        (span,) = [span for span in self.list_spans() if span.name == name]
        return span


def get_attributes(span: Span) -> Mapping[str, str | int]:
    return {item.key: item.value.string_value or item.value.int_value for item in span.attributes}


class TracingTest(TransactionTestCase):
    def setUp(self) -> None:
        self.collector = Collector()
        self.addCleanup(self.collector.stop)
        self.web = Web(OTEL_EXPORTER_OTLP_ENDPOINT=self.collector.address, **BATCH_DELAY)
        self.addCleanup(self.web.stop)
        self.web.start()

    def test_request_continues_the_trace_of_the_client(self) -> None:
        status, _ = self.web.send_request(
            "GET", "/products?search=secret", traceparent=TRACEPARENT, X_Request_ID=REQUEST_ID
        )
        assert status == 200

        span = self.collector.find("GET rest productsList")
        assert span.trace_id.hex() == TRACE_ID
        assert span.parent_span_id.hex() == TRACEPARENT.split("-")[2]
        assert get_attributes(span) == {
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "http.route": "products",
            "lavka.request_id": REQUEST_ID,
        }
        children = [child for child in self.collector.list_spans() if child.parent_span_id == span.span_id]
        texts = [str(get_attributes(child).get("db.query.text", "")) for child in children]
        assert any("catalog_product" in text and "%s" in text for text in texts)
        assert all(b"secret" not in body for body in self.collector.bodies)

    def test_graphql_operation_names_the_span(self) -> None:
        query = {"query": "query Tree { tree: categories { name } }"}
        assert self.web.send_request("POST", "/graphql", query)[0] == 200

        assert get_attributes(self.collector.find("POST graphql categories"))["http.route"] == "graphql"

    def test_refusal_has_its_code(self) -> None:
        assert self.web.send_request("GET", "/product?id=1")[0] == 404

        span = self.collector.find("GET rest productGet")
        assert get_attributes(span)["error.type"] == "NOT_FOUND"
        assert span.status.code == Status.STATUS_CODE_UNSET

    def test_task_belongs_to_the_trace_of_its_request_and_leaves_out_addresses(self) -> None:
        mail_server = MailServer()
        mail_server.start()
        self.addCleanup(mail_server.stop)
        mail_server.refused_recipients[ADDRESS] = f"550 {ADDRESS} is unknown"
        worker = Worker(mail_server, OTEL_EXPORTER_OTLP_ENDPOINT=self.collector.address, **BATCH_DELAY)
        worker.start()
        self.addCleanup(worker.stop)
        status, _ = self.web.send_request("POST", "/auth/register", REGISTRATION, traceparent=TRACEPARENT)
        assert status == 202

        task = self.collector.find("run/accounts.send_confirmation_code")
        assert task.trace_id.hex() == TRACE_ID
        statements = [
            get_attributes(span)["db.query.text"]
            for span in self.collector.list_spans()
            if span.trace_id == task.trace_id and span.name == "INSERT"
        ]
        assert any("OutgoingEmail".lower() in str(text) for text in statements)
        assert all(b"jane" not in body for body in self.collector.bodies)


class CollectorDownTest(TransactionTestCase):
    def test_shop_responds_and_stops_without_the_collector(self) -> None:
        web = Web(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{find_free_port()}", **BATCH_DELAY)
        self.addCleanup(web.stop)
        web.start()
        for _ in range(3):
            assert web.send_request("GET", "/products")[0] == 200
        web.stop()

        assert "Traceback" not in web.output()


class TracingOffTest(SimpleTestCase):
    def test_exporter_is_not_imported_without_the_variable(self) -> None:
        # The client of Redis imports the SDK itself if it is installed.
        program = "import sys, django; django.setup(); print('opentelemetry.exporter' in sys.modules)"
        output = subprocess.check_output(
            [sys.executable, "-c", program], env=os.environ, text=True, timeout=60
        )

        assert output == "False\n"
