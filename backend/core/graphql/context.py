"""What every resolver can reach."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

import strawberry
from django.http import HttpRequest

from backend.core.viewer import Viewer

T = TypeVar("T")


@dataclass
class Context:
    """One GraphQL request: who asks, and what has been read once for all of its fields."""

    request: HttpRequest
    _read: dict[Callable[[], Any], Any] = field(default_factory=dict)

    @cached_property
    def viewer(self) -> Viewer:
        """Who is asking."""
        return Viewer.of(self.request)

    def once(self, read: Callable[[], T]) -> T:
        """Return what `read` returns, calling it once in this request."""
        if read not in self._read:
            self._read[read] = read()
        return cast(T, self._read[read])


Info = strawberry.Info[Context, None]
