"""Ids of objects: primary keys, and the global ids of GraphQL."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

MAX_ID = 2**63 - 1

_MAX_GLOBAL_ID_LENGTH = 200
_GLOBAL_ID = re.compile(rb"([A-Z][A-Za-z]{0,99}):([a-z0-9:]+)")


def parse_id(text: str | int) -> int:
    """Parse a client-supplied id. Return 0, which is never a primary key, if it is invalid."""
    if isinstance(text, str):
        text = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    return text if 0 < text <= MAX_ID else 0


def encode_global_id(type_name: str, key: int | str) -> str:
    """Return an opaque id that is unique among the objects of all types.

    Args:
        type_name: the object's type in the GraphQL schema.
        key: unique among the objects of this type; lower-case letters, digits and colons.
    """
    return urlsafe_b64encode(f"{type_name}:{key}".encode()).rstrip(b"=").decode()


def decode_global_id(text: str) -> tuple[str, str] | None:
    """Return the type and key of a global id, or None if the text is not one.

    Only the spelling of `encode_global_id` is accepted, because caches of clients compare ids as texts.
    """
    if not text.isascii() or len(text) > _MAX_GLOBAL_ID_LENGTH:
        return None
    try:
        match = _GLOBAL_ID.fullmatch(urlsafe_b64decode(f"{text}{'=' * (-len(text) % 4)}"))
    except ValueError:
        return None
    if match is None:
        return None
    type_name, key = match[1].decode(), match[2].decode()
    return (type_name, key) if encode_global_id(type_name, key) == text else None
