"""Hash secrets that are stored only as digests."""

import hashlib


def digest_secret(secret: str) -> str:
    """Return the SHA-256 of a token, password hash or e-mail address, in hexadecimal.

    It has no salt, so that the same text can be found again. Only texts that cannot be guessed are safe
    from a reader of the digest: 256-bit tokens and salted password hashes are, e-mail addresses are
    merely hidden.
    """
    return hashlib.sha256(secret.encode()).hexdigest()
