"""SMTP with STARTTLS, TLS and neither, with and without a login."""

import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trustme
from aiosmtpd.smtp import AuthResult, LoginPassword
from django.db import transaction

from backend.notifications import services
from backend.notifications.models import OutgoingEmail
from tests.accounts.cases import WorkerCase
from tests.accounts.test_mail_faults import publish_emails_now
from tests.support.worker import MailServer, Worker, wait_until

EMAIL = "vera@example.com"
SENDER = "shop@example.com"
# The address of the mail server.
HOST = "127.0.0.1"
Status = OutgoingEmail.Status


class SecureMailServer(MailServer):
    """A mail server that offers TLS and a login but requires neither, so that the client must.

    Attributes:
        password: the correct password.
        encrypted: for each received mail, whether it came over TLS.
        logins: the name and password of each attempt.
    """

    def __init__(self) -> None:
        super().__init__()
        self.password = ""
        self.encrypted: list[bool] = []
        self.logins: list[tuple[str, str]] = []

    def offer(self, security: str, certificate: trustme.LeafCert) -> None:
        """Restart with this security and certificate."""
        self.stop()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        contexts = {"starttls": {"tls_context": context}, "tls": {"ssl_context": context}, "none": {}}
        self.options = {
            **contexts[security],
            "authenticator": self._authenticate,
            "auth_require_tls": False,
        }
        self.start()

    def clear(self) -> None:
        self.encrypted.clear()
        self.logins.clear()
        super().clear()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.encrypted.append(server.transport.get_extra_info("cipher") is not None)
        return await super().handle_DATA(server, session, envelope)

    def _authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, sent: LoginPassword
    ) -> AuthResult:
        login = sent.login.decode(), sent.password.decode()
        self.logins.append(login)
        return AuthResult(success=login == (SENDER, self.password), handled=False)


class SmtpTests:
    """Tests for all values of SMTP_SECURITY, with and without a password.

    Attributes:
        security: the worker's SMTP_SECURITY.
        password: the worker's SMTP_FROM_PASSWORD.
    """

    security: str
    password = "the shop's own"
    mail_server: SecureMailServer

    @classmethod
    def make_services(cls) -> None:
        directory = TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        trusted = Path(directory.name) / "authority.pem"
        cls.authority = trustme.CA()
        cls.authority.cert_pem.write_to_path(trusted)
        cls.certificate = cls.authority.issue_cert(HOST)
        cls.mail_server = SecureMailServer()
        cls.worker = Worker(
            cls.mail_server,
            SMTP_SECURITY=cls.security,
            SMTP_FROM_PASSWORD=cls.password,
            SSL_CERT_FILE=str(trusted),
        )

    def setUp(self) -> None:
        super().setUp()
        self.mail_server.password = self.password
        self.mail_server.offer(self.security, self.certificate)

    def queue(self) -> None:
        with transaction.atomic():
            services.enqueue_email(task="accounts.send_already_registered", recipient=EMAIL, language="en")

    def assert_retry_scheduled(self, error: str) -> None:
        """Enqueue a mail and assert that its first attempt fails with this error."""
        self.queue()
        wait_until(OutgoingEmail.objects.filter(status=Status.RETRYING).exists, "the first attempt")
        mail = OutgoingEmail.objects.get()
        assert (mail.attempts, mail.last_error) == (1, error)
        assert self.mail_server.mails == []

    def assert_arrives(self) -> None:
        """Assert that the mail arrives over the expected connection."""
        mail = self.mail_server.wait_for_mail(EMAIL)
        assert mail["From"] == SENDER
        assert self.mail_server.encrypted == [self.security != "none"]
        wait_until(lambda: OutgoingEmail.objects.get().status == Status.SENT, "the mail to be sent")

    def test_mail_arrives(self) -> None:
        self.queue()
        self.assert_arrives()
        assert self.mail_server.logins == ([(SENDER, self.password)] if self.password else [])


class LoginTests(SmtpTests):
    def test_wrong_password_is_retried(self) -> None:
        self.mail_server.password = "another"
        self.assert_retry_scheduled("SMTPAuthenticationError 535")
        assert set(self.mail_server.logins) == {(SENDER, self.password)}
        assert self.password not in self.worker.output()

        self.mail_server.password = self.password
        publish_emails_now()
        self.assert_arrives()


class CertificateTests(SmtpTests):
    def assert_refused(self, security: str, certificate: trustme.LeafCert, error: str) -> None:
        """Assert that the worker sends nothing to this server, and sends the mail when it is corrected."""
        self.mail_server.offer(security, certificate)
        self.assert_retry_scheduled(error)
        assert (self.mail_server.encrypted, self.mail_server.logins) == ([], [])

        self.mail_server.offer(self.security, self.certificate)
        publish_emails_now()
        self.assert_arrives()

    def test_certificate_of_unknown_authority_is_refused(self) -> None:
        stranger = trustme.CA().issue_cert(HOST)
        self.assert_refused(self.security, stranger, "SSLCertVerificationError")

    def test_certificate_of_another_host_is_refused(self) -> None:
        others = self.authority.issue_cert("mail.example.com")
        self.assert_refused(self.security, others, "SSLCertVerificationError")


class StartTlsTest(LoginTests, CertificateTests, WorkerCase):
    security = "starttls"

    def test_server_without_starttls_is_refused(self) -> None:
        self.assert_refused("none", self.certificate, "SMTPNotSupportedError")


class StartTlsWithoutLoginTest(SmtpTests, WorkerCase):
    security = "starttls"
    password = ""


class TlsTest(LoginTests, CertificateTests, WorkerCase):
    security = "tls"

    def test_server_without_tls_is_refused(self) -> None:
        self.assert_refused("none", self.certificate, "SSLError")


class TlsWithoutLoginTest(SmtpTests, WorkerCase):
    security = "tls"
    password = ""


class PlainTest(LoginTests, WorkerCase):
    security = "none"


class PlainWithoutLoginTest(SmtpTests, WorkerCase):
    security = "none"
    password = ""
