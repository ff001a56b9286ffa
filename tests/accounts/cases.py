"""Test cases and helpers for tests of accounts."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TypeVar
from uuid import uuid4

from django.db import connection
from django.db.models import F
from django.test import TestCase, TransactionTestCase, override_settings

from backend.accounts import services
from backend.accounts.codes import Purpose, create_code
from backend.accounts.models import User
from backend.accounts.services import TokenPair
from backend.core.redis import PREFIX, get_redis_client
from backend.notifications.models import OutgoingEmail
from tests.accounts.apis import GraphQL, Rest
from tests.support.worker import MAX_SECONDS, MailServer, Worker, wait_until

T = TypeVar("T")

PASSWORD = "correct horse battery"
OTHER_PASSWORD = "an entirely new staple"
# Argon2 is slow by design, and few tests depend on it.
FAST_HASHER = override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])


def clear_redis() -> None:
    """Delete the keys of the shop and the queued tasks from this process's Valkey database.

    Other keys stay, because a running worker has registered its queues there.
    """
    redis = get_redis_client()
    # The queues of the other priorities have names that begin with the first one's.
    keys = [*redis.scan_iter(f"{PREFIX}*"), *redis.scan_iter("celery*"), "unacked", "unacked_index"]
    redis.delete(*keys)


def clear_rate_limits() -> None:
    """Clear the counts of all rate limits."""
    redis = get_redis_client()
    for key in redis.scan_iter(f"{PREFIX}limit*"):
        redis.delete(key)


def skip_email_interval() -> None:
    """Wait until all mails are finished, then date those that were sent one minute back."""
    waiting = OutgoingEmail.objects.filter(status__in=OutgoingEmail.WAITING)
    wait_until(lambda: not waiting.exists(), "all mails to be finished")
    OutgoingEmail.objects.update(sent_at=F("sent_at") - timedelta(minutes=1))


def make_user(email: str = "vera@example.com", password: str = PASSWORD, **fields: object) -> User:
    """Create a user with a confirmed address."""
    return User.objects.create_user(email, password, **fields)


def make_unconfirmed_user(email: str = "vera@example.com", password: str = PASSWORD) -> User:
    """Create a user with an unconfirmed address."""
    user = make_user(email, password)
    user.status.verified = False
    user.status.save()
    return user


def new_code(purpose: Purpose, email: str) -> str:
    """Create the code of a new mail as the worker does."""
    return create_code(purpose, email, User.objects.get(email=email.lower()).password, new_message_id())


def new_message_id() -> str:
    """Return the Message-ID of a mail that no other test has."""
    return f"<{uuid4()}@example.com>"


def log_in(user: User, password: str = PASSWORD) -> TokenPair:
    """Open a session without leaving a count in the rate limits."""
    pair = services.log_in(email=user.email, password=password, address="192.0.2.1")
    clear_rate_limits()
    return pair


@FAST_HASHER
class AccountCase(TestCase):
    """Tests that each run in one transaction, which publishes no mail."""

    def setUp(self) -> None:
        clear_redis()
        self.graphql = GraphQL()
        self.rest = Rest()
        self.apis = [self.graphql, self.rest]


@FAST_HASHER
class WorkerCase(TransactionTestCase):
    """Tests with a worker process and a mail server, both shared by the class."""

    mail_server: MailServer
    worker: Worker

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        clear_redis()
        cls.make_services()
        cls.addClassCleanup(cls.mail_server.stop)
        cls.addClassCleanup(cls.worker.stop)
        cls.mail_server.start()
        cls.worker.start()

    @classmethod
    def make_services(cls) -> None:
        """Create the mail server and the worker. Subclasses override it to create others."""
        cls.mail_server = MailServer()
        cls.worker = Worker(cls.mail_server)

    def setUp(self) -> None:
        clear_redis()
        self.mail_server.clear()
        if not self.worker.is_running():
            self.worker.start()
        self.graphql = GraphQL()
        self.rest = Rest()
        self.apis = [self.graphql, self.rest]


@FAST_HASHER
class ThreadCase(TransactionTestCase):
    """Tests with threads and without a worker."""

    def setUp(self) -> None:
        clear_redis()
        self.graphql = GraphQL()
        self.rest = Rest()
        self.apis = [self.graphql, self.rest]


def run_in_parallel(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make all calls at the same time in threads and return their results.

    Raises:
        Exception: raised by one of the calls.
    """
    start = Barrier(len(calls))

    def call(number: int) -> T:
        try:
            start.wait(MAX_SECONDS)
            return calls[number]()
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=len(calls)) as threads:
        return list(threads.map(call, range(len(calls)), timeout=MAX_SECONDS))
