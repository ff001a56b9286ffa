"""Read the viewer of a request and the viewer's account."""

from django.utils.translation import gettext_lazy as _

from backend.accounts.models import Session, User
from backend.accounts.tokens import TokenInvalid, read_access_token
from backend.core.compiled_query import CompiledQuery, Param
from backend.core.viewer import Viewer

GUEST = Viewer()

_OPEN_SESSION = CompiledQuery(
    lambda: (
        Session.objects.open()
        .filter(pk=Param("session_id"))
        .values_list("pk", "user_id", "user__is_staff", "user__language")
    )
)


def authenticate(authorization: str) -> Viewer:
    """Return the viewer that the access token of an Authorization header identifies, or a guest.

    Costs one query, or none for a guest. Refuses unexpired tokens of ended sessions and of accounts that are
    deactivated, archived or deleted or whose password has changed.

    Args:
        authorization: the value of the header; empty if it was not sent.

    Raises:
        TokenInvalid, TokenExpired: the token is not valid.
    """
    scheme, _space, token = authorization.partition(" ")
    if not token or scheme.lower() not in ("bearer", "jwt"):
        return GUEST
    session = _OPEN_SESSION.first(session_id=read_access_token(token.strip()))
    if session is None:
        raise TokenInvalid(_("The session has ended. Log in again."))
    session_id, user_id, is_staff, language = session
    return Viewer(user_id=user_id, session_id=session_id, is_staff=is_staff, language=language)


def get_account(viewer: Viewer) -> User | None:
    """Return the account of the viewer, or None for a guest."""
    return User.objects.filter(pk=viewer.user_id).first() if viewer.user_id is not None else None
