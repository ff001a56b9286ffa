"""Accounts, viewers and access tokens for tests."""

from itertools import count

from backend.accounts.models import User
from backend.accounts.services.sessions import open_session
from backend.core.viewer import Viewer

# The client address for services that are called directly.
ADDRESS = "192.0.2.1"

_numbers = count(1)


def make_user(email: str = "", password: str | None = None, **fields: object) -> User:
    """Create a confirmed account, without a password by default, since hashing is slow."""
    return User.objects.create_user(email or f"shopper{next(_numbers)}@example.com", password, **fields)


def make_viewer(user: User, cart_token: str | None = None) -> Viewer:
    """Return the viewer of an account."""
    return Viewer(user_id=user.pk, cart_token=cart_token)


def open_session_token(user: User) -> str:
    """Open a session and return its access token."""
    return open_session(user).access_token
