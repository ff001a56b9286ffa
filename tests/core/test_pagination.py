"""Cursors and windows, without a database."""

import base64
import json
import re
import unittest
from decimal import Decimal

from backend.core.errors import Invalid, InvalidCursor, OutOfRange
from backend.core.pagination import MAX_PAGE_SIZE, SortOrder, Window, decode_cursor, encode_cursor

BY_PRICE = SortOrder("PRICE", "price", "id", False, Decimal)
BY_NAME = SortOrder("NAME", "name", "id", False, str)


def pack(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


class CursorTest(unittest.TestCase):
    def test_cursor_contains_key_and_id(self) -> None:
        for order, key in [(BY_PRICE, Decimal("28.99")), (BY_NAME, 'Ёлка "зелёная"\n')]:
            cursor = encode_cursor(order, key, 2**63 - 1)
            assert decode_cursor(order, cursor, field="after") == (key, 2**63 - 1)

    def test_cursor_is_url_safe(self) -> None:
        assert re.search(r"^[\w-]+$", encode_cursor(BY_NAME, "ÿÿÿ???>>>", 1))

    def test_cursor_of_another_order_is_refused(self) -> None:
        with self.assertRaises(InvalidCursor) as raised:
            decode_cursor(BY_NAME, encode_cursor(BY_PRICE, Decimal(1), 1), field="after")
        assert "'PRICE'" in raised.exception.message
        assert raised.exception.field == "after"

    def test_malformed_cursor_is_refused(self) -> None:
        broken = [
            "",
            "?",
            "é",
            "a" * 100_000,
            pack([]),
            pack({}),
            pack("PRICE"),
            pack(["PRICE", "1"]),
            pack(["PRICE", "1", 1, 1]),
            pack(["PRICE", 1, 1]),
            pack(["PRICE", "cheap", 1]),
            pack(["PRICE", "1", "1"]),
            pack(["PRICE", "1", True]),
            pack(["PRICE", "1", -1]),
            pack(["PRICE", "1", 2**63]),
            pack([["PRICE"], "1", 1]),
        ]
        for cursor in broken:
            with self.subTest(cursor[:40]), self.assertRaises(InvalidCursor):
                decode_cursor(BY_PRICE, cursor, field="after")


class WindowTest(unittest.TestCase):
    def test_forward_is_the_default(self) -> None:
        assert Window.from_arguments() == Window(20)
        assert Window.from_arguments(first=3, after="x") == Window(3, "x")

    def test_last_and_before_page_backward(self) -> None:
        assert Window.from_arguments(last=3, before="x") == Window(3, "x", backward=True)
        assert Window.from_arguments(last=3) == Window(3, None, backward=True)

    def test_page_size_is_limited(self) -> None:
        for size in (1, MAX_PAGE_SIZE):
            assert Window.from_arguments(first=size).size == size
            assert Window.from_arguments(last=size).size == size
        for size in (-1, 0, MAX_PAGE_SIZE + 1):
            for name in ("first", "last"):
                with self.subTest(size=size, name=name), self.assertRaises(OutOfRange) as raised:
                    Window.from_arguments(**{name: size})
                assert raised.exception.field == name

    def test_both_directions_are_refused(self) -> None:
        for arguments in (
            {"first": 1, "last": 1},
            {"after": "x", "last": 1},
            {"after": "x", "before": "y"},
            {"before": "x"},
        ):
            with self.subTest(arguments), self.assertRaises(Invalid):
                Window.from_arguments(**arguments)
