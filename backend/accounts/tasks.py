"""The mails of accounts, and forgetting what is over."""

from celery import shared_task
from django.db.models import Q

from backend.accounts.codes import LIFETIME_SECONDS, Purpose, make_code
from backend.accounts.models import MAY_LOG_IN, User
from backend.accounts.services import retention
from backend.notifications.letters import render_letter
from backend.notifications.models import OutgoingEmail
from backend.notifications.services import Letter, send_email

# Whose code there may be: rows are queued for every address that anybody asks for.
_WAITING = Q(is_active=True, status__verified=False, status__archived=False)
_RESETTABLE = MAY_LOG_IN & Q(is_staff=False)


@shared_task(name="accounts.send_confirmation_code")
def send_confirmation_code(*, email_id: int) -> None:
    """Make a confirmation code and mail it, while there is a registration that waits for one."""
    send_email(email_id=email_id, write=lambda email: _code_letter(email, Purpose.CONFIRMATION, _WAITING))


@shared_task(name="accounts.send_password_reset_code")
def send_password_reset_code(*, email_id: int) -> None:
    """Make a code for a new password and mail it, if there is an account that it could be for."""
    send_email(
        email_id=email_id, write=lambda email: _code_letter(email, Purpose.PASSWORD_RESET, _RESETTABLE)
    )


@shared_task(name="accounts.send_already_registered")
def send_already_registered(*, email_id: int) -> None:
    """Tell the owner of an address that somebody tried to register with it."""
    send_email(email_id=email_id, write=lambda email: render_letter("already-registered", email.language, {}))


@shared_task(name="accounts.forget_ended_sessions")
def forget_ended_sessions() -> None:
    """Delete the sessions that are over."""
    retention.forget_ended_sessions()


@shared_task(name="accounts.forget_unconfirmed_accounts")
def forget_unconfirmed_accounts() -> None:
    """Delete the registrations that nobody has confirmed."""
    retention.forget_unconfirmed_accounts()


def _code_letter(email: OutgoingEmail, purpose: Purpose, whose: Q) -> Letter | None:
    user = User.objects.filter(whose, email=email.recipient).first()
    if user is None:
        return None
    code = make_code(purpose, email.recipient, user.password)
    return render_letter(purpose.value, email.language, {"code": code, "minutes": LIFETIME_SECONDS // 60})
