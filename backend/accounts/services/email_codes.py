"""Request one-time codes by e-mail and redeem them for an account."""

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from backend.accounts.codes import Purpose, WrongCode, redeem_code
from backend.accounts.email_addresses import normalize_email
from backend.accounts.models import User
from backend.accounts.services.rate_limits import hit_email_limits
from backend.core.db import run_atomic
from backend.notifications.services import enqueue_email

# The least time between two mails of the same kind to one address. A mail that is requested earlier is
# delayed.
MIN_EMAIL_INTERVAL = timedelta(minutes=1)

_TASKS = {
    Purpose.CONFIRMATION: "accounts.send_confirmation_code",
    Purpose.PASSWORD_RESET: "accounts.send_password_reset_code",
}


def enqueue_code_email(purpose: Purpose, *, email: str, address: str) -> None:
    """Enqueue a mail with a code. The task skips it if no account is eligible.

    The work is the same for every address, so that the response time does not reveal which accounts exist.

    Raises:
        Invalid, TooLong, RateLimited, Unavailable: as for `register_account`.
    """
    email = normalize_email(email)
    hit_email_limits(email, address)
    language = User.objects.filter(email=email).values_list("language", flat=True).first()
    run_atomic(
        lambda: enqueue_email(
            task=_TASKS[purpose],
            recipient=email,
            language=language or "",
            min_interval=MIN_EMAIL_INTERVAL,
        ),
        name="enqueue_code_email",
    )


def redeem_account_code(purpose: Purpose, email: str, code: str, user: User | None) -> User:
    """Redeem a code for an account, and return the account.

    Call it last in the transaction, so that an earlier error keeps the code valid.

    Args:
        user: the locked account as read before the change; None if no account is eligible, which no code
            can match.

    Raises:
        WrongCode, Unavailable: the transaction must be rolled back.
    """
    redeem_code(purpose, email, code, user.password if user is not None else "")
    if user is None:
        raise WrongCode(_("The code is wrong or has expired. Request a new one."), field="code")
    return user
