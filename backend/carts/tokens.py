"""Tokens by which guests are known, of which the database keeps only digests."""

import hashlib
import re
import secrets

from backend.core.errors import Invalid


class CartTokenInvalid(Invalid):
    """What was sent as a guest's token cannot be one."""


# 256 bits in the URL-safe alphabet of base 64.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def make_token() -> str:
    """Return a new token that nobody can guess."""
    return secrets.token_urlsafe(32)


def digest_token(token: str) -> str:
    """Return what the database knows a token by.

    A plain hash is enough: there is nothing to try out in 256 random bits.

    Raises:
        CartTokenInvalid: no token looks like this.
    """
    if not _TOKEN.fullmatch(token):
        raise CartTokenInvalid("This is not a token of a cart of this shop.", field="X-Cart-Token")
    return hashlib.sha256(token.encode()).hexdigest()
