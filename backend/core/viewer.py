"""Who is asking, built once at the edge of both APIs."""

from dataclasses import dataclass

from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person behind a request, as the services need to know them.

    Attributes:
        user_id: primary key of the account, or None for a guest.
        is_staff: whether the account may enter the admin.
    """

    user_id: int | None = None
    is_staff: bool = False

    @classmethod
    def of(cls, request: HttpRequest) -> "Viewer":
        """Return who is asking: the owner of the session, or a guest."""
        user = request.user
        if not user.is_authenticated:
            return cls()
        return cls(user_id=user.pk, is_staff=user.is_staff)
