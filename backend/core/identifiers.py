"""Identifiers as clients send them."""

MAX_ID = 2**63 - 1


def parse_id(text: str | int) -> int:
    """Return the primary key that a text stands for, or 0, which no row has, when it is none."""
    if isinstance(text, str):
        text = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    return text if 0 < text <= MAX_ID else 0
