"""Accounts for tests, logged in."""

from itertools import count

from backend.accounts.models import User
from backend.accounts.services.sessions import open_session
from backend.core.viewer import Viewer

# The address of clients whose requests are made by calling services directly.
ADDRESS = "192.0.2.1"

_numbers = count(1)


def make_user(email: str = "", password: str | None = None, **fields: object) -> User:
    """Save an account that has confirmed its address; a password takes its time to be hashed."""
    return User.objects.create_user(email or f"shopper{next(_numbers)}@example.com", password, **fields)


def viewer_of(user: User, cart_token: str | None = None) -> Viewer:
    """Return how the services know a person."""
    return Viewer(user_id=user.pk, cart_token=cart_token)


def access_token_of(user: User) -> str:
    """Log a person in and return what a client sends as Bearer."""
    return open_session(user).access_token
