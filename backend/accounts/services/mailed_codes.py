"""Codes between the mail and the account that they are for."""

from datetime import timedelta

from django.db import transaction

from backend.accounts.codes import Purpose, WrongCode, spend_code
from backend.accounts.emails import normal_email
from backend.accounts.models import User
from backend.accounts.services.limits import count_mail
from backend.notifications.services import queue_email

# For each kind of mail to one address; what comes sooner waits for the minute's end.
MAIL_EVERY = timedelta(minutes=1)

_TASKS = {
    Purpose.CONFIRMATION: "accounts.send_confirmation_code",
    Purpose.PASSWORD_RESET: "accounts.send_password_reset_code",
}


def mail_code(purpose: Purpose, *, email: str, address: str) -> None:
    """Queue a mail with a code; the worker finds out whether there is anybody to send it to.

    What is done here is the same for every address, so that its time tells nothing.

    Raises:
        Invalid, TooLong, RateLimited, Unavailable: as for `register`.
    """
    email = normal_email(email)
    count_mail(email, address)
    language = User.objects.filter(email=email).values_list("language", flat=True).first()
    with transaction.atomic():
        queue_email(
            task=_TASKS[purpose], recipient=email, language=language or "en", at_most_every=MAIL_EVERY
        )


def use_code(purpose: Purpose, email: str, code: str, user: User | None) -> None:
    """Use a code up; last in its transaction, so that what fails before leaves the code good.

    Args:
        user: whom it is for, locked, as read before the change; None lets no code fit.

    Raises:
        WrongCode, Unavailable: the transaction is rolled back.
    """
    spend_code(purpose, email, code, user.password if user is not None else "")
    if user is None:
        raise WrongCode("There is nothing that this code could be for.", field="code")
