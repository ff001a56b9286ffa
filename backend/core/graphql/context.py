"""What every resolver can reach."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

import strawberry
from django.conf import settings
from django.http import HttpRequest

from backend.accounts.selectors import read_viewer
from backend.core.viewer import Viewer, client_address

T = TypeVar("T")


@dataclass
class Context:
    """One GraphQL request: who asks, and what has been read once for all of its fields."""

    request: HttpRequest
    _read: dict[Callable[[], Any], Any] = field(default_factory=dict)
    _spent: int = 0

    @cached_property
    def viewer(self) -> Viewer:
        """Who asks; read for the fields that need it, so that a bad token keeps nobody from logging in.

        Raises:
            TokenInvalid, TokenExpired: the token is not good for anybody.
        """
        return read_viewer(self.request.headers.get("Authorization", ""))

    @property
    def address(self) -> str:
        """The client's IP address."""
        return client_address(self.request)

    def once(self, read: Callable[[], T]) -> T:
        """Return what `read` returns, calling it once in this request."""
        if read not in self._read:
            self._read[read] = read()
        return cast(T, self._read[read])

    def has_read(self, read: Callable[[], Any]) -> bool:
        """Say whether `read` has been called in this request."""
        return read in self._read

    def afford(self, items: Sequence[T]) -> Sequence[T]:
        """Return a list whose length no argument bounds, or nothing once the request has had too many.

        A short query can walk up and down a tree and multiply its answer with every step. The rest of
        it then costs next to nothing, and `GraphQLView` answers that it asked for too much.
        """
        self._spent += len(items)
        return [] if self.overspent else items

    @property
    def overspent(self) -> bool:
        """Whether such lists had more than `GRAPHQL_MAX_COST` items in all."""
        return self._spent > settings.GRAPHQL_MAX_COST


Info = strawberry.Info[Context, None]
