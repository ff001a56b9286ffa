"""Check the signatures of payment notices."""

import hashlib
import hmac
import re
import time

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from backend.core.errors import Forbidden

# The maximum difference between the clocks of the shop and a provider, and the age of a notice.
MAX_AGE_SECONDS = 300

_TIMESTAMP = re.compile("[0-9]{1,12}")


def require_signature(provider: str, message: bytes, signature: str) -> None:
    """Check the HMAC-SHA256 of a message with the secret of a provider, in constant time.

    Args:
        provider: a name in `PAYMENT_SECRETS`.
        signature: in hexadecimal digits.

    Raises:
        Forbidden: the signature is wrong.
    """
    key = settings.PAYMENT_SECRETS[provider].encode()
    expected = hmac.new(key, message, hashlib.sha256).hexdigest()
    # Bytes, because texts that are not ASCII cannot be compared.
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogateescape")):
        raise Forbidden(_("The signature is wrong."))


def require_recent(timestamp: str) -> None:
    """Check that a signed timestamp is at most `MAX_AGE_SECONDS` away from now.

    Args:
        timestamp: whole seconds since 1970.

    Raises:
        Forbidden: the timestamp is malformed, too old or too far in the future.
    """
    if not _TIMESTAMP.fullmatch(timestamp) or abs(time.time() - int(timestamp)) > MAX_AGE_SECONDS:
        raise Forbidden(
            _("The timestamp must be whole seconds since 1970, at most %(maximum)s seconds from now."),
            params={"maximum": MAX_AGE_SECONDS},
        )
