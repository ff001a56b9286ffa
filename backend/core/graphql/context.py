"""What every resolver can reach."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

import strawberry
from django.conf import settings
from django.http import HttpRequest

from backend.accounts.selectors import read_viewer
from backend.core.viewer import Viewer, client_address, with_cart_token

T = TypeVar("T")


@dataclass(eq=False, frozen=True, slots=True)
class Shown:
    """Items that are shown together; told from others by what it is, not by what it holds."""

    items: tuple[Any, ...]


@dataclass(eq=False)
class Context:
    """One GraphQL request: who asks, and what has been read once for all of its fields."""

    request: HttpRequest
    _read: dict[Hashable, Any] = field(default_factory=dict)
    _shown_with: dict[int, "Shown"] = field(default_factory=dict)
    _spent: int = 0

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

    def show_together(self, items: Sequence[T]) -> Sequence[T]:
        """Return what one list shows, remembering it, so that what one item asks for is read for all."""
        shown = Shown(tuple(items))
        for item in shown.items:
            self._shown_with[id(item)] = shown
        return items

    def shown_with(self, item: Any) -> "Shown":
        """Return what an item is shown together with, or the item alone."""
        if id(item) not in self._shown_with:
            self.show_together([item])
        return self._shown_with[id(item)]

    def afford(self, items: Sequence[T]) -> Sequence[T]:
        """Return a list whose length no argument bounds, or nothing once the request has had too many.

        A short query can walk up and down a tree and multiply its answer with every step. The rest of
        it then costs next to nothing, and `GraphQLView` answers that it asked for too much.
        """
        return items if self.spend(len(items)) else []

    def spend(self, cost: int) -> bool:
        """Count what the text of the request does not tell, and say whether that is still affordable."""
        self._spent += cost
        return not self.overspent

    @property
    def overspent(self) -> bool:
        """Whether that was more than `GRAPHQL_MAX_COST` in all."""
        return self._spent > settings.GRAPHQL_MAX_COST


Info = strawberry.Info[Context, None]
