"""What every resolver can reach."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

import strawberry
from django.http import HttpRequest

from backend.accounts.selectors import read_viewer
from backend.core.graphql.limits import Budget
from backend.core.viewer import Viewer, client_address, with_cart_token

T = TypeVar("T")


@dataclass(eq=False, frozen=True, slots=True)
class Batch:
    """Items that are shown together; told from others by what it is, not by what it holds."""

    items: tuple[Any, ...]


@dataclass(eq=False)
class Context(Budget):
    """One GraphQL request: who asks, and what has been read once for all of its fields."""

    request: HttpRequest
    _read: dict[Hashable, Any] = field(default_factory=dict)
    _batch_of: dict[int, "Batch"] = field(default_factory=dict)

    @cached_property
    def viewer(self) -> Viewer:
        """Who asks; read for the fields that need it, so that a bad token keeps nobody from logging in.

        Raises:
            TokenInvalid, TokenExpired: the token is not good for anybody.
        """
        return with_cart_token(read_viewer(self.request.headers.get("Authorization", "")), self.request)

    @property
    def has_read_viewer(self) -> bool:
        """Whether the response may depend on the viewer."""
        return "viewer" in self.__dict__

    @property
    def address(self) -> str:
        """The client's IP address."""
        return client_address(self.request)

    def once(self, read: Callable[..., T], *arguments: Hashable) -> T:
        """Return what `read` returns for these arguments, calling it once in this request."""
        if (read, arguments) not in self._read:
            self._read[read, arguments] = read(*arguments)
        return cast(T, self._read[read, arguments])

    def has_read(self, read: Callable[[], Any]) -> bool:
        """Say whether `read` has been called, without arguments, in this request."""
        return (read, ()) in self._read

    def register_batch(self, items: Sequence[T]) -> Sequence[T]:
        """Return what one list shows, remembering it, so that what one item asks for is read for all."""
        shown = Batch(tuple(items))
        for item in shown.items:
            self._batch_of[id(item)] = shown
        return items

    def batch_of(self, item: Any) -> "Batch":
        """Return what an item is shown together with, or the item alone."""
        if id(item) not in self._batch_of:
            self.register_batch([item])
        return self._batch_of[id(item)]


Info = strawberry.Info[Context, None]
