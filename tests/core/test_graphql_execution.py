"""The fast path of the executor gives the same data and errors as graphql-core."""

from enum import Enum
from unittest import TestCase, mock

import strawberry

from backend.core.errors import ShopError
from backend.core.graphql import make_schema


@strawberry.enum
class Size(Enum):
    SMALL = "s"


@strawberry.type
class Thing:
    name: str
    size: Size
    weight: int | None
    part: "Thing | None" = None
    maker: "Maker | None" = None

    @strawberry.field
    def doubled(self) -> str:
        return self.name * 2


@strawberry.type
class Maker:
    name: str

    @strawberry.field
    def address(self) -> str:
        raise ShopError("Unknown.")


@strawberry.type
class Query:
    @strawberry.field
    def things(self) -> list[Thing | None]:
        return getattr(Query, "items", None) or [
            Thing(name="a", size=Size.SMALL, weight=None),
            Thing(name=None, size=Size.SMALL, weight=1),  # type: ignore[arg-type]
            Thing(name="c", size=Size.SMALL, weight=2**40),
        ]


class PlainFields(TestCase):
    def test_list_with_nulls_and_errors_is_completed(self) -> None:
        result = make_schema(Query).execute_sync(
            "{ things { __typename called: name size weight doubled } }",
        )
        first, second, third = result.data["things"]  # type: ignore[index]
        self.assertEqual(
            first, {"__typename": "Thing", "called": "a", "size": "SMALL", "weight": None, "doubled": "aa"}
        )
        self.assertIsNone(second)
        self.assertIsNone(third["weight"])
        self.assertEqual(
            [(error.path, error.message.partition(":")[0]) for error in result.errors or ()],
            [
                (["things", 1, "called"], "Cannot return null for non-nullable field Thing.name."),
                (["things", 2, "weight"], "Int cannot represent non 32-bit signed integer value"),
            ],
        )

    def test_nested_objects_with_errors_are_completed(self) -> None:
        inner = Thing(name="b", size=Size.SMALL, weight=2)
        broken = Thing(name=None, size=Size.SMALL, weight=1)  # type: ignore[arg-type]
        items = [
            Thing(name="a", size=Size.SMALL, weight=1, part=inner, maker=Maker(name="c")),
            Thing(name="d", size=Size.SMALL, weight=1, part=broken),
        ]
        with mock.patch.object(Query, "items", items, create=True):
            result = make_schema(Query).execute_sync(
                "{ things { name part { name doubled } maker { name address } } }"
            )
        first, second = result.data["things"]  # type: ignore[index]
        self.assertEqual(first, {"name": "a", "part": {"name": "b", "doubled": "bb"}, "maker": None})
        self.assertEqual(second, {"name": "d", "part": None, "maker": None})
        self.assertEqual(
            [(error.path, error.message.partition(":")[0]) for error in result.errors or ()],
            [
                (["things", 0, "maker", "address"], "Unknown."),
                (["things", 1, "part", "name"], "Cannot return null for non-nullable field Thing.name."),
            ],
        )
