"""Strict parsing of decimal numbers, for both APIs."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

# The syntax of JSON numbers. Python's Decimal also accepts underscores, spaces and digits of other scripts.
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def parse_decimal(value: Any) -> Decimal:
    """Parse a finite decimal number from a JSON number, or from a string such as "28.99".

    Raises:
        ValueError: the value is something else.
    """
    if isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
        text = str(value)
        if _NUMBER.fullmatch(text):
            try:
                return Decimal(text)
            except InvalidOperation:
                # The exponent is too large even for Decimal.
                pass
    raise ValueError(f'must be a finite number such as "28.99", not {str(value)[:50]!r}')
