"""Validation of passwords and languages."""

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from backend.accounts.models import User
from backend.accounts.password_hashing import MAX_PASSWORD_LENGTH
from backend.core.errors import ErrorCode, Invalid, ShopError, TooLong
from backend.core.request_language import use_request_language


class WeakPassword(ShopError):
    """Django's password validators reject the password."""

    code = ErrorCode.WEAK_PASSWORD


def validate_language(language: str) -> None:
    """Check that a language code is one of LANGUAGES.

    Raises:
        Invalid: it is not.
    """
    codes = [code for code, name in settings.LANGUAGES]
    if language not in codes:
        raise Invalid(
            _("language must be one of: %(codes)s."), field="language", params={"codes": ", ".join(codes)}
        )


def validate_new_password(password: str, user: User, *, field: str) -> None:
    """Check the length and the strength of a new password.

    Args:
        user: the owner; the password must not resemble the owner's name or address.
        field: the name of the parameter in the request.

    Raises:
        WeakPassword, TooLong: the password is not acceptable.
    """
    if len(password) > MAX_PASSWORD_LENGTH:
        raise TooLong(
            _("A password must have at most %(maximum)s characters."),
            field=field,
            params={"maximum": MAX_PASSWORD_LENGTH},
        )
    # Django's validators render their messages at once.
    with use_request_language():
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise WeakPassword(" ".join(error.messages), field=field) from None
