"""Hash and check passwords in the form of RFC 8265 (OpaqueString), so that other spellings of one are equal.

Keyboards and systems compose letters differently: é can be one character or two, and a space can be wide.
"""

from collections.abc import Callable
from typing import Any

from django.contrib.auth import hashers
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from precis_i18n import get_profile

MAX_PASSWORD_LENGTH = 256

_PROFILE = get_profile("OpaqueString")


class OpaqueStringValidator:
    """Reject passwords with control characters or invisible characters, as RFC 8265 requires."""

    def validate(self, password: str, user: Any = None) -> None:
        try:
            _PROFILE.enforce(password)
        except UnicodeEncodeError:
            raise ValidationError(
                _("The password must not contain control characters or invisible characters."),
                code="password_not_opaque_string",
            ) from None

    def get_help_text(self) -> str:
        return str(_("Your password can’t contain control characters or invisible characters."))


def prepare_password(password: str) -> str:
    """Return the form of a password that is hashed: composed (NFC) and with ASCII spaces.

    It has at most `MAX_PASSWORD_LENGTH` characters. A password that the profile rejects stays as it is,
    because its hash may be older than `OpaqueStringValidator`.
    """
    # A decomposed letter has at most four characters. Longer texts would take long to prepare.
    password = password[: 4 * MAX_PASSWORD_LENGTH]
    try:
        return str(_PROFILE.enforce(password))[:MAX_PASSWORD_LENGTH]
    except UnicodeEncodeError:
        return password[:MAX_PASSWORD_LENGTH]


def hash_password(password: str) -> str:
    """Return the hash of a password, to be stored."""
    return hashers.make_password(prepare_password(password))


def matches_hash(password: str, encoded: str, upgrade: Callable[[str], None] | None = None) -> bool:
    """Return whether a password has a hash.

    Args:
        upgrade: called with the prepared password if the hash should be replaced, because it has outdated
            parameters or is the hash of the unprepared password.
    """
    prepared = prepare_password(password)
    if hashers.check_password(prepared, encoded, upgrade):
        return True
    unprepared = password[:MAX_PASSWORD_LENGTH]
    if unprepared == prepared or not hashers.check_password(unprepared, encoded):
        return False
    if upgrade:
        upgrade(prepared)
    return True


def hash_without_account(password: str) -> None:
    """Spend the time of `matches_hash` on a wrong password.

    Otherwise, the response time of a login would reveal unknown addresses.
    """
    prepared = prepare_password(password)
    hashers.make_password(prepared)
    if password[:MAX_PASSWORD_LENGTH] != prepared:
        hashers.make_password(password[:MAX_PASSWORD_LENGTH])
