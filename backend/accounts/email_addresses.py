"""Validation and normalization of e-mail addresses."""

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

from backend.core.errors import Invalid, TooLong

MAX_EMAIL_LENGTH = 254


def normalize_email(email: str) -> str:
    """Return an address in the form that the shop stores and looks up.

    It is in lower case, its local part is ASCII, and its domain is in Unicode instead of IDNA.

    Raises:
        Invalid, TooLong: the text is not an e-mail address, or has an unusual form that the shop refuses.
    """
    stripped = email.strip()
    email = stripped.lower()
    if len(email) > MAX_EMAIL_LENGTH:
        raise TooLong(
            _("An e-mail address must have at most %(maximum)s characters."),
            field="email",
            params={"maximum": MAX_EMAIL_LENGTH},
        )
    try:
        validate_email(email)
        local, _at, domain = email.rpartition("@")
        ascii_domain = domain.encode("idna").decode("ascii")
        unicode_domain = ascii_domain.encode("ascii").decode("idna")
    except (ValidationError, UnicodeError):
        raise Invalid(_("Enter a valid e-mail address."), field="email") from None
    # If an address had several accepted forms, each could be registered and receive mail again. Lower case of
    # non-ASCII letters differs between Python and mail servers.
    if not stripped.rpartition("@")[0].isascii():
        raise Invalid(_("The part before the @ must contain only ASCII characters."), field="email")
    if domain not in (ascii_domain, unicode_domain) or "[" in domain or '"' in local or "=?" in local:
        raise Invalid(
            _("The e-mail address must not contain quotes, IP addresses or encoded words."), field="email"
        )
    return f"{local}@{unicode_domain}"
