"""What every test of accounts starts from."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TypeVar

from django.db import connection
from django.db.models import F
from django.test import TestCase, TransactionTestCase, override_settings

from backend.accounts import services
from backend.accounts.codes import Purpose, create_code
from backend.accounts.models import User
from backend.accounts.services import TokenPair
from backend.core.redis import PREFIX, redis_client
from backend.notifications.models import OutgoingEmail
from tests.accounts.apis import GraphQL, Rest
from tests.worker import PATIENCE, MailServer, Worker, wait_until

T = TypeVar("T")

PASSWORD = "correct horse battery"
OTHER_PASSWORD = "an entirely new staple"
# Argon2 takes its time on purpose; few of these tests are about it.
FAST_HASHER = override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])


def forget_in_redis() -> None:
    """Delete what the shop and its queue keep in this process's Valkey database.

    Not all of it: a worker that is running has told there which queue it listens to.
    """
    redis = redis_client()
    # Each priority has a queue of its own, named after the first.
    keys = [*redis.scan_iter(f"{PREFIX}*"), *redis.scan_iter("celery*"), "unacked", "unacked_index"]
    redis.delete(*keys)


def forget_limits() -> None:
    """Begin to count tries anew, as if a day had passed."""
    redis = redis_client()
    for key in redis.scan_iter(f"{PREFIX}limit*"):
        redis.delete(key)


def let_a_minute_pass() -> None:
    """Wait until no mail is under way; those that were sent were sent a minute earlier then."""
    queued = OutgoingEmail.objects.filter(status=OutgoingEmail.Status.QUEUED)
    wait_until(lambda: not queued.exists(), "The end of all mails")
    OutgoingEmail.objects.update(sent_at=F("sent_at") - timedelta(minutes=1))


def make_user(email: str = "vera@example.com", password: str = PASSWORD, **fields: object) -> User:
    """Return a user who has confirmed the address."""
    return User.objects.create_user(email, password, **fields)


def make_waiting_user(email: str = "vera@example.com", password: str = PASSWORD) -> User:
    """Return a user who has yet to confirm the address."""
    user = make_user(email, password)
    user.status.verified = False
    user.status.save()
    return user


def new_code(purpose: Purpose, email: str) -> str:
    """Return a code as it would be mailed now."""
    return create_code(purpose, email, User.objects.get(email=email.lower()).password)


def log_in(user: User, password: str = PASSWORD) -> TokenPair:
    """Open a session, counting no try."""
    pair = services.log_in(email=user.email, password=password, address="192.0.2.1")
    forget_limits()
    return pair


@FAST_HASHER
class AccountCase(TestCase):
    """Tests in one transaction each; no mail is handed over."""

    def setUp(self) -> None:
        forget_in_redis()
        self.graphql = GraphQL()
        self.rest = Rest()
        self.apis = [self.graphql, self.rest]


@FAST_HASHER
class WorkerCase(TransactionTestCase):
    """Tests with a worker process and a mail server, which a class shares."""

    mail_server: MailServer
    worker: Worker

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        forget_in_redis()
        cls.make_services()
        cls.addClassCleanup(cls.mail_server.stop)
        cls.addClassCleanup(cls.worker.stop)
        cls.mail_server.start()
        cls.worker.start()

    @classmethod
    def make_services(cls) -> None:
        """Make the mail server and the worker; a class that needs others makes its own here."""
        cls.mail_server = MailServer()
        cls.worker = Worker(cls.mail_server)

    def setUp(self) -> None:
        forget_in_redis()
        self.mail_server.clear()
        if not self.worker.is_running():
            self.worker.start()
        self.graphql = GraphQL()
        self.rest = Rest()
        self.apis = [self.graphql, self.rest]


@FAST_HASHER
class ThreadCase(TransactionTestCase):
    """Tests of what happens at once, without a worker."""

    def setUp(self) -> None:
        forget_in_redis()
        self.graphql = GraphQL()
        self.rest = Rest()
        self.apis = [self.graphql, self.rest]


def together(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make all calls at once, each in a thread of its own, and return what they returned.

    Raises:
        Exception: what one of them raised.
    """
    start = Barrier(len(calls))

    def call(number: int) -> T:
        try:
            start.wait(PATIENCE)
            return calls[number]()
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=len(calls)) as threads:
        return list(threads.map(call, range(len(calls)), timeout=PATIENCE))
