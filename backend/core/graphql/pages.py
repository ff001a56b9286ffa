"""Relay connections over `core.pagination.Page`."""

from typing import Generic, TypeVar

import strawberry

from backend.core.pagination import Page, Row

Node = TypeVar("Node")


@strawberry.type
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None

    @classmethod
    def of(cls, page: Page[Row]) -> "PageInfo":
        """Describe a page."""
        return cls(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=page.cursors[0] if page.cursors else None,
            end_cursor=page.cursors[-1] if page.cursors else None,
        )


@strawberry.type
class Edge(Generic[Node]):
    """An item of a list with the cursor that continues the list from it."""

    cursor: str
    node: Node


def edges_of(page: Page[Row]) -> list[Edge[Row]]:
    """Return the page's items with their cursors."""
    return [Edge(cursor=cursor, node=item) for cursor, item in zip(page.cursors, page.items, strict=True)]
