"""What is kept of a text that must not be kept."""

import hashlib


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text in hex: enough to know it again, not to read it."""
    return hashlib.sha256(text.encode()).hexdigest()
