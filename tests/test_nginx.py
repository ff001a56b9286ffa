"""The configuration of nginx in docker-compose.yml, in front of gunicorn and of an echo server."""

import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest
import trustme
from django.conf import settings
from django.test import TransactionTestCase

from backend.core.errors import SERVICE_UNAVAILABLE, UNAVAILABLE_RETRY_SECONDS, ErrorCode
from backend.core.problems import FieldProblem, encode_problem
from tests.support.nginx import CONFIGURATION, Nginx
from tests.support.web import Web
from tests.support.worker import wait_until

OPERATIONS = Path(__file__).resolve().parents[1] / "docs/operations.md"
TOKEN = "token-of-the-test"
REQUEST_ID = "id-of-the-test"
STATIC_FILE = "/static/admin/css/base.css"
HOST = "shop.example.com"


def send(
    connection: HTTPConnection, path: str, body: bytes | None = None, **headers: str
) -> tuple[HTTPResponse, bytes]:
    """Send a request on a connection that stays open. Headers have underscores instead of hyphens."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET" if body is None else "POST", path, body, names)
    response = connection.getresponse()
    return response, response.read()


def make_problem(code: ErrorCode, detail: str, status: HTTPStatus) -> Any:
    return json.loads(encode_problem(status, [FieldProblem(code=code, detail=detail)]))


class NginxTest(TransactionTestCase):
    web: ClassVar[Web]
    nginx: ClassVar[Nginx]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.web = Web(
            WEB_WORKERS="1", TRUSTED_PROXIES="1", RATE_LIMIT_PER_ADDRESS="100000", METRICS_TOKEN=TOKEN
        )
        cls.addClassCleanup(cls.web.stop)
        cls.web.start()
        cls.nginx = Nginx(f"127.0.0.1:{cls.web.port}")
        cls.addClassCleanup(cls.nginx.stop)
        cls.nginx.write_configuration()
        cls.nginx.start()

    def connect(self, source: str = "127.0.0.1") -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", self.nginx.port, timeout=60, source_address=(source, 0))
        self.addCleanup(connection.close)
        return connection

    def get(self, path: str, **headers: str) -> tuple[HTTPResponse, bytes]:
        return send(self.connect(), path, **headers)

    def wait_for_web_log(self, request_id: str) -> None:
        """Wait until the web server has logged a request, which it does after the response."""
        wait_until(lambda: f"[{request_id}]" in self.web.output(), f"The log of {request_id}")

    def wait_for_access_log(self, request_id: str) -> dict[str, Any]:
        """Wait until nginx has logged a request, and return the line."""

        def find() -> dict[str, Any] | None:
            lines = [line for line in self.nginx.read_access_log() if line["request_id"] == request_id]
            return lines[0] if lines else None

        line: dict[str, Any] = wait_until(find, f"The log of {request_id}")
        return line

    def count_requests(self, path: str) -> int:
        """Return the number of requests that the web server has logged."""
        return self.web.output().count(f"GET {path} ")

    def test_well_formed_request_id_is_passed_on_and_another_is_replaced(self) -> None:
        response, _ = self.get("/products", X_Request_ID=REQUEST_ID)
        assert response.headers["X-Request-ID"] == REQUEST_ID
        for sent in ("short", "two words of a client", "a" * 65, "a@example.com"):
            response, _ = self.get("/products?search=secret", X_Request_ID=sent)
            made = response.headers["X-Request-ID"]
            assert len(made) == 32
            self.wait_for_web_log(made)
            self.wait_for_access_log(made)

    def test_log_has_no_query_string_and_no_address(self) -> None:
        self.get("/products?search=secret", X_Request_ID="request-in-the-log")
        line = self.wait_for_access_log("request-in-the-log")
        assert line["message"] == "GET /products 200"
        assert not {"secret", "127.0.0.1"} & set(json.dumps(line).replace("=", " ").split())

    def test_client_has_one_address_whatever_it_claims(self) -> None:
        def count_left(source: str, claimed: str) -> int:
            response, _ = send(self.connect(source), "/products", X_Forwarded_For=claimed)
            return int(response.headers["RateLimit"].split(";")[1].removeprefix("r="))

        before = count_left("127.0.0.2", "")
        assert count_left("127.0.0.2", "198.51.100.7") == before - 1
        assert count_left("127.0.0.2", "198.51.100.8, 198.51.100.9") == before - 2
        assert count_left("127.0.0.3", "127.0.0.2") == before

    def test_body_of_the_maximum_size_reaches_the_shop_and_a_larger_one_is_refused(self) -> None:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        headers = {"Content_Type": "application/json"}
        response, body = send(self.connect(), "/products", b" " * limit, **headers)
        assert (response.status, json.loads(body)["code"]) == (400, "MALFORMED")
        response, body = send(self.connect(), "/products", b" " * (limit + 1), **headers)
        assert response.status == 413
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["Cache-Control"] == "no-store"
        assert json.loads(body) == make_problem(
            ErrorCode.TOO_LARGE, "The request body is too large.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        )

    def test_large_upload_in_the_admin_is_refused_by_the_shop(self) -> None:
        response, body = send(
            self.connect(),
            "/admin/catalog/product/add/",
            b" " * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1),
            Content_Type="multipart/form-data; boundary=x",
        )
        assert response.status in (403, 413)
        assert b"nginx" not in body
        self.wait_for_web_log(response.headers["X-Request-ID"])
        assert settings.STAFF_UPLOAD_MAX_BYTES == 256 * 1024 * 1024
        assert "client_max_body_size 256m;" in (CONFIGURATION / "locations.conf").read_text()

    def test_metrics_are_not_public(self) -> None:
        token = f"Bearer {TOKEN}"
        direct = HTTPConnection("127.0.0.1", self.web.port, timeout=60)
        self.addCleanup(direct.close)
        assert send(direct, "/metrics", Authorization=token)[0].status == 200
        for path in ("/metrics", "//metrics", "/%6Detrics", "/x/../metrics"):
            response, body = self.get(path, Authorization=token)
            assert response.status == 404
            assert json.loads(body) == make_problem(
                ErrorCode.NOT_FOUND, "This URL does not exist.", HTTPStatus.NOT_FOUND
            )

    def test_responses_are_compressed_and_revalidated(self) -> None:
        plain, text = self.get("/openapi.json")
        assert "Content-Encoding" not in plain.headers
        response, body = self.get("/openapi.json", Accept_Encoding="gzip")
        assert response.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in response.headers["Vary"]
        assert len(body) < len(text) / 3
        for tag in (
            self.get("/products")[0].headers["ETag"],
            "W/" + self.get("/products")[0].headers["ETag"],
        ):
            response, body = self.get("/products", If_None_Match=tag, Accept_Encoding="gzip")
            assert (response.status, body) == (304, b"")

    def test_pages_of_the_admin_are_not_compressed(self) -> None:
        response, body = self.get("/admin/login/", Accept_Encoding="gzip")
        assert response.status == 200
        assert len(body) > 1000
        assert "Content-Encoding" not in response.headers

    def test_static_files_are_stored_with_a_request_id_for_each_response(self) -> None:
        first, content = self.get(STATIC_FILE, X_Request_ID="first-request")
        self.wait_for_web_log("first-request")
        reached = self.count_requests(STATIC_FILE)
        second, again = self.get(STATIC_FILE, X_Request_ID="second-request")
        assert (first.status, second.status) == (200, 200)
        assert content == again
        assert self.count_requests(STATIC_FILE) == reached
        assert [response.headers.get_all("X-Request-ID") for response in (first, second)] == [
            ["first-request"],
            ["second-request"],
        ]
        response, _ = self.get(STATIC_FILE, If_Modified_Since=first.headers["Last-Modified"])
        assert response.status == 304

    def test_responses_about_a_viewer_are_not_stored(self) -> None:
        for request_id in ("first-cart", "second-cart"):
            assert self.get("/cart", X_Request_ID=request_id)[0].status == 200
            self.wait_for_web_log(request_id)

    def test_connections_to_the_shop_are_kept_open(self) -> None:
        connection = self.connect()
        for _ in range(20):
            assert send(connection, "/health/live")[0].status == 200
        assert self.nginx.process
        workers = psutil.Process(self.nginx.process.pid).children()
        kept = [
            link
            for worker in workers
            for link in worker.net_connections()
            if link.raddr and link.raddr.port == self.web.port and link.status == psutil.CONN_ESTABLISHED
        ]
        assert 1 <= len(kept) <= 16 * len(workers)

    def test_health_check_of_the_container_does_not_need_the_shop(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.nginx.health_port, timeout=60)
        self.addCleanup(connection.close)
        assert send(connection, "/health")[0].status == 200


@contextmanager
def run_echo_server() -> Iterator[str]:
    """Run a server that returns the headers of each request, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content = json.dumps(dict(self.headers.items())).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def run_nginx(shop: str, template: str) -> Iterator[Nginx]:
    nginx = Nginx(shop, template=template)
    nginx.write_configuration()
    try:
        authority = trustme.CA()
        certificate = authority.issue_cert(HOST)
        (nginx.root / "certificates").mkdir()
        certificate.private_key_pem.write_to_path(nginx.root / "certificates/privkey.pem")
        for part in certificate.cert_chain_pems:
            part.write_to_path(nginx.root / "certificates/fullchain.pem", append=True)
        authority.cert_pem.write_to_path(nginx.root / "authority.pem")
        nginx.start()
        yield nginx
    finally:
        nginx.stop()


@pytest.mark.parametrize("template", ["http.conf.template", "https.conf.template"])
def test_nginx_accepts_the_configuration(template: str) -> None:
    with run_nginx("127.0.0.1:9", template) as nginx:
        checked = nginx.check()
        assert checked.returncode == 0, checked.stderr
        (nginx.root / "locations.conf").write_text("no_directive;")
        assert "no_directive" in nginx.check().stderr


def test_documented_upstream_of_several_hosts_is_accepted() -> None:
    (upstream,) = re.findall(r"```nginx\n(upstream .*?)```", OPERATIONS.read_text(), re.DOTALL)
    with run_nginx("127.0.0.1:9", "https.conf.template") as nginx:
        servers = nginx.root / "tmp/server.conf"
        replaced, count = re.subn(r"upstream shop \{.*?\n\}\n", "", servers.read_text(), flags=re.DOTALL)
        assert count == 1
        servers.write_text(re.sub(r"web\d\.internal", "127.0.0.1", upstream) + replaced)
        checked = nginx.check()
        assert checked.returncode == 0, checked.stderr


def test_stopped_shop_is_reported_by_a_problem_document() -> None:
    with run_nginx("127.0.0.1:9", "http.conf.template") as nginx:
        connection = HTTPConnection("127.0.0.1", nginx.port, timeout=60)
        response, body = send(connection, "/products", X_Request_ID=REQUEST_ID)
        connection.close()
    assert response.status == 503
    assert response.headers["Retry-After"] == str(UNAVAILABLE_RETRY_SECONDS)
    assert response.headers["X-Request-ID"] == REQUEST_ID
    assert json.loads(body) == make_problem(
        ErrorCode.UNAVAILABLE, str(SERVICE_UNAVAILABLE), HTTPStatus.SERVICE_UNAVAILABLE
    )


@pytest.mark.parametrize(("claimed", "scheme"), [("https", "https"), ("http", "http"), ("ftp", "http")])
def test_proxy_before_nginx_can_terminate_tls(claimed: str, scheme: str) -> None:
    with run_echo_server() as shop, run_nginx(shop, "http.conf.template") as nginx:
        connection = HTTPConnection("127.0.0.1", nginx.port, timeout=60)
        _, body = send(
            connection, "/", X_Forwarded_Proto=claimed, X_Forwarded_For="198.51.100.7", Host=f"{HOST}:8000"
        )
        connection.close()
    headers = json.loads(body)
    assert headers["X-Forwarded-Proto"] == scheme
    assert headers["X-Forwarded-For"] == "198.51.100.7, 127.0.0.1"
    # Django compares it with the origin of a form.
    assert headers["Host"] == f"{HOST}:8000"


def test_tls_server_redirects_from_http_and_serves_challenges() -> None:
    with run_echo_server() as shop, run_nginx(shop, "https.conf.template") as nginx:
        challenges = nginx.root / "acme/.well-known/acme-challenge"
        challenges.mkdir(parents=True)
        (challenges / "token").write_text("answer")
        connection = HTTPConnection("127.0.0.1", nginx.port, timeout=60)
        response, body = send(connection, "/.well-known/acme-challenge/token")
        assert (response.status, body) == (200, b"answer")
        response, _ = send(connection, "/p/mug?a=1", Host=HOST)
        connection.close()
        assert (response.status, response.headers["Location"]) == (301, f"https://{HOST}/p/mug?a=1")
        context = ssl.create_default_context(cafile=str(nginx.root / "authority.pem"))
        secure = HTTPSConnection("localhost", nginx.tls_port, timeout=60, context=context)
        # The certificate is that of the host, so the connection must name it.
        secure.sock = context.wrap_socket(
            socket.create_connection(("127.0.0.1", nginx.tls_port), timeout=60), server_hostname=HOST
        )
        _, body = send(secure, "/", Host=HOST)
        secure.close()
        headers = json.loads(body)
        assert headers["X-Forwarded-Proto"] == "https"
        context.set_alpn_protocols(["h2", "http/1.1"])
        with context.wrap_socket(
            socket.create_connection(("127.0.0.1", nginx.tls_port), timeout=60), server_hostname=HOST
        ) as connected:
            assert connected.selected_alpn_protocol() == "h2"
