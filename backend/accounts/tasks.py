"""The mails of accounts, and forgetting what is over."""

from celery import shared_task
from django.utils import timezone

from backend.accounts.codes import LIFETIME_SECONDS, Purpose, make_code
from backend.accounts.models import Session, User
from backend.notifications.letters import render_letter
from backend.notifications.models import OutgoingEmail
from backend.notifications.services import Letter, send_email


@shared_task(name="accounts.send_confirmation_code")
def send_confirmation_code(*, email_id: int) -> None:
    """Make a confirmation code and mail it, while there is a registration that waits for one."""
    send_email(
        email_id=email_id, write=lambda email: _code_letter(email, Purpose.CONFIRMATION, verified=False)
    )


@shared_task(name="accounts.send_password_reset_code")
def send_password_reset_code(*, email_id: int) -> None:
    """Make a code for a new password and mail it."""
    send_email(
        email_id=email_id, write=lambda email: _code_letter(email, Purpose.PASSWORD_RESET, verified=True)
    )


@shared_task(name="accounts.send_already_registered")
def send_already_registered(*, email_id: int) -> None:
    """Tell the owner of an address that somebody tried to register with it."""
    send_email(email_id=email_id, write=lambda email: render_letter("already-registered", email.language, {}))


@shared_task(name="accounts.forget_ended_sessions")
def forget_ended_sessions() -> None:
    """Delete the sessions whose refresh token has expired."""
    Session.objects.filter(expires_at__lte=timezone.now()).delete()


def _code_letter(email: OutgoingEmail, purpose: Purpose, *, verified: bool) -> Letter | None:
    user = User.objects.filter(email=email.recipient, is_active=True, status__verified=verified).first()
    if user is None:
        return None
    code = make_code(purpose, email.recipient, user.password)
    return render_letter(purpose.value, email.language, {"code": code, "minutes": LIFETIME_SECONDS // 60})
