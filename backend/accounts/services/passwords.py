"""Another password: by the old one, or by a mailed code."""

from django.contrib.auth.hashers import make_password
from django.db import transaction
from gqlauth.models import UserStatus

from backend.accounts.codes import Purpose
from backend.accounts.emails import normal_email
from backend.accounts.models import Session, User
from backend.accounts.services.checks import check_password_strength
from backend.accounts.services.credentials import (
    account_of,
    lock_unchanged,
    logged_out,
    require_password,
    signed_in,
)
from backend.accounts.services.limits import count_code
from backend.accounts.services.mailed_codes import mail_code, use_code
from backend.core.viewer import Viewer


def change_password(*, viewer: Viewer, old_password: str, new_password: str) -> None:
    """Set a new password and end the viewer's other sessions.

    Raises:
        Unauthenticated: nobody is logged in.
        WrongCredentials: the old password is wrong.
        WeakPassword, TooLong: the new one is not fit.
        RateLimited: too many tries at the old one.
    """
    user_id, session_id = signed_in(viewer)
    user = account_of(user_id)
    require_password(user, old_password, field="old_password")
    check_password_strength(new_password, user, field="new_password")
    hashed = make_password(new_password)
    with transaction.atomic():
        if lock_unchanged(user, field="old_password") is None:
            raise logged_out()
        User.objects.filter(pk=user.pk).update(password=hashed)
        Session.objects.filter(user=user).exclude(pk=session_id).delete()


def request_password_reset(*, email: str, address: str) -> None:
    """Mail a code for a new password to the owner of a confirmed account; the caller learns nothing.

    Raises:
        Invalid, TooLong, RateLimited, Unavailable: as for `register`.
    """
    mail_code(
        Purpose.PASSWORD_RESET, email, address, confirmed=True, task="accounts.send_password_reset_code"
    )


def reset_password(*, email: str, code: str, new_password: str, address: str) -> None:
    """Set a new password by the code that was mailed, and end every session.

    Raises:
        WeakPassword, TooLong: the new password is not fit; the code stays good.
        WrongCode: see `codes.spend_code`.
        Invalid, RateLimited, Unavailable: as for `register`.
    """
    email = normal_email(email)
    check_password_strength(new_password, User(email=email), field="new_password")
    count_code(email, address)
    # Before the row is locked, and for unknown addresses too: it takes its time.
    hashed = make_password(new_password)
    with transaction.atomic():
        user = User.objects.select_for_update().filter(email=email).first()
        if user is not None and not UserStatus.objects.filter(user=user, verified=True).exists():
            user = None
        if user is not None:
            User.objects.filter(pk=user.pk).update(password=hashed)
            Session.objects.filter(user=user).delete()
        use_code(Purpose.PASSWORD_RESET, email, code, user)
