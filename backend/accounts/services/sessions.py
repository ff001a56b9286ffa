"""Logging in, staying logged in, logging out."""

from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from backend.accounts import tokens
from backend.accounts.emails import normal_email
from backend.accounts.models import MAY_LOG_IN, Session, User
from backend.accounts.services.checks import MAX_PASSWORD_LENGTH
from backend.accounts.services.credentials import WrongCredentials, fits, signed_in
from backend.accounts.services.limits import count_login, count_refresh, forget_logins
from backend.core.digests import digest_secret
from backend.core.viewer import Viewer

_WRONG_LOGIN = "The e-mail or the password is wrong, or the address is not confirmed yet."


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a client keeps of a login.

    Attributes:
        expires_in: seconds for which the access token is good.
    """

    access_token: str
    refresh_token: str
    expires_in: int
    user: User


def log_in(*, email: str, password: str, address: str) -> TokenPair:
    """Open a session.

    Raises:
        WrongCredentials: unknown address, wrong password, deactivated or unconfirmed account, all
            alike: who registers an address and logs in would learn whether it was known.
        RateLimited: too many tries on this account or from this address.
        Unavailable: Redis does not answer.
    """
    email = normal_email(email)
    count_login(email, address)
    user = User.objects.filter(MAY_LOG_IN, email=email).first()
    if user is None:
        # As long as the check of a real password takes.
        make_password(password[:MAX_PASSWORD_LENGTH])
    if user is None or not fits(user, password):
        raise WrongCredentials(_WRONG_LOGIN, field="email")
    with transaction.atomic():
        # Checking takes long, and no lock is held for it: another password may have been set meanwhile.
        unchanged = User.objects.filter(pk=user.pk, password=user.password, is_active=True)
        if not unchanged.update(last_login=timezone.now()):
            raise WrongCredentials(_WRONG_LOGIN, field="email")
        pair = open_session(user)
    forget_logins(email, address)
    return pair


def refresh(*, refresh_token: str, address: str) -> TokenPair:
    """Give new tokens for a refresh token, which is then used up.

    A token that was used before ends its session: one of the two who had it stole it.

    Args:
        address: of the client, for the limit; without Redis there is none.

    Raises:
        TokenInvalid: it is unknown, used, expired, or its account is gone or has another password.
        RateLimited: too many from this address.
    """
    count_refresh(address)
    session_id, digest = tokens.read_refresh_token(refresh_token)
    renewed, renewed_digest = tokens.make_refresh_token(session_id)
    with transaction.atomic():
        # Locked before it is read: who has waited for a change of the password must see all of it.
        Session.objects.select_for_update().filter(pk=session_id).first()
        session = Session.objects.open().select_related("user").filter(pk=session_id).first()
        if session is not None and compare_digest(session.refresh_digest, digest):
            session.refresh_digest = renewed_digest
            session.expires_at = _end_of(session)
            session.save(update_fields=["refresh_digest", "expires_at"])
            return _pair(session, renewed)
        Session.objects.filter(pk=session_id).delete()
    raise tokens.TokenInvalid("The refresh token is not valid. Log in again.", field="refresh_token")


def log_out(*, viewer: Viewer) -> None:
    """End the viewer's session; its tokens are good for nothing from now on.

    Raises:
        Unauthenticated: nobody is logged in.
    """
    _, session_id = signed_in(viewer)
    Session.objects.filter(pk=session_id).delete()


def log_out_everywhere(*, viewer: Viewer) -> None:
    """End every session of the viewer, this one too.

    Raises:
        Unauthenticated: nobody is logged in.
    """
    user_id, _ = signed_in(viewer)
    Session.objects.filter(user_id=user_id).delete()


def open_session(user: User) -> TokenPair:
    """Open a session of somebody who has shown who they are, and return its tokens."""
    session = Session(user=user, password_digest=digest_secret(user.password))
    session.expires_at = _end_of(session)
    refresh_token, session.refresh_digest = tokens.make_refresh_token(session.pk)
    session.save(force_insert=True)
    return _pair(session, refresh_token)


def _end_of(session: Session) -> datetime:
    """Return until when a session lives if its tokens are not refreshed again."""
    return min(
        timezone.now() + settings.REFRESH_TOKEN_LIFETIME, session.created_at + settings.SESSION_LIFETIME
    )


def _pair(session: Session, refresh_token: str) -> TokenPair:
    return TokenPair(
        access_token=tokens.make_access_token(user_id=session.user_id, session_id=session.pk),
        refresh_token=refresh_token,
        expires_in=int(settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
        user=session.user,
    )
