"""Codes between the mail and the account that they are for."""

from django.db import transaction

from backend.accounts.codes import Purpose, WrongCode, may_send_code, spend_code
from backend.accounts.emails import normal_email
from backend.accounts.models import User
from backend.accounts.services.limits import count_mail
from backend.notifications.services import queue_email


def mail_code(purpose: Purpose, email: str, address: str, *, confirmed: bool, task: str) -> None:
    email = normal_email(email)
    count_mail(email, address)
    if not may_send_code(purpose, email):
        return
    user = User.objects.filter(email=email, is_active=True, status__verified=confirmed).first()
    if user is not None:
        with transaction.atomic():
            queue_email(task=task, recipient=email, language=user.language)


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
