"""Accounts for tests, logged in."""

from itertools import count

from django.conf import settings
from django.utils import timezone

from backend.accounts.models import Session, User
from backend.accounts.tokens import make_access_token, make_refresh_token
from backend.core.viewer import Viewer

_numbers = count(1)


def make_user(email: str = "", password: str | None = None, **fields: object) -> User:
    """Save an account that has confirmed its address; a password takes its time to be hashed."""
    return User.objects.create_user(email or f"shopper{next(_numbers)}@example.com", password, **fields)


def viewer_of(user: User, cart_token: str | None = None) -> Viewer:
    """Return how the services know a person."""
    return Viewer(user_id=user.pk, cart_token=cart_token)


def access_token_of(user: User) -> str:
    """Log a person in and return what a client sends as Bearer."""
    session = Session(user=user, expires_at=timezone.now() + settings.REFRESH_TOKEN_LIFETIME)
    _, session.refresh_digest = make_refresh_token(session.pk)
    session.save(force_insert=True)
    return make_access_token(user_id=user.pk, session_id=session.pk)
