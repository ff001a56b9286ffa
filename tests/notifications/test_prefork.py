"""A worker with several processes, started as it is deployed, shares no connections."""

import asyncio
import re
from collections import defaultdict
from itertools import combinations
from typing import Any

from django.db import transaction

from backend.notifications import services
from backend.notifications.models import OutgoingEmail
from tests.accounts.cases import WorkerCase, make_unconfirmed_user
from tests.support.deployed import read_deployed_command
from tests.support.worker import MailServer, Worker, find_code, wait_until

MAILS = 20
LINE = re.compile(r"(parent|child) (\d+) has database (\d+), redis (\d+)")


class MeetingMailServer(MailServer):
    """Blocks the first mail until a second one arrives, so that two processes must send."""

    def __init__(self) -> None:
        super().__init__()
        self._arrived = 0
        self._met = asyncio.Event()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self._arrived += 1
        if self._arrived == 2:
            self._met.set()
        await self._met.wait()
        return await super().handle_DATA(server, session, envelope)


class PreforkTest(WorkerCase):
    @classmethod
    def make_services(cls) -> None:
        cls.mail_server = MeetingMailServer()
        command = [*read_deployed_command("worker"), "--include=tests.notifications.forking"]
        cls.worker = Worker(cls.mail_server, command=command)

    def test_processes_send_each_mail_once_and_share_no_connection(self) -> None:
        emails = [f"vera{number}@example.com" for number in range(MAILS)]
        for email in emails:
            make_unconfirmed_user(email)
        with transaction.atomic():
            for email in emails:
                services.enqueue_email(task="accounts.send_confirmation_code", recipient=email, language="en")
        left = OutgoingEmail.objects.exclude(status=OutgoingEmail.Status.SENT)
        wait_until(lambda: not left.exists(), "the last mail")
        assert sorted(mail["To"] for mail in self.mail_server.mails) == sorted(emails)
        assert {mail.attempts for mail in OutgoingEmail.objects.all()} == {1}
        assert self.rest.confirm(emails[0], find_code(self.mail_server.wait_for_mail(emails[0]))).code is None

        self.check_connections()
        assert "Traceback" not in self.worker.output()

    def check_connections(self) -> None:
        parents, children = set(), set()
        databases, redises = defaultdict(set), defaultdict(set)
        for role, process, database, redis in LINE.findall(self.worker.output()):
            (parents if role == "parent" else children).add(process)
            databases[process].add(database)
            redises[process].add(redis)
        assert (len(parents), len(children), len(parents & children)) == (1, 2, 0)
        for one, other in combinations(databases, 2):
            assert not databases[one] & databases[other]
            assert not redises[one] & redises[other]
        # The children do not break the connections of the parent.
        [parent] = parents
        assert (len(databases[parent]), len(redises[parent])) == (1, 1)
