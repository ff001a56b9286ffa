"""Parse ids sent by clients."""

MAX_ID = 2**63 - 1


def parse_id(text: str | int) -> int:
    """Parse a client-supplied id. Return 0, which is never a primary key, if it is invalid."""
    if isinstance(text, str):
        text = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    return text if 0 < text <= MAX_ID else 0
