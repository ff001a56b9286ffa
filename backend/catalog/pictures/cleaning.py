"""Takes out of a picture's file whatever is no picture, and leaves the rest as it is, byte for byte.

Cameras write down where and when a photo was taken and append previews and videos; others hide programs
there. What stays is listed here, so that nothing unheard of does. Cleaning a clean file changes nothing.
"""

import re
from collections.abc import Callable, Iterator

# A part of a file, and whether it belongs to the picture.
_Part = tuple[bool, bytes]

_PNG_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB"} | {
    b"cICP",
    b"pHYs",
}
_WEBP_CHUNKS = {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP"}
# Bits of VP8X that announce EXIF and XMP chunks.
_WEBP_METADATA = 0b1100
# The end of a JPEG scan: a marker other than an escaped 0xFF or a restart.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# Of the JPEG segments for applications only these change how the picture looks.
_JPEG_APPLICATIONS = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_JPEG_COMMENT = 0xFE
_JPEG_SCAN = 0xDA
_JPEG_END = 0xD9


def split(data: bytes, format: str) -> tuple[bytes, bytes]:
    """Return what of a file is the picture, as a whole file, and the rest of it.

    Args:
        format: "JPEG", "PNG", "WEBP" or "GIF".

    Raises:
        ValueError: the file is not built as the format demands.
    """
    kept: list[bytes] = []
    cut: list[bytes] = []
    for belongs, part in _SPLITTERS[format](data):
        (kept if belongs else cut).append(part)
    if format == "WEBP":
        size = 4 + sum(map(len, kept))
        kept.insert(0, b"RIFF" + size.to_bytes(4, "little") + b"WEBP")
    return b"".join(kept), b"\n".join(cut)


def _slice(data: bytes, start: int, end: int) -> bytes:
    part = data[start:end]
    if len(part) < end - start or end <= start:
        raise ValueError("the file ends too soon")
    return part


def _split_jpeg(data: bytes) -> Iterator[_Part]:
    yield True, data[:2]
    position = 2
    while True:
        head = _slice(data, position, position + 2)
        if head[0] != 0xFF:
            raise ValueError("no marker where one must be")
        marker = head[1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == _JPEG_END:
            yield True, head
            yield False, data[position + 2 :]
            return
        end = position + 2 + int.from_bytes(_slice(data, position + 2, position + 4), "big")
        segment = _slice(data, position, end)
        if marker == _JPEG_SCAN:
            following = _JPEG_MARKER.search(data, end)
            if following is None:
                raise ValueError("a scan without an end")
            segment, end = data[position : following.start()], following.start()
        if 0xE0 <= marker <= 0xEF:
            belongs = marker in _JPEG_APPLICATIONS and segment[4:].startswith(_JPEG_APPLICATIONS[marker])
        else:
            belongs = marker != _JPEG_COMMENT
        yield belongs, segment
        position = end


def _split_png(data: bytes) -> Iterator[_Part]:
    yield True, data[:8]
    position, kind = 8, b""
    while kind != b"IEND":
        length = int.from_bytes(_slice(data, position, position + 4), "big")
        chunk = _slice(data, position, position + length + 12)
        kind = chunk[4:8]
        yield kind in _PNG_CHUNKS, chunk
        position += len(chunk)
    yield False, data[position:]


def _split_webp(data: bytes) -> Iterator[_Part]:
    position, end = 12, 8 + int.from_bytes(data[4:8], "little")
    while position < end:
        length = int.from_bytes(_slice(data, position + 4, position + 8), "little")
        chunk = _slice(data, position, position + 8 + length + length % 2)
        kind = chunk[:4]
        if kind in {b"ANIM", b"ANMF"}:
            raise ValueError("an animation")
        if kind == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~_WEBP_METADATA]) + chunk[9:]
        yield kind in _WEBP_CHUNKS, chunk
        position += len(chunk)
    yield False, data[position:]


def _split_gif(data: bytes) -> Iterator[_Part]:
    position = 13 + _gif_colors(_slice(data, 0, 13)[10])
    yield True, _slice(data, 0, position)
    while True:
        kind = _slice(data, position, position + 1)
        if kind == b"\x3b":
            yield True, kind
            yield False, data[position + 1 :]
            return
        if kind == b"\x2c":
            end = position + 11 + _gif_colors(_slice(data, position, position + 10)[9])
        elif kind == b"\x21":
            end = position + 2
        else:
            raise ValueError("a block of no known kind")
        while length := _slice(data, end, end + 1)[0]:
            end += 1 + length
        block = _slice(data, position, end + 1)
        # Of the extensions the one that says which color is transparent.
        yield kind == b"\x2c" or block[1] == 0xF9, block
        position = end + 1


def _gif_colors(flags: int) -> int:
    """Return how long the color table is that some flags announce, in bytes."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


_SPLITTERS: dict[str, Callable[[bytes], Iterator[_Part]]] = {
    "JPEG": _split_jpeg,
    "PNG": _split_png,
    "WEBP": _split_webp,
    "GIF": _split_gif,
}
