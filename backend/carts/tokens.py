"""Guest cart tokens. The database stores only their digests."""

import re
import secrets

from django.utils.translation import gettext_lazy as _

from backend.core.digests import digest_secret
from backend.core.errors import Invalid


class CartTokenInvalid(Invalid):
    """A guest's cart token is malformed."""

    is_about_argument = False


# 256 random bits in URL-safe base64.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def generate_token() -> str:
    """Return a new unguessable token."""
    return secrets.token_urlsafe(32)


def digest_token(token: str) -> str:
    """Return the digest that the database stores for a token.

    A plain hash without salt is enough: 256 random bits cannot be found by trying.

    Raises:
        CartTokenInvalid: the token is malformed.
    """
    if not _TOKEN.fullmatch(token):
        raise CartTokenInvalid(
            _("X-Cart-Token must be a token that this shop has returned: 43 letters, digits, - or _."),
            field="X-Cart-Token",
        )
    return digest_secret(token)
