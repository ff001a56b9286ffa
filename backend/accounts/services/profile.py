"""What people change about themselves, and leaving."""

import unicodedata

from django.db import transaction

from backend.accounts.models import User
from backend.accounts.services.checks import check_language
from backend.accounts.services.credentials import (
    account_of,
    lock_unchanged,
    require_password,
    signed_in,
)
from backend.core.errors import Forbidden, Invalid, TooLong
from backend.core.viewer import Viewer
from backend.notifications.services import forget_emails

MAX_NAME_LENGTH = 150


def update_account(*, viewer: Viewer, name: str | None = None, language: str | None = None) -> User:
    """Change what the viewer told about themselves and return the account; None leaves a thing.

    Raises:
        Unauthenticated: nobody is logged in.
        Invalid, TooLong: for what is not fit.
    """
    user_id, _ = signed_in(viewer)
    changes = {}
    if name is not None:
        if len(name) > MAX_NAME_LENGTH:
            raise TooLong(f"A name has at most {MAX_NAME_LENGTH} characters.", field="name")
        if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in name):
            raise Invalid("A name is one line without control characters.", field="name")
        changes["name"] = name.strip()
    if language is not None:
        check_language(language)
        changes["language"] = language
    if changes:
        User.objects.filter(pk=user_id).update(**changes)
    return account_of(user_id)


def delete_account(*, viewer: Viewer, password: str) -> None:
    """Delete the viewer's account and everything that is personal, the mails to its address too.

    Raises:
        Unauthenticated: nobody is logged in.
        Forbidden: of staff, who are deleted in the admin: what they did there names them.
        WrongCredentials: the password is wrong.
        RateLimited: too many tries at it.
    """
    user_id, _ = signed_in(viewer)
    user = account_of(user_id)
    if user.is_staff:
        raise Forbidden("Accounts of staff are deleted in the admin.")
    require_password(user, password, field="password")
    with transaction.atomic():
        lock_unchanged(user, field="password")
        forget_emails(recipient=user.email)
        user.delete()
