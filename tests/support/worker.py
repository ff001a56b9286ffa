"""A Celery worker process and an SMTP server for tests that deliver mails."""

import asyncio
import email.policy
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiosmtpd.controller import Controller
from django.conf import settings

from backend.embedded import processes
from tests.support.ports import find_free_port

# Seconds that a worker may take on a busy machine before the test fails.
MAX_SECONDS = 30


def wait_until(condition: Callable[[], Any], event: str, *, max_seconds: float = MAX_SECONDS) -> Any:
    """Call `condition` until its result is true and return the result. Fail after `max_seconds` seconds."""
    deadline = time.monotonic() + max_seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"timed out after {max_seconds} seconds waiting for: {event}"
        time.sleep(0.02)
    return result


class MailServer:
    """An SMTP server with a fixed port that can be stopped, refuse mails or never respond.

    Attributes:
        mails: the accepted mails.
        refusal: the response to every mail instead of 250, such as "451 Later".
        refused_recipients: responses by recipient, such as "550 Unknown".
        stall: never respond to a mail.
        stalled: set when a mail has arrived while `stall` is on.
        before_answer: called in a thread when a mail has been accepted.
        options: further arguments of aiosmtpd's Controller.
    """

    def __init__(self) -> None:
        self.port = find_free_port()
        self.options: dict[str, Any] = {}
        self.mails: list[EmailMessage] = []
        self.refusal: str | None = None
        self.refused_recipients: dict[str, str] = {}
        self.stall = False
        self.stalled = threading.Event()
        self.before_answer: Callable[[], object] = lambda: None
        self._controller: Controller | None = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that lead to the server."""
        return {
            "SMTP_SERVER_ADDR": "127.0.0.1",
            "SMTP_PORT": str(self.port),
            "SMTP_SECURITY": "none",
            "SMTP_FROM_MAIL": "shop@example.com",
        }

    def start(self) -> None:
        """Start or restart the server."""
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, enable_SMTPUTF8=True, **self.options
        )
        self._controller.start()

    def stop(self) -> None:
        """Stop listening, so that connections are refused."""
        if self._controller:
            self._controller.stop()
            self._controller = None

    def clear(self) -> None:
        """Reset the server and start it if it is stopped."""
        self.mails.clear()
        self.refusal = None
        self.refused_recipients.clear()
        self.stall = False
        self.stalled.clear()
        self.before_answer = lambda: None
        if not self._controller:
            self.start()

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.refused_recipients:
            return self.refused_recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 Known"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.stall:
            self.stalled.set()
            await asyncio.sleep(3600)
        if self.refusal:
            return self.refusal
        mail = BytesParser(EmailMessage, policy=email.policy.default).parsebytes(envelope.content)
        assert envelope.rcpt_tos == [address.addr_spec for address in mail["To"].addresses]
        self.mails.append(mail)
        await asyncio.to_thread(self.before_answer)
        return "250 Kept"

    def list_mails_to(self, recipient: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if mail["To"] == recipient]

    def wait_for_mail(self, recipient: str, *, count: int = 1) -> EmailMessage:
        """Wait for the mail with this number to a recipient and return it. Fail if there are more."""
        wait_until(lambda: len(self.list_mails_to(recipient)) >= count, f"Mail number {count} to {recipient}")
        mails = self.list_mails_to(recipient)
        assert len(mails) == count, f"{len(mails)} mails instead of {count}"
        return mails[-1]


def get_text(mail: EmailMessage) -> str:
    """Return the plain text part of a mail."""
    part = mail.get_body(("plain",))
    assert isinstance(part, EmailMessage)
    return str(part.get_content())


def get_html(mail: EmailMessage) -> str:
    """Return the HTML part of a mail."""
    part = mail.get_body(("html",))
    assert isinstance(part, EmailMessage)
    return str(part.get_content())


def find_code(mail: EmailMessage) -> str:
    """Return the six-digit code in the plain text of a mail."""
    (code,) = set(re.findall(r"(?<!\d)\d{6}(?!\d)", get_text(mail)))
    return str(code)


# A single process starts faster.
SOLO = (
    *("celery", "--app", "backend.config.celery", "worker", "--pool", "solo", "--loglevel", "DEBUG"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
)


class Worker:
    """A Celery worker process on the test's database and Valkey.

    It logs at level DEBUG, so that tests can check that secrets are not logged.

    Args:
        mail_server: receives its mails; None for the mail sink of the tests.
        command: the arguments of ``python -m``.
        code: the directory of the code; None for the code of the test.
        environment: variables that differ from the test's environment.
    """

    def __init__(
        self,
        mail_server: MailServer | None,
        *,
        command: Sequence[str] = SOLO,
        code: Path | None = None,
        **environment: str,
    ) -> None:
        self._command = command
        self._code = code
        self._environment = environment
        self._directory = TemporaryDirectory()
        self.log = Path(self._directory.name) / "worker.log"
        self.log.touch()
        self._mail_variables = mail_server.variables if mail_server else {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the worker and wait until it accepts tasks."""
        environment = {
            "DB_NAME": settings.DATABASES["default"]["NAME"],
            "LOG_LEVEL": "DEBUG",
            **self._mail_variables,
        }
        log_size = len(self.output())
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._command],
                cwd=self._code,
                # The next run finds and stops the processes of a killed run by this environment.
                env=processes.make_environment(settings.ENV.data_dir) | environment | self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = self._process
        wait_until(
            lambda: "ready." in self.output()[log_size:] or process.poll() is not None, "The worker's start"
        )
        assert process.poll() is None, self.output()[log_size:]

    def is_running(self) -> bool:
        return self._process is not None

    def stop(self) -> None:
        """Finish running tasks and stop."""
        if self._process:
            processes.stop([self._process], signal.SIGTERM)
            self._process = None

    def kill(self) -> None:
        """Kill the worker."""
        assert self._process
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(MAX_SECONDS)
        self._process = None

    def freeze(self) -> None:
        """Freeze the main process."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume the frozen main process."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def output(self) -> str:
        """Return the log."""
        return self.log.read_text(errors="replace")

    def log_matches(self, pattern: str) -> bool:
        """Return whether the log contains a regular expression."""
        return re.search(pattern, self.output()) is not None
