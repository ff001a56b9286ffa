"""Access and refresh tokens: standard JSON Web Tokens for minutes, random texts for weeks."""

import secrets
import uuid
from datetime import UTC, datetime

import jwt
from django.conf import settings
from django.utils.crypto import salted_hmac

from backend.core.digests import digest_secret
from backend.core.errors import ErrorCode, ShopError

_ALGORITHM = "HS256"
# The clocks of two servers differ a little.
_IAT_LEEWAY_SECONDS = 5


class TokenInvalid(ShopError):
    """The token was not made here, is damaged, or what it stood for is over."""

    code = ErrorCode.TOKEN_INVALID


class TokenExpired(ShopError):
    """The access token is too old; a refresh token gets a new one."""

    code = ErrorCode.TOKEN_EXPIRED


def make_access_token(*, user_id: int, session_id: uuid.UUID) -> str:
    """Return a signed token that names a user and a session for `ACCESS_TOKEN_LIFETIME`."""
    now = datetime.now(UTC)
    claims = {
        "sub": str(user_id),
        "sid": session_id.hex,
        "iat": now,
        "exp": now + settings.ACCESS_TOKEN_LIFETIME,
    }
    return jwt.encode(claims, _key(), _ALGORITHM)


def read_access_token(token: str) -> uuid.UUID:
    """Return the session that an access token names.

    Raises:
        TokenExpired: its time is over.
        TokenInvalid: another key or algorithm signed it, it is cut, or it is dated in the future.
    """
    try:
        claims = jwt.decode(
            token,
            _key(),
            algorithms=[_ALGORITHM],
            # Checked below: a leeway given here would be the expiry's too.
            options={"require": ["exp", "iat", "sub", "sid"], "verify_iat": False},
        )
        if claims["iat"] > datetime.now(UTC).timestamp() + _IAT_LEEWAY_SECONDS:
            raise TokenInvalid("The access token is dated in the future.")
        return uuid.UUID(hex=claims["sid"])
    except jwt.ExpiredSignatureError:
        raise TokenExpired("The access token has expired. Use the refresh token.") from None
    except (jwt.PyJWTError, ValueError, AttributeError, TypeError):
        raise TokenInvalid("The access token is not valid. Log in again.") from None


def make_refresh_token(session_id: uuid.UUID) -> tuple[str, str]:
    """Return a new refresh token of a session, and the digest to keep of it."""
    secret = secrets.token_urlsafe(32)
    return f"{session_id.hex}.{secret}", digest_secret(secret)


def read_refresh_token(token: str) -> tuple[uuid.UUID, str]:
    """Return the session that a refresh token names and the digest of its secret.

    Raises:
        TokenInvalid: it does not look like one.
    """
    session, _, secret = token.partition(".")
    try:
        return uuid.UUID(hex=session), digest_secret(secret)
    except ValueError:
        raise TokenInvalid("The refresh token is not valid. Log in again.", field="refresh_token") from None


def _key() -> bytes:
    # Signing of other things with SECRET_KEY cannot be made to sign a token.
    return salted_hmac("backend.accounts.tokens", "access", algorithm="sha256").digest()
