"""Send the mails of accounts, and delete ended sessions and unconfirmed accounts."""

from celery import shared_task
from django.db.models import Q

from backend.accounts.codes import LIFETIME_SECONDS, Purpose, create_code
from backend.accounts.models import MAY_LOG_IN, User
from backend.accounts.services import cleanup
from backend.notifications.email_templates import render_email
from backend.notifications.models import OutgoingEmail
from backend.notifications.services import EmailContent, send_email

# Mails are enqueued for every address that a client names. These accounts are eligible for a code.
_UNCONFIRMED = Q(is_active=True, status__verified=False, status__archived=False)
_RESETTABLE = MAY_LOG_IN & Q(is_staff=False)


@shared_task(name="accounts.send_confirmation_code")
def send_confirmation_code(*, email_id: int) -> None:
    """Create a confirmation code and send it, if the account is still unconfirmed."""
    send_email(
        email_id=email_id,
        render=lambda email: _render_code_email(email, Purpose.CONFIRMATION, _UNCONFIRMED),
    )


@shared_task(name="accounts.send_password_reset_code")
def send_password_reset_code(*, email_id: int) -> None:
    """Create a password reset code and send it, if the account may reset its password."""
    send_email(
        email_id=email_id,
        render=lambda email: _render_code_email(email, Purpose.PASSWORD_RESET, _RESETTABLE),
    )


@shared_task(name="accounts.send_already_registered")
def send_already_registered(*, email_id: int) -> None:
    """Notify the owner of an account about an attempt to register its address again."""
    send_email(email_id=email_id, render=lambda email: render_email("already-registered", email.language, {}))


@shared_task(name="accounts.delete_ended_sessions")
def delete_ended_sessions() -> None:
    """Delete sessions that have expired or whose password has changed."""
    cleanup.delete_ended_sessions()


@shared_task(name="accounts.delete_unconfirmed_accounts")
def delete_unconfirmed_accounts() -> None:
    """Delete accounts that stay unconfirmed after their registration."""
    cleanup.delete_unconfirmed_accounts()


def _render_code_email(email: OutgoingEmail, purpose: Purpose, eligible: Q) -> EmailContent | None:
    user = User.objects.filter(eligible, email=email.recipient).first()
    if user is None:
        return None
    code = create_code(purpose, email.recipient, user.password, email.message_id)
    return render_email(purpose.value, email.language, {"code": code, "minutes": LIFETIME_SECONDS // 60})
