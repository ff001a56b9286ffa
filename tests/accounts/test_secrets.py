"""No code, password or token is stored in Redis, the database, the queue or the logs."""

import base64
import json
import logging
import re
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.db import connection
from redis import Redis

from backend.core.redis import get_redis_client
from backend.notifications.models import OutgoingEmail
from tests.accounts.cases import OTHER_PASSWORD, PASSWORD, ThreadCase, WorkerCase, make_user
from tests.support.worker import find_code

EMAIL = "vera@example.com"


def dump_redis() -> str:
    """Return all keys and values of this process's Redis database."""
    redis: Redis = get_redis_client()
    readers: dict[bytes, Callable[[bytes], Any]] = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"set": redis.smembers,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
    }
    # A key may be deleted meanwhile, because the worker takes tasks from the queue.
    found = {key: redis.type(key) for key in redis.scan_iter()}
    return "\n".join(f"{key!r} {readers[kind](key)!r}" for key, kind in found.items() if kind in readers)


def dump_database() -> str:
    """Return all rows of all tables as text."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT row::text FROM "{table}" AS row')
            found += [f"{table} {row}" for (row,) in cursor.fetchall()]
    return "\n".join(found)


class LogRecorder(logging.Handler):
    """Records all lines that this process logs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # The mail server belongs to the test.
        if not record.name.startswith(("mail.", "asyncio")):
            self.lines.append(self.format(record))


class StoredSecretsTest(WorkerCase):
    def setUp(self) -> None:
        super().setUp()
        self.watch = LogRecorder()
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(self.watch)
        self.addCleanup(root.setLevel, level)
        self.addCleanup(root.removeHandler, self.watch)

    def assert_nowhere(self, secret: str) -> None:
        places = {
            "Redis": dump_redis(),
            "the database": dump_database(),
            "the log of the worker": self.worker.output(),
            "the log of the web process": "\n".join(self.watch.lines),
        }
        for place, content in places.items():
            with self.subTest(place):
                # Digests and longer numbers can contain the digits of a code by chance.
                assert re.search(rf"(?<![0-9a-f]){re.escape(secret)}(?![0-9a-f])", content) is None

    def test_codes_are_stored_nowhere(self) -> None:
        make_user("known@example.com")
        for api in self.apis:
            email = f"{api.name.lower()}@example.com"
            api.register(email, PASSWORD)
            code = find_code(self.mail_server.wait_for_mail(email))
            self.assert_nowhere(code)
            # Prove that the search finds what is stored.
            assert "digest" in dump_redis()
            assert "sent at attempt 1" in self.worker.output()
            assert email in dump_database()
            assert api.confirm(email, code).code is None
            self.assert_nowhere(code)
        self.graphql.send("request reset", {"email": "known@example.com"})
        self.assert_nowhere(find_code(self.mail_server.wait_for_mail("known@example.com")))

    def test_passwords_and_tokens_are_stored_nowhere(self) -> None:
        self.rest.register(EMAIL, PASSWORD)
        code = find_code(self.mail_server.wait_for_mail(EMAIL))
        self.rest.confirm(EMAIL, code)
        self.rest.log_in(EMAIL, OTHER_PASSWORD)
        tokens = self.rest.log_in(EMAIL, PASSWORD).data
        newer = self.rest.refresh(tokens["refresh_token"]).data
        secrets = [PASSWORD, OTHER_PASSWORD]
        for data in (tokens, newer):
            secrets += [data["access_token"], data["refresh_token"], data["refresh_token"].partition(".")[2]]
        for secret in secrets:
            self.assert_nowhere(secret)
        # Redis and the logs do not contain addresses.
        assert EMAIL not in dump_redis()
        assert EMAIL not in "\n".join(line for line in self.watch.lines if "SELECT" not in line)


class BrokerMessageTest(ThreadCase):
    def test_broker_message_contains_only_the_email_id(self) -> None:
        """Without a worker, messages stay in the queue."""
        make_user("known@example.com")
        self.graphql.register(EMAIL, PASSWORD)
        self.rest.register("known@example.com", OTHER_PASSWORD)
        self.graphql.send("request reset", {"email": "known@example.com"})
        messages = [json.loads(message) for message in get_redis_client().lrange("celery", 0, -1)]
        assert len(messages) == 3
        mails = {mail.pk: mail for mail in OutgoingEmail.objects.all()}
        for message in messages:
            positional, named, _ = json.loads(base64.b64decode(message["body"]))
            mail = mails.pop(named["email_id"])
            assert (positional, named) == ([], {"email_id": mail.pk})
            assert message["headers"]["task"] == mail.task
            assert mail.context == {}
            for secret in (PASSWORD, OTHER_PASSWORD, "example.com"):
                assert secret not in json.dumps(message)

    def test_no_table_has_a_code_column(self) -> None:
        for label in ("accounts", "notifications"):
            for model in apps.get_app_config(label).get_models():
                assert "code" not in {field.name for field in model._meta.get_fields()}
