"""Normalization of text before it is stored or compared."""

import re

# XML 1.0 cannot represent these characters. Feeds exchange text as XML, so stored and imported text is
# compared without them: otherwise a product with such a character would differ from its own export.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def clean_text(text: str) -> str:
    """Remove control characters, lone surrogates and surrounding white space."""
    return _NOT_XML.sub("", text).strip()
