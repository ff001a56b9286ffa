"""Mail over STARTTLS, TLS and neither, with a login and without: SMTP_SECURITY and SMTP_FROM_PASSWORD."""

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
from tests.accounts.test_mail_faults import time_has_come
from tests.worker import MailServer, Worker, wait_until

EMAIL = "vera@example.com"
SENDER = "shop@example.com"
# Where the worker finds the mail server.
HOST = "127.0.0.1"
Status = OutgoingEmail.Status


class GuardedMailServer(MailServer):
    """A mail server that offers TLS and a login and insists on neither: it is the client who must.

    Attributes:
        password: the one that is right.
        encrypted: of each mail that was received, whether it came over TLS.
        logins: each name and password that was tried.
    """

    def __init__(self) -> None:
        super().__init__()
        self.password = ""
        self.encrypted: list[bool] = []
        self.logins: list[tuple[str, str]] = []

    def offer(self, security: str, certificate: trustme.LeafCert) -> None:
        """Listen anew, with this security and certificate."""
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
        self, server: Any, session: Any, envelope: Any, mechanism: str, given: LoginPassword
    ) -> AuthResult:
        login = given.login.decode(), given.password.decode()
        self.logins.append(login)
        return AuthResult(success=login == (SENDER, self.password), handled=False)


class Sends:
    """What holds for every security, with a password and without.

    Attributes:
        security: the worker's SMTP_SECURITY.
        password: the worker's SMTP_FROM_PASSWORD.
    """

    security: str
    password = "the shop's own"
    mail_server: GuardedMailServer

    @classmethod
    def make_services(cls) -> None:
        directory = TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        trusted = Path(directory.name) / "authority.pem"
        cls.authority = trustme.CA()
        cls.authority.cert_pem.write_to_path(trusted)
        cls.certificate = cls.authority.issue_cert(HOST)
        cls.mail_server = GuardedMailServer()
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

    def assert_postponed(self, error: str) -> None:
        """Queue a mail, and see that its first attempt ends with this error."""
        self.queue()
        wait_until(lambda: OutgoingEmail.objects.get().attempts == 1, "The first attempt")
        mail = OutgoingEmail.objects.get()
        self.assertEqual((mail.status, mail.last_error), (Status.QUEUED, error))
        self.assertEqual(self.mail_server.mails, [])

    def assert_arrives(self) -> None:
        """See that the mail comes over the connection that was asked for."""
        mail = self.mail_server.wait_for_mail(EMAIL)
        self.assertEqual(mail["From"], SENDER)
        self.assertEqual(self.mail_server.encrypted, [self.security != "none"])
        wait_until(lambda: OutgoingEmail.objects.get().status == Status.SENT, "The row's end")

    def test_a_mail_arrives(self) -> None:
        self.queue()
        self.assert_arrives()
        self.assertEqual(self.mail_server.logins, [(SENDER, self.password)] if self.password else [])


class WithLogin(Sends):
    def test_a_wrong_password_postpones_the_mail(self) -> None:
        self.mail_server.password = "another"
        self.assert_postponed("SMTPAuthenticationError")
        self.assertEqual(set(self.mail_server.logins), {(SENDER, self.password)})
        self.assertNotIn(self.password, self.worker.output())

        self.mail_server.password = self.password
        time_has_come()
        self.assert_arrives()


class WithCertificate(Sends):
    def assert_refused(self, security: str, certificate: trustme.LeafCert, error: str) -> None:
        """See that the worker tells this server nothing, and the mail arrives once it is mended."""
        self.mail_server.offer(security, certificate)
        self.assert_postponed(error)
        self.assertEqual((self.mail_server.encrypted, self.mail_server.logins), ([], []))

        self.mail_server.offer(self.security, self.certificate)
        time_has_come()
        self.assert_arrives()

    def test_a_certificate_of_nobody_known_is_refused(self) -> None:
        stranger = trustme.CA().issue_cert(HOST)
        self.assert_refused(self.security, stranger, "SSLCertVerificationError")

    def test_a_certificate_for_another_host_is_refused(self) -> None:
        others = self.authority.issue_cert("mail.example.com")
        self.assert_refused(self.security, others, "SSLCertVerificationError")


class StartTls(WithLogin, WithCertificate, WorkerCase):
    security = "starttls"

    def test_a_server_that_offers_no_tls_is_refused(self) -> None:
        self.assert_refused("none", self.certificate, "SMTPNotSupportedError")


class StartTlsWithoutLogin(Sends, WorkerCase):
    security = "starttls"
    password = ""


class Tls(WithLogin, WithCertificate, WorkerCase):
    security = "tls"

    def test_a_server_that_speaks_no_tls_is_refused(self) -> None:
        self.assert_refused("none", self.certificate, "SSLError")


class TlsWithoutLogin(Sends, WorkerCase):
    security = "tls"
    password = ""


class Plain(WithLogin, WorkerCase):
    security = "none"


class PlainWithoutLogin(Sends, WorkerCase):
    security = "none"
    password = ""
