"""What is fit to be a password or a language."""

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from backend.accounts.models import User
from backend.core.errors import ErrorCode, Invalid, ShopError, TooLong

MAX_PASSWORD_LENGTH = 256


class WeakPassword(ShopError):
    """Django's password validators refuse the password."""

    code = ErrorCode.WEAK_PASSWORD


def check_language(language: str) -> None:
    """Refuse what is none of the shop's languages.

    Raises:
        Invalid: it is not.
    """
    known = [code for code, _ in settings.LANGUAGES]
    if language not in known:
        raise Invalid(f"A language is one of {', '.join(known)}.", field="language")


def check_password_strength(password: str, user: User, *, field: str) -> None:
    """Refuse a password that is too easily guessed.

    Args:
        user: whose it is to be; it must not be like their name or address.
        field: what the password is called where it is given.

    Raises:
        WeakPassword, TooLong: it is not fit.
    """
    if len(password) > MAX_PASSWORD_LENGTH:
        raise TooLong(f"A password has at most {MAX_PASSWORD_LENGTH} characters.", field=field)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise WeakPassword(" ".join(error.messages), field=field) from None
