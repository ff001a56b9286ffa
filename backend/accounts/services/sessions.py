"""Log in, refresh sessions and log out."""

from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.accounts import tokens
from backend.accounts.email_addresses import normalize_email
from backend.accounts.models import MAY_LOG_IN, Session, User
from backend.accounts.password_hashing import hash_without_account
from backend.accounts.services.credentials import WrongCredentials, check_password, require_session
from backend.accounts.services.rate_limits import hit_login_limits, hit_refresh_limit, reset_login_limits
from backend.core.db import atomic_or_conflict
from backend.core.digests import digest_secret
from backend.core.viewer import Viewer

_WRONG_LOGIN = _("The e-mail address or the password is wrong, or the address has not been confirmed yet.")


@dataclass(frozen=True, slots=True)
class TokenPair:
    """The tokens of a session.

    Attributes:
        expires_in: lifetime of the access token in seconds.
    """

    access_token: str
    refresh_token: str
    expires_in: int
    user: User


def log_in(*, email: str, password: str, address: str) -> TokenPair:
    """Open a session.

    Raises:
        WrongCredentials: the address is unknown, the password is wrong, or the account is deactivated or
            unconfirmed. The error is the same in all cases: otherwise registering an address and logging in
            would reveal whether it had an account.
        RateLimited: there were too many attempts for this account or from this address.
        Unavailable: Redis does not respond.
    """
    email = normalize_email(email)
    hit_login_limits(email, address)
    user = User.objects.filter(MAY_LOG_IN, email=email).first()
    if user is None:
        hash_without_account(password)
    if user is None or not check_password(user, password):
        raise WrongCredentials(_WRONG_LOGIN, field="email")
    pair = _open_checked_session(user)
    reset_login_limits(email, address)
    return pair


def refresh_session(*, refresh_token: str, address: str) -> TokenPair:
    """Exchange a refresh token for new tokens.

    The same token returns the same new refresh token for `REFRESH_REUSE_INTERVAL`: two browser tabs share
    one session, and a client can repeat a request whose response was lost. If a thief uses this interval,
    the owner and the thief hold the same token, and the next refresh reveals one of them. Any other use of
    an old token ends its session, because either its owner or a thief has used it before.

    Args:
        address: of the client, for the rate limit. Without Redis there is no limit.

    Raises:
        TokenInvalid: the token is unknown, used or expired, or its account is deleted or has a new password.
        RateLimited: there were too many requests from this address.
    """
    hit_refresh_limit(address)
    session_id, digest = tokens.read_refresh_token(refresh_token)
    new_token, new_digest = tokens.make_next_refresh_token(refresh_token)
    pair = _rotate_refresh_token(session_id, digest, new_token, new_digest)
    if pair is None:
        raise tokens.TokenInvalid(_("The refresh token is invalid. Log in again."), field="refresh_token")
    return pair


def log_out(*, viewer: Viewer) -> None:
    """End the viewer's session. Its tokens are invalid from then on.

    Raises:
        Unauthenticated: the viewer is a guest.
    """
    _, session_id = require_session(viewer)
    Session.objects.filter(pk=session_id).delete()


def log_out_everywhere(*, viewer: Viewer) -> None:
    """End all sessions of the viewer, including the current one.

    Raises:
        Unauthenticated: the viewer is a guest.
    """
    user_id, _ = require_session(viewer)
    Session.objects.filter(user_id=user_id).delete()


def open_session(user: User) -> TokenPair:
    """Open a session for an authenticated user and return its tokens."""
    session = Session(user=user, password_digest=digest_secret(user.password))
    session.expires_at = _compute_expiry(session)
    refresh_token, session.refresh_digest = tokens.make_refresh_token(session.pk)
    session.save(force_insert=True)
    return _make_token_pair(session, refresh_token)


@atomic_or_conflict
def _open_checked_session(user: User) -> TokenPair:
    """Open a session, unless the account has been deactivated or has a new password since it was read."""
    # Checking a password is slow, so it is done without a lock.
    unchanged = User.objects.filter(pk=user.pk, password=user.password, is_active=True)
    if not unchanged.update(last_login=timezone.now()):
        raise WrongCredentials(_WRONG_LOGIN, field="email")
    return open_session(user)


@atomic_or_conflict
def _rotate_refresh_token(session_id: UUID, digest: str, new_token: str, new_digest: str) -> TokenPair | None:
    """Replace the refresh token of a session. End the session and return None if the token is not usable."""
    # Lock before reading, so that a password change that held the lock is visible.
    Session.objects.select_for_update().filter(pk=session_id).first()
    session = Session.objects.open().select_related("user").filter(pk=session_id).first()
    if session is not None and compare_digest(session.refresh_digest, digest):
        session.refresh_digest = new_digest
        session.refreshed_at = timezone.now()
        session.expires_at = _compute_expiry(session)
        session.save(update_fields=["refresh_digest", "refreshed_at", "expires_at"])
        return _make_token_pair(session, new_token)
    if session is not None and _can_reissue(session, new_digest):
        return _make_token_pair(session, new_token)
    Session.objects.filter(pk=session_id).delete()
    return None


def _can_reissue(session: Session, digest: str) -> bool:
    """Return whether the session's newest refresh token has this digest and may be issued again."""
    return (
        compare_digest(session.refresh_digest, digest)
        and session.refreshed_at is not None
        and timezone.now() - session.refreshed_at < settings.REFRESH_REUSE_INTERVAL
    )


def _compute_expiry(session: Session) -> datetime:
    """Return the time when a session expires unless it is refreshed again."""
    return min(
        timezone.now() + settings.REFRESH_TOKEN_LIFETIME, session.created_at + settings.SESSION_LIFETIME
    )


def _make_token_pair(session: Session, refresh_token: str) -> TokenPair:
    return TokenPair(
        access_token=tokens.make_access_token(user_id=session.user_id, session_id=session.pk),
        refresh_token=refresh_token,
        expires_in=int(settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
        user=session.user,
    )
