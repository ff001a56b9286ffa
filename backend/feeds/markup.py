"""Character references and HTML markup in the texts of a feed.

Texts of all formats can contain HTML character references, such as `&amp;`, in addition to the escaping of
the format itself. They are decoded once. Descriptions can contain HTML markup, which is removed.
`encode_field` writes a text so that `decode_field` returns it unchanged.
"""

import html
import re
from html.entities import html5

# HTML elements that begin a new line.
BLOCKS = {"p", "div", "br", "hr", "ul", "ol", "li", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6"}
_INLINE = (
    "a|abbr|b|big|blockquote|caption|cite|code|col|colgroup|dd|del|dl|dt|em|figcaption|figure|font|i|iframe|"
    "img|ins|kbd|label|mark|nobr|noindex|pre|q|s|script|section|article|header|footer|small|span|strike|"
    "strong|style|sub|sup|tbody|td|tfoot|th|thead|tt|u|video|wbr|center"
)
# Attributes have values, so that "a<b and c>d" is not a tag.
_TAG = re.compile(
    rf"<!--|<(/?)({'|'.join(sorted(BLOCKS, key=len, reverse=True))}|{_INLINE})"
    r"""(?:\s+[a-z_:][\w:.-]*+\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>=]++))*+\s*+/?>""",
    re.IGNORECASE,
)
# Without a semicolon, "&copy=1" in a link would become "©=1".
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_WITHOUT_TEXT = {"script", "style"}


def _decode_reference(match: re.Match[str]) -> str:
    reference = match[0]
    return html.unescape(reference) if reference[1] == "#" else html5.get(reference[1:], reference)


def decode_references(text: str) -> str:
    """Decode HTML character references once."""
    return _REFERENCE.sub(_decode_reference, text) if "&" in text else text


def html_to_text(text: str) -> str:
    """Remove HTML markup and decode character references. Block elements begin new lines.

    White space is folded only if there is markup: other texts have lines of their own.
    """
    if "<" not in text or not _TAG.search(text):
        return decode_references(text)
    pieces, position, skipped = [], 0, ""
    while match := _TAG.search(text, position):
        if not skipped:
            pieces.append(_SPACES.sub(" ", text[position : match.start()]))
        position = match.end()
        if match[2] is None:
            end = text.find("-->", position)
            position = len(text) if end < 0 else end + 3
            continue
        name = match[2].lower()
        if skipped:
            skipped = "" if match[1] and name == skipped else skipped
        elif name in _WITHOUT_TEXT:
            skipped = "" if match[1] else name
        elif name in BLOCKS:
            pieces.append("\n")
    if not skipped:
        pieces.append(_SPACES.sub(" ", text[position:]))
    lines = (_SPACES.sub(" ", line).strip() for line in "".join(pieces).split("\n"))
    return decode_references("\n".join(line for line in lines if line))


def decode_field(name: str, text: str) -> str:
    """Return the plain text of a field."""
    return html_to_text(text) if name == "description" else decode_references(text)


def encode_field(name: str, text: str) -> str:
    """Return a plain text as `decode_field` reads it."""
    if "&" in text:
        text = _REFERENCE.sub(lambda match: "&amp;" + match[0][1:], text)
    if name == "description" and "<" in text and _TAG.search(text):
        text = text.replace("<", "&lt;")
    return text
