"""Links that cancel the back-in-stock notifications of an account.

The token is signed and does not expire, so that the link of an old mail works. It gives access to nothing
else.
"""

from dataclasses import dataclass

from django.conf import settings
from django.core.signing import BadSignature, Signer

# A separator that URLs do not encode.
_SIGNER = Signer(sep=".", salt="backend.wishlists.unsubscription")


@dataclass(frozen=True, slots=True)
class Subscriber:
    """The recipient of a mail: an account, and the language of the mail."""

    user_id: int
    language: str


def make_unsubscribe_url(subscriber: Subscriber) -> str:
    """Return the absolute URL of the page that cancels the notifications of an account."""
    token = _SIGNER.sign(f"{subscriber.user_id}.{subscriber.language}")
    return f"{settings.PUBLIC_URL}/unsubscribe?token={token}"


def read_token(token: str) -> Subscriber | None:
    """Return the recipient of the mail with this token, or None if the token is invalid."""
    try:
        user_id, _, language = _SIGNER.unsign(token).partition(".")
    except BadSignature:
        return None
    return Subscriber(int(user_id), language)
