"""The short way through the executor says what the long way says."""

from enum import Enum
from unittest import TestCase

import strawberry

from backend.core.graphql import make_schema


@strawberry.enum
class Size(Enum):
    SMALL = "s"


@strawberry.type
class Thing:
    name: str
    size: Size
    weight: int | None

    @strawberry.field
    def doubled(self) -> str:
        return self.name * 2


@strawberry.type
class Query:
    @strawberry.field
    def things(self) -> list[Thing | None]:
        return [
            Thing(name="a", size=Size.SMALL, weight=None),
            Thing(name=None, size=Size.SMALL, weight=1),  # type: ignore[arg-type]
            Thing(name="c", size=Size.SMALL, weight=2**40),
        ]


class ShortWay(TestCase):
    def test_values_nulls_and_errors(self) -> None:
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
