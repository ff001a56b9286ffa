"""Who somebody is."""

from backend.accounts.models import Session, User
from backend.accounts.tokens import TokenInvalid, read_access_token
from backend.core.compiled_query import CompiledQuery, Param
from backend.core.viewer import Viewer

GUEST = Viewer()

_OPEN_SESSION = CompiledQuery(
    lambda: (
        Session.objects.open().filter(pk=Param("session_id")).values_list("pk", "user_id", "user__is_staff")
    )
)


def authenticate(authorization: str) -> Viewer:
    """Return who is asking by the access token of the Authorization header; a guest without one.

    Costs no query for a guest and one for anybody else. A session that has ended and an account that
    is deactivated, archived, deleted or has another password are refused at once, however long their
    tokens would still be good.

    Args:
        authorization: the header's text; empty when it is not sent.

    Raises:
        TokenInvalid, TokenExpired: the token is not good for anybody.
    """
    scheme, _, token = authorization.partition(" ")
    if not token or scheme.lower() not in ("bearer", "jwt"):
        return GUEST
    session = _OPEN_SESSION.first(session_id=read_access_token(token.strip()))
    if session is None:
        raise TokenInvalid("This session is over. Log in again.")
    session_id, user_id, is_staff = session
    return Viewer(user_id=user_id, session_id=session_id, is_staff=is_staff)


def get_account(viewer: Viewer) -> User | None:
    """Return the viewer's own account, or None for a guest."""
    return User.objects.filter(pk=viewer.user_id).first() if viewer.user_id is not None else None
