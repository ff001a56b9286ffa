"""Account requests while Redis or PostgreSQL is down get a 503 in time and write nothing.

The shop runs in its own gunicorn process, with its own Valkey, which the test can stop.
"""

import shutil
import signal
import tempfile
import time
import unittest
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import orjson
from celery import Celery
from django.conf import settings
from django.db import transaction
from django.test import LiveServerTestCase, TransactionTestCase
from redis import Redis

from backend.accounts.codes import Purpose
from backend.accounts.models import Session, User
from backend.accounts.tokens import make_access_token
from backend.core.redis import get_redis_client
from backend.embedded import addresses, valkey
from backend.notifications import services as outbox
from backend.notifications.models import OutgoingEmail
from tests.accounts.cases import PASSWORD, AccountCase, make_unconfirmed_user, make_user, new_code
from tests.faults.test_services_down import MAX_SECONDS, dead_address, shop
from tests.support.worker import MailServer, Worker, wait_until

EMAIL = "vera@example.com"
REGISTER = (
    'mutation { accountRegister(input: {email: "vera@example.com", password: "correct horse battery"}) '
    "{ errors { code } } }"
)


def post(url: str, body: Any, **headers: str) -> tuple[int, str | None]:
    """Return the status and the error code of a response, which must arrive in time."""
    request = Request(url, orjson.dumps(body), {"Content-Type": "application/json", **headers})
    try:
        with urlopen(request, timeout=MAX_SECONDS) as response:
            status, content = response.status, response.read()
    except HTTPError as refusal:
        status, content = refusal.code, refusal.read()
    data = orjson.loads(content) if content else {}
    errors = data.get("errors") or [{}]
    return status, data.get("code") or errors[0].get("extensions", {}).get("code")


@contextmanager
def run_own_valkey() -> Iterator[tuple[Path, Any]]:
    """Run a separate Valkey and provide its data directory and its process."""
    directory = Path(tempfile.mkdtemp())
    sockets = addresses.get_socket_dir(directory)
    sockets.mkdir(mode=0o700, exist_ok=True)
    server = valkey.start(directory)
    try:
        yield directory, server
    finally:
        server.send_signal(signal.SIGCONT)
        valkey.stop(server)
        shutil.rmtree(sockets, ignore_errors=True)
        shutil.rmtree(directory)


def make_own_environment(directory: Path) -> dict[str, str]:
    """Return the environment of a process that uses this Valkey and the database of the test."""
    database = settings.DATABASES["default"]
    return {
        "DATA_DIR": str(directory),
        **addresses.get_valkey_variables(directory),
        "DB_NAME": database["NAME"],
        "DB_HOST": str(database["HOST"]),
        "DB_USER": database["USER"],
    }


class RedisStoppedTest(LiveServerTestCase):
    def assert_nothing_done(self) -> None:
        assert not User.objects.exists()
        assert not OutgoingEmail.objects.exists()

    def test_registration_is_unavailable_while_redis_is_down(self) -> None:
        with ExitStack() as running:
            directory, server = running.enter_context(run_own_valkey())
            address = running.enter_context(
                shop(SMTP_SERVER_ADDR="127.0.0.1", **make_own_environment(directory))
            )
            requests = [
                (f"{address}/auth/register", {"email": EMAIL, "password": PASSWORD}),
                (f"{address}/graphql", {"query": REGISTER}),
            ]
            # Registration works, so later refusals are caused by Redis.
            other = {"email": "other@example.com", "password": PASSWORD}
            assert post(requests[0][0], other) == (202, None)
            User.objects.all().delete()
            OutgoingEmail.objects.all().delete()

            server.send_signal(signal.SIGSTOP)
            for url, body in requests:
                with self.subTest("silent", url=url):
                    started = time.monotonic()
                    assert post(url, body) == (503, "UNAVAILABLE")
                    assert time.monotonic() - started < MAX_SECONDS
                    self.assert_nothing_done()
            server.send_signal(signal.SIGCONT)

            valkey.stop(server)
            for url, body in requests:
                with self.subTest("gone", url=url):
                    assert post(url, body) == (503, "UNAVAILABLE")
                    self.assert_nothing_done()

            server = valkey.start(directory)
            self.addCleanup(valkey.stop, server)
            for url, body in requests:
                assert post(url, body)[1] is None
            assert User.objects.get().email == EMAIL


class BrokerRestartedTest(TransactionTestCase):
    def test_worker_reconnects_to_a_restarted_broker(self) -> None:
        mail_server = MailServer()
        mail_server.start()
        self.addCleanup(mail_server.stop)
        with run_own_valkey() as (directory, server):
            socket = addresses.get_valkey_socket(directory)
            broker = Celery(set_as_current=False, broker=f"redis+socket://{socket}?virtual_host=0")
            worker = Worker(mail_server, **make_own_environment(directory))
            worker.start()
            try:
                with mock.patch("backend.core.broker.current_app", broker):
                    self.send("before@example.com", mail_server)
                    valkey.stop(server)
                    wait_until(lambda: "Connection to broker lost" in worker.output(), "The worker's notice")
                    server = valkey.start(directory)
                    self.addCleanup(valkey.stop, server)
                    self.send("after@example.com", mail_server)
            finally:
                worker.stop()

    def send(self, recipient: str, mail_server: MailServer) -> None:
        with transaction.atomic():
            outbox.enqueue_email(task="accounts.send_already_registered", recipient=recipient, language="en")
        mail_server.wait_for_mail(recipient)


class RedisDownTest(AccountCase):
    """Actions that require Redis are refused; sessions stay usable."""

    def setUp(self) -> None:
        super().setUp()
        self.pair = self.rest.log_in(make_user(EMAIL).email, PASSWORD).data
        self.code = new_code(Purpose.CONFIRMATION, make_unconfirmed_user("waiting@example.com").email)

    def test_only_actions_that_require_redis_are_unavailable(self) -> None:
        with dead_address() as address:
            gone = Redis.from_url(
                f"redis://{address.host}:{address.port}/0", retry=get_redis_client().get_retry()
            )
            with mock.patch.object(get_redis_client().connection_pool, "get_connection") as connection:
                connection.side_effect = gone.connection_pool.get_connection
                for api in self.apis:
                    for response in (
                        api.register("new@example.com", PASSWORD),
                        api.resend("waiting@example.com"),
                        api.confirm("waiting@example.com", self.code),
                        api.log_in(EMAIL, PASSWORD),
                    ):
                        assert (response.status, response.code) == (503, "UNAVAILABLE"), api.name
                    assert api.read(f"Bearer {self.pair['access_token']}").code is None
                    self.pair = api.refresh(self.pair["refresh_token"]).data
                assert self.rest.log_out(self.pair["access_token"]).code is None
        assert User.objects.count() == 2
        assert not Session.objects.exists()
        assert self.rest.confirm("waiting@example.com", self.code).code is None


class DatabaseDownTest(unittest.TestCase):
    def test_requests_are_unavailable_without_the_database(self) -> None:
        header = f"Bearer {make_access_token(user_id=1, session_id=uuid4())}"
        requests: list[tuple[str, Any]] = [
            ("/graphql", {"query": "{ me { email } }"}),
            ("/products", {}),
            ("/auth/logout", None),
        ]
        with (
            dead_address() as database,
            shop(DB_HOST=database.host, DB_PORT=str(database.port)) as address,
        ):
            for way in database.ways():
                for path, body in requests:
                    with self.subTest(path, database=way):
                        response = post(address + path, body, Authorization=header)
                        assert response == (503, "UNAVAILABLE")
                for headers in ({"Authorization": header}, {}):
                    # Rate limits do not need the database, so each request has another e-mail address.
                    email = f"{uuid4().hex}@example.com"
                    for path, body in (
                        ("/graphql", {"query": REGISTER.replace(EMAIL, email)}),
                        ("/auth/register", {"email": email, "password": PASSWORD}),
                    ):
                        with self.subTest(path, database=way, headers=list(headers)):
                            response = post(address + path, body, **headers)
                            assert response == (503, "UNAVAILABLE")
