"""Remove metadata and foreign data from image files without encoding them again.

Cameras record the place and time of a photo and append previews and videos; attackers append programs.
Only the parts listed here are kept, byte for byte, so unknown parts are removed. A file without any of
these is returned unchanged.
"""

import re
from collections.abc import Callable, Iterator

# Whether a part of a file is kept, and the part.
_Part = tuple[bool, bytes]

_PNG_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB"} | {
    b"cICP",
    b"pHYs",
}
_WEBP_CHUNKS = {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP"}
# Bits of VP8X that declare EXIF and XMP chunks.
_WEBP_METADATA = 0b1100
# The end of a JPEG scan: a marker other than an escaped 0xFF or a restart.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# The JPEG application segments that affect how the picture looks.
_JPEG_APPLICATIONS = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_JPEG_COMMENT = 0xFE
_JPEG_SCAN = 0xDA
_JPEG_END = 0xD9


def split_metadata(data: bytes, format: str) -> tuple[bytes, bytes]:
    """Split a file into a valid file with the picture alone, and the removed bytes.

    Args:
        format: "JPEG", "PNG", "WEBP" or "GIF".

    Raises:
        ValueError: the file does not follow its format.
    """
    kept: list[bytes] = []
    removed: list[bytes] = []
    for is_kept, part in _SPLITTERS[format](data):
        (kept if is_kept else removed).append(part)
    if format == "WEBP":
        size = 4 + sum(map(len, kept))
        kept.insert(0, b"RIFF" + size.to_bytes(4, "little") + b"WEBP")
    return b"".join(kept), b"\n".join(removed)


def _slice(data: bytes, start: int, end: int) -> bytes:
    part = data[start:end]
    if len(part) < end - start or end <= start:
        raise ValueError("the file is incomplete")
    return part


def _split_jpeg(data: bytes) -> Iterator[_Part]:
    yield True, data[:2]
    position = 2
    while True:
        head = _slice(data, position, position + 2)
        if head[0] != 0xFF:
            raise ValueError("a JPEG marker is missing")
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
                raise ValueError("a JPEG scan has no end")
            segment, end = data[position : following.start()], following.start()
        if 0xE0 <= marker <= 0xEF:
            is_kept = marker in _JPEG_APPLICATIONS and segment[4:].startswith(_JPEG_APPLICATIONS[marker])
        else:
            is_kept = marker != _JPEG_COMMENT
        yield is_kept, segment
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
            raise ValueError("the WebP file is animated")
        if kind == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~_WEBP_METADATA]) + chunk[9:]
        yield kind in _WEBP_CHUNKS, chunk
        position += len(chunk)
    yield False, data[position:]


def _split_gif(data: bytes) -> Iterator[_Part]:
    position = 13 + _get_gif_color_table_size(_slice(data, 0, 13)[10])
    yield True, _slice(data, 0, position)
    while True:
        kind = _slice(data, position, position + 1)
        if kind == b"\x3b":
            yield True, kind
            yield False, data[position + 1 :]
            return
        if kind == b"\x2c":
            end = position + 11 + _get_gif_color_table_size(_slice(data, position, position + 10)[9])
        elif kind == b"\x21":
            end = position + 2
        else:
            raise ValueError("a GIF block is of unknown type")
        while length := _slice(data, end, end + 1)[0]:
            end += 1 + length
        block = _slice(data, position, end + 1)
        # The only extension that is kept is graphic control, which defines the transparent color.
        yield kind == b"\x2c" or block[1] == 0xF9, block
        position = end + 1


def _get_gif_color_table_size(flags: int) -> int:
    """Return the size in bytes of the color table that the flags declare."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


_SPLITTERS: dict[str, Callable[[bytes], Iterator[_Part]]] = {
    "JPEG": _split_jpeg,
    "PNG": _split_png,
    "WEBP": _split_webp,
    "GIF": _split_gif,
}
