"""Access tokens (JSON Web Tokens, valid for minutes) and refresh tokens (opaque, valid for weeks)."""

import secrets
import uuid
from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import jwt
from django.conf import settings
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from backend.core.digests import digest_secret
from backend.core.errors import ErrorCode, ShopError

_ALGORITHM = "HS256"
# Tolerates clocks of web hosts that differ slightly.
_IAT_LEEWAY_SECONDS = 5


class TokenInvalid(ShopError):
    """The token is malformed, has a wrong signature, or its session has ended."""

    code = ErrorCode.TOKEN_INVALID


class TokenExpired(ShopError):
    """The access token has expired. A refresh token gets a new one."""

    code = ErrorCode.TOKEN_EXPIRED


def make_access_token(*, user_id: int, session_id: uuid.UUID) -> str:
    """Return a signed token for a session, valid for `ACCESS_TOKEN_LIFETIME`."""
    now = datetime.now(UTC)
    claims = {
        "sub": str(user_id),
        "sid": session_id.hex,
        "iat": now,
        "exp": now + settings.ACCESS_TOKEN_LIFETIME,
    }
    return jwt.encode(claims, _derive_key(), _ALGORITHM)


def read_access_token(token: str) -> uuid.UUID:
    """Return the session id of an access token.

    Raises:
        TokenExpired: the token has expired.
        TokenInvalid: the token is malformed, is dated in the future, or has another key or algorithm.
    """
    try:
        claims = jwt.decode(
            token,
            _derive_key(),
            algorithms=[_ALGORITHM],
            # Checked below, because PyJWT would apply its leeway to the expiry as well.
            options={"require": ["exp", "iat", "sub", "sid"], "verify_iat": False},
        )
        if claims["iat"] > datetime.now(UTC).timestamp() + _IAT_LEEWAY_SECONDS:
            raise TokenInvalid(_("The access token must not be issued in the future."))
        return uuid.UUID(hex=claims["sid"])
    except jwt.ExpiredSignatureError:
        raise TokenExpired(_("The access token has expired. Refresh it or log in again.")) from None
    except (jwt.PyJWTError, ValueError, AttributeError, TypeError):
        raise TokenInvalid(_("The access token is invalid. Log in again.")) from None


def make_refresh_token(session_id: uuid.UUID) -> tuple[str, str]:
    """Return the first refresh token of a session and the digest to store."""
    return _refresh_token(session_id, secrets.token_urlsafe(32))


def read_refresh_token(token: str) -> tuple[uuid.UUID, str]:
    """Return the session id of a refresh token and the digest of its secret.

    Raises:
        TokenInvalid: the token is malformed.
    """
    session_id, secret = _split_refresh_token(token)
    return session_id, digest_secret(secret)


def make_next_refresh_token(token: str) -> tuple[str, str]:
    """Return the refresh token that replaces another one, and the digest to store.

    It is derived from the replaced token with a key of the server. Repeating a refresh therefore returns the
    same token, although only digests are stored.

    Raises:
        TokenInvalid: the token is malformed.
    """
    session_id, secret = _split_refresh_token(token)
    derived = salted_hmac(
        "backend.accounts.tokens.refresh", f"{session_id.hex}.{secret}", algorithm="sha256"
    ).digest()
    return _refresh_token(session_id, urlsafe_b64encode(derived).decode().rstrip("="))


def _refresh_token(session_id: uuid.UUID, secret: str) -> tuple[str, str]:
    return f"{session_id.hex}.{secret}", digest_secret(secret)


def _split_refresh_token(token: str) -> tuple[uuid.UUID, str]:
    session, _dot, secret = token.partition(".")
    try:
        return uuid.UUID(hex=session), secret
    except ValueError:
        raise TokenInvalid(_("The refresh token is invalid. Log in again."), field="refresh_token") from None


def _derive_key() -> bytes:
    # A key for this purpose only, so that no other signature made with SECRET_KEY is a valid token.
    return salted_hmac("backend.accounts.tokens", "access", algorithm="sha256").digest()
