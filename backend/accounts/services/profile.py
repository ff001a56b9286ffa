"""Update and delete the viewer's own account."""

import unicodedata
from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from backend.accounts.models import User
from backend.accounts.services.credentials import (
    lock_account,
    require_account,
    require_password,
    require_session,
)
from backend.accounts.services.validation import validate_language
from backend.core.db import atomic_or_conflict
from backend.core.errors import (
    Forbidden,
    Invalid,
    ShopError,
    TooLong,
    collect_errors,
    raise_collected,
)
from backend.core.text import clean_line
from backend.core.viewer import Viewer
from backend.notifications.services import delete_emails

MAX_NAME_LENGTH = 150


def update_account(
    *,
    viewer: Viewer,
    name: str | None = None,
    language: str | None = None,
    is_language_reset: bool = False,
) -> User:
    """Update the viewer's account and return it. Parameters that are None stay unchanged.

    Args:
        language: of messages and mails, "ru" or "en".
        is_language_reset: whether the account is to have no language, so that messages follow the browser.

    Raises:
        Unauthenticated: the viewer is a guest.
        Invalid, TooLong: a value is not acceptable.
    """
    user_id, _session_id = require_session(viewer)
    changes = {}
    errors: list[ShopError] = []
    if name is not None:
        with collect_errors(errors):
            changes["name"] = _validate_name(name)
    if language is not None:
        with collect_errors(errors):
            validate_language(language)
            changes["language"] = language
    elif is_language_reset:
        changes["language"] = ""
    raise_collected(errors)
    if changes:
        User.objects.filter(pk=user_id).update(**changes)
    return require_account(user_id)


def change_language(*, user_id: int, language: str) -> None:
    """Change the language of an account.

    Args:
        language: of messages, mails and the admin, "ru" or "en".

    Raises:
        Invalid: the language is not supported.
    """
    validate_language(language)
    User.objects.filter(pk=user_id).update(language=language)


def _validate_name(name: str) -> str:
    """Return a name in its stored form.

    Raises:
        Invalid, TooLong: it is not acceptable.
    """
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in name):
        raise Invalid(_("name must not contain line breaks or control characters."), field="name")
    name = clean_line(name)
    if len(name) > MAX_NAME_LENGTH:
        raise TooLong(
            _("name must have at most %(maximum)s characters."),
            field="name",
            params={"maximum": MAX_NAME_LENGTH},
        )
    return name


def lock_carts(user_ids: Iterable[int]) -> None:
    """Lock the carts of accounts that this transaction has locked and will delete.

    The deletion deletes the lines of a cart before the cart. Shoppers lock the cart before its lines, so
    without this lock both would wait for each other.
    """
    # The relation is named instead of the model, because accounts must not import carts. The filter makes the
    # join an inner one; PostgreSQL cannot lock the nullable side of an outer join.
    accounts = User.objects.filter(pk__in=user_ids, cart__isnull=False).select_related("cart")
    list(accounts.select_for_update(of=["cart"]).order_by("cart__pk"))


def delete_account(*, viewer: Viewer, password: str) -> None:
    """Delete the viewer's account with all personal data, including the mails to its address.

    Raises:
        Unauthenticated: the viewer is a guest.
        Forbidden: the viewer is staff. The admin's history names staff, so they are deleted in the admin.
        WrongCredentials: the password is wrong.
        RateLimited: there were too many attempts.
        Conflict: other requests change the same data.
    """
    user_id, _session_id = require_session(viewer)
    user = require_account(user_id)
    if user.is_staff:
        raise Forbidden(_("Staff accounts can be deleted only in the admin."))
    require_password(user, password, field="password")
    _delete_account(user)


@atomic_or_conflict
def _delete_account(user: User) -> None:
    # `Model.delete` clears the primary key of the object, which a retry needs.
    locked = lock_account(user, field="password")
    lock_carts([locked.pk])
    delete_emails(recipient=locked.email)
    locked.delete()
