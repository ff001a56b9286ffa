"""The context that every resolver receives."""

from collections.abc import Callable, Hashable, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

import strawberry
from django.http import HttpRequest

from backend.core.client_address import get_client_address
from backend.core.errors import ShopError
from backend.core.graphql.limits import Budget
from backend.core.request_language import get_request_language
from backend.core.viewer import Authenticate, Viewer, get_viewer

T = TypeVar("T")


@dataclass(eq=False, frozen=True, slots=True)
class Batch:
    """Items of one list, whose related objects are loaded together. Compared by identity."""

    items: tuple[Any, ...]


@dataclass(eq=False)
class Context(Budget):
    """The state of one GraphQL request: its viewer, its budget and a cache for its resolvers.

    Attributes:
        query_hash: hash of the document if the client sent it; see `core.graphql.persisted_queries`.
        cached_fields: names of the query fields whose responses are cached. They read the catalogue only.
        registers_query: true if the client sent the document with its hash.
    """

    request: HttpRequest
    authenticate: Authenticate
    cached_fields: Set[str] = frozenset()
    query_hash: str | None = None
    registers_query: bool = False
    _read: dict[Hashable, Any] = field(default_factory=dict)
    _batches: dict[int, Batch] = field(default_factory=dict)

    @cached_property
    def viewer(self) -> Viewer:
        """The viewer, read only for fields that need it: a client with an expired token can still log in.

        Raises:
            TokenInvalid, TokenExpired: the access token is not valid.
        """
        try:
            return get_viewer(self.request, self.authenticate)
        except ShopError as error:
            error.is_about_viewer = True
            raise

    def forget_viewer(self) -> None:
        """Read the viewer again for the fields that follow.

        Call it after a change that may end the viewer's session, so that later mutations of the same request
        are refused.
        """
        self.__dict__.pop("viewer", None)

    @property
    def has_read_viewer(self) -> bool:
        """True if the response may depend on the viewer."""
        return "viewer" in self.__dict__

    @property
    def reads_only_catalogue(self) -> bool:
        """True if the operation is a query of `cached_fields`; false before its execution."""
        return not self.is_mutation and bool(self.root_fields) and self.root_fields <= self.cached_fields

    @property
    def address(self) -> str:
        """The client's IP address."""
        return get_client_address(self.request)

    @property
    def language(self) -> str:
        """The language of mails to a viewer without an account."""
        return get_request_language(self.request)

    def call_once(self, read: Callable[..., T], *arguments: Hashable) -> T:
        """Return what `read` returns for these arguments, calling it once in this request."""
        # The context must not refer to itself, or only the garbage collector frees it and what it has read.
        key = read, tuple(argument for argument in arguments if argument is not self)
        if key not in self._read:
            self._read[key] = read(*arguments)
        return cast(T, self._read[key])

    def register_batch(self, items: Sequence[T]) -> Sequence[T]:
        """Remember the items of a list as a batch, and return them."""
        batch = Batch(tuple(items))
        for item in batch.items:
            self._batches[id(item)] = batch
        return items

    def has_batch(self, item: Any) -> bool:
        """Return whether the item belongs to a registered batch."""
        return id(item) in self._batches

    def get_batch(self, item: Any) -> Batch:
        """Return the batch of an item, which is a batch of its own if none was registered."""
        if not self.has_batch(item):
            self.register_batch([item])
        return self._batches[id(item)]


Info = strawberry.Info[Context, None]
