"""Mail sink: mails over SMTP become files."""

from email import message_from_bytes, policy

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from tests.support.services import DATA_DIR


def test_mail_over_smtp_is_saved_as_a_file() -> None:
    before = set((DATA_DIR / "mail").glob("*.eml"))
    connection = get_connection("django.core.mail.backends.smtp.EmailBackend")

    EmailMessage(
        "Ваш код: 1234", "Здравствуйте!", "shop@example.com", ["anna@example.com"], connection=connection
    ).send()

    assert settings.EMAIL_HOST == "127.0.0.1"
    [path] = set((DATA_DIR / "mail").glob("*.eml")) - before
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert mail["Subject"] == "Ваш код: 1234"
    assert mail["To"] == "anna@example.com"
    assert "anna@example.com: Ваш код: 1234" in (DATA_DIR / "mail.log").read_text()
