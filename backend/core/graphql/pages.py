"""Relay connections over `core.pagination.Page`."""

from typing import Generic, TypeVar

import strawberry

from backend.core.pagination import Page, Row

Node = TypeVar("Node")


@strawberry.type
class PageInfo:
    """Position of a page in its list."""

    has_next_page: bool = strawberry.field(description="True if items follow the last one of this page.")
    has_previous_page: bool = strawberry.field(
        description="True if items precede the first one of this page."
    )
    start_cursor: str | None = strawberry.field(
        description="Cursor of the first item; null if the page is empty."
    )
    end_cursor: str | None = strawberry.field(
        description="Cursor of the last item; null if the page is empty."
    )

    @classmethod
    def of(cls, page: Page[Row]) -> "PageInfo":
        """Build the page info of a page."""
        return cls(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=page.start_cursor,
            end_cursor=page.end_cursor,
        )


@strawberry.type
class Edge(Generic[Node]):
    """Item of a list and its cursor."""

    cursor: str = strawberry.field(description="Pass it as `after` or `before` to read on from this item.")
    node: Node


def edges_of(page: Page[Row]) -> list[Edge[Row]]:
    """Pair the items of a page with their cursors."""
    return [Edge(cursor=cursor, node=item) for cursor, item in zip(page.cursors, page.items, strict=True)]
