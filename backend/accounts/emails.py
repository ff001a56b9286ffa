"""E-mail addresses: one spelling for each."""

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from backend.core.errors import Invalid, TooLong

MAX_EMAIL_LENGTH = 254


def normal_email(email: str) -> str:
    """Return the one spelling that an address is kept, found and written to by.

    Lower case, an ASCII part before the @, and the domain in letters rather than in its IDNA form.

    Raises:
        Invalid, TooLong: it is no address, or not in its plain form.
    """
    given = email.strip()
    email = given.lower()
    if len(email) > MAX_EMAIL_LENGTH:
        raise TooLong(f"An e-mail address has at most {MAX_EMAIL_LENGTH} characters.", field="email")
    try:
        validate_email(email)
        local, _, domain = email.rpartition("@")
        ascii_domain = domain.encode("idna").decode("ascii")
        shown_domain = ascii_domain.encode("ascii").decode("idna")
    except (ValidationError, UnicodeError):
        raise Invalid("This is not an e-mail address.", field="email") from None
    # What mail would take for another spelling of an address could be registered, and written to, at will.
    # Nor does lower case tell the letters of all alphabets apart as a mail server would.
    if not given.rpartition("@")[0].isascii():
        raise Invalid("The part before the @ has Latin letters, digits and signs only.", field="email")
    if domain not in (ascii_domain, shown_domain) or "[" in domain or '"' in local or "=?" in local:
        raise Invalid("Write the e-mail address in its plain form.", field="email")
    return f"{local}@{shown_domain}"
