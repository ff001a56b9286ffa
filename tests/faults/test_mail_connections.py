"""Mails while the mail server refuses connections, is silent, or loses connections."""

from django.utils import timezone

from backend.notifications.models import OutgoingEmail
from tests.accounts.cases import PASSWORD, WorkerCase
from tests.accounts.test_mail_faults import publish_emails_now
from tests.faults.test_services_down import MAX_SECONDS
from tests.support.fault_proxy import FaultProxy
from tests.support.worker import MailServer, Worker, find_code, wait_until

EMAIL = "vera@example.com"
# The commands before DATA have about 80 bytes, and the mail has more than a thousand.
MIDDLE_OF_DATA = 600


class MailConnectionTest(WorkerCase):
    proxy: FaultProxy

    @classmethod
    def make_services(cls) -> None:
        cls.mail_server = MailServer()
        cls.proxy = FaultProxy(cls.mail_server.port)
        cls.addClassCleanup(cls.proxy.stop)
        cls.worker = Worker(cls.mail_server, LOG_LEVEL="INFO", SMTP_PORT=str(cls.proxy.port))

    def setUp(self) -> None:
        super().setUp()
        self.proxy.clear()

    def register(self) -> None:
        """Register, which must not wait for the mail server."""
        started = timezone.now()
        assert self.rest.register(EMAIL, PASSWORD).code is None
        assert (timezone.now() - started).total_seconds() < MAX_SECONDS

    def wait_for_error(self) -> str:
        """Wait for the failed attempt, and return its error."""
        wait_until(OutgoingEmail.objects.filter(status="retrying").exists, "the failed attempt")
        return OutgoingEmail.objects.get().last_error

    def assert_arrives(self, count: int) -> None:
        """Assert that the mail arrives this often after the fault, with a valid code."""
        self.proxy.clear()
        publish_emails_now()
        wait_until(OutgoingEmail.objects.filter(status="sent").exists, "the mail to be sent")
        mail = self.mail_server.wait_for_mail(EMAIL, count=count)
        assert self.rest.confirm(EMAIL, find_code(mail)).code is None
        assert "Traceback" not in self.worker.output()

    def test_refused_connection(self) -> None:
        self.proxy.stop()
        self.register()
        assert self.wait_for_error() == "ConnectionRefusedError"
        self.assert_arrives(1)

    def test_silent_server(self) -> None:
        self.proxy.is_silent = True
        self.register()
        assert self.wait_for_error() == "SMTPServerDisconnected"
        self.assert_arrives(1)

    def test_connection_lost_in_the_middle_of_the_mail(self) -> None:
        self.proxy.cut_requests_after = MIDDLE_OF_DATA
        self.register()
        assert self.wait_for_error() in ("SMTPServerDisconnected", "ConnectionResetError", "BrokenPipeError")
        assert self.mail_server.mails == []
        self.assert_arrives(1)

    def test_connection_lost_before_the_answer_repeats_the_mail_with_the_same_id(self) -> None:
        """The shop cannot know whether the server has accepted the mail."""
        self.mail_server.before_answer = self.proxy.drop_connections
        self.register()
        assert self.wait_for_error() in ("SMTPServerDisconnected", "ConnectionResetError")
        self.mail_server.before_answer = lambda: None
        self.assert_arrives(2)
        first, second = self.mail_server.list_mails_to(EMAIL)
        assert first["Message-ID"] == second["Message-ID"]
        assert find_code(first) == find_code(second)
