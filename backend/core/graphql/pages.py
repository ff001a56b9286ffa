"""Relay connections over `core.pagination.Page`."""

from typing import Annotated, Generic, TypeVar

import strawberry

from backend.core.pagination import MAX_PAGE_SIZE, Page, Row

# Relay calls the item of an edge its node, whether or not it is a `core.graphql.node.Node`.
Item = TypeVar("Item")

# The arguments of a connection.
First = Annotated[
    int | None, strawberry.argument(description=f"Page size of a forward page, 1 to {MAX_PAGE_SIZE}.")
]
After = Annotated[str | None, strawberry.argument(description="Cursor after which a forward page starts.")]
Last = Annotated[
    int | None,
    strawberry.argument(description=f"Page size of a backward page, 1 to {MAX_PAGE_SIZE}; replaces `first`."),
]
Before = Annotated[str | None, strawberry.argument(description="Cursor before which a backward page ends.")]


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
    def from_page(cls, page: Page[Row]) -> "PageInfo":
        """Build the page info of a page."""
        return cls(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=page.start_cursor,
            end_cursor=page.end_cursor,
        )


# The types of the schema are specialized from this class and do not inherit its docstring.
@strawberry.type(description="Item of a list and its cursor.")
class Edge(Generic[Item]):
    """Item of a list and its cursor."""

    cursor: str = strawberry.field(
        description="Cursor of the item, for `after` or `before` of the next or previous page."
    )
    node: Item = strawberry.field(description="The item.")


def make_edges(page: Page[Row]) -> list[Edge[Row]]:
    """Pair the items of a page with their cursors."""
    return [Edge(cursor=cursor, node=item) for cursor, item in zip(page.cursors, page.items, strict=True)]
