"""Which files are accepted as pictures, whoever brings them, and what is stored of them."""

import hashlib
import io
import re
from contextlib import suppress

from django.core.files.base import ContentFile
from django.core.files.images import ImageFile
from PIL import ExifTags, Image, ImageOps, JpegImagePlugin, UnidentifiedImageError
from slugify import slugify

from backend.catalog.pictures.cleaning import split

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 50_000_000
# The longest side that WebP can have.
MAX_SIDE = 16_383
# Progressive JPEGs have about ten. Each is a pass over all pixels and may be a few bytes long, so that a
# small file could keep a process busy for hours.
MAX_SCANS = 100

# What browsers show and cannot run: an SVG may hold scripts.
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif"}
_ACCEPTED = "pictures are JPEG, PNG, WebP or GIF"
# Values of the orientation that mean: mirrored, upside down or on the side.
_TURNED = range(2, 9)
_ON_THE_SIDE = range(5, 9)
# Phones append previews to a photo, which makes it a "multi-picture object".
_STILL = {"MPO": "JPEG"}
# How archives, programs and documents begin: a picture that carries one is sent for that.
_HIDDEN = re.compile(rb"PK\x03\x04|\x7fELF|%PDF-|<\?php|<script|<html", re.IGNORECASE)


class PictureRefused(Exception):
    """A file is not accepted as a picture; the message says why, with the file as its subject."""


class PictureFile(ContentFile, ImageFile):
    """A picture as it is to be stored: upright, and without anything but the picture.

    Attributes:
        name: begins with a given text, and no other content has it.
        width, height: in pixels.
        sha256: of the content, in hexadecimal.
    """

    def __init__(self, data: bytes, stem: str, suffix: str, size: tuple[int, int]) -> None:
        self.sha256 = hashlib.sha256(data).hexdigest()
        stem = slugify(stem, max_length=60) or "picture"
        super().__init__(data, f"{stem}-{self.sha256[:12]}{suffix}")
        # Where ImageFile keeps what it has read of the content.
        self._dimensions_cache = size


def accept_picture(data: bytes, stem: str) -> PictureFile:
    """Check a file and return what is to be stored of it.

    What the file's name says does not matter. Metadata, comments and whatever follows the picture is
    cut out; the pixels are left alone, unless the metadata says that they must be turned.

    Args:
        stem: what the name of the stored file begins with.

    Raises:
        PictureRefused: it is not a whole, still JPEG, PNG, WebP or GIF, it is too large, or something
            else hides in it.
    """
    check_size(len(data))
    if data.lstrip(b"\xef\xbb\xbf\0\t\n\r ").startswith(b"<"):
        raise PictureRefused(f"is SVG, HTML or XML, which can hold scripts; {_ACCEPTED}")
    try:
        format, size, orientation = _inspect(data)
        kept, cut = _clean(data, format, turn=orientation in _TURNED)
    except PictureRefused:
        raise
    except UnidentifiedImageError as error:
        raise PictureRefused(f"is no picture that the shop knows; {_ACCEPTED}") from error
    except Image.DecompressionBombError as error:
        raise PictureRefused(f"has too many pixels; {_limits()}") from error
    except Exception as error:  # Pillow's decoders raise whatever a broken file leads them to
        raise PictureRefused("is a broken picture, or one that was cut short") from error
    if hidden := _HIDDEN.search(cut):
        what = hidden[0].decode("ascii", "replace").strip()
        raise PictureRefused(f"is not only a picture: {what!r} hides in it")
    return PictureFile(kept, stem, SUFFIXES[format], size[::-1] if orientation in _ON_THE_SIDE else size)


def _inspect(data: bytes) -> tuple[str, tuple[int, int], int]:
    """Return the format, the size and the orientation of a picture that can be decoded."""
    with Image.open(io.BytesIO(data), formats=list(SUFFIXES)) as image:
        format = _STILL.get(str(image.format), str(image.format))
        width, height = image.size
        if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
            raise PictureRefused(f"has {width} × {height} pixels; {_limits()}")
        if format != "JPEG" and getattr(image, "is_animated", False):
            raise PictureRefused("is animated; pictures of the shop stand still")
        if format == "JPEG" and _count_scans(data) > MAX_SCANS:
            raise PictureRefused(f"is drawn in more than {MAX_SCANS} passes")
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        # Decoding finds files that are cut short; a JPEG can be decoded at an eighth of its size.
        image.draft("RGB", (max(width // 8, 1), max(height // 8, 1)))
        image.load()
        return format, (width, height), orientation


def _count_scans(data: bytes) -> int:
    # What we cannot take apart Pillow may decode all the same: then all that may be a scan counts.
    with suppress(ValueError):
        data, _ = split(data, "JPEG")
    return data.count(b"\xff\xda")


def _limits() -> str:
    return f"the limit is {MAX_PIXELS // 1_000_000} million, and {MAX_SIDE} a side"


def check_size(size: int) -> None:
    """Refuse a file of more bytes than a picture may have.

    Raises:
        PictureRefused: it is larger.
    """
    if size > MAX_BYTES:
        raise PictureRefused(f"is larger than {MAX_BYTES // 1024 // 1024} MB")


def _clean(data: bytes, format: str, *, turn: bool) -> tuple[bytes, bytes]:
    """Return the picture's own bytes, and all that was cut out of the file."""
    try:
        kept, cut = split(data, format)
    except ValueError:
        # Built in a way that Pillow understands and we do not.
        kept, cut, turn = b"", data, True
    if turn:
        kept, _ = split(_encode_upright(data, format), format)
    return kept, cut


def _encode_upright(data: bytes, format: str) -> bytes:
    """Write a picture anew, turned as its metadata says, as good as it was."""
    output = io.BytesIO()
    with Image.open(io.BytesIO(data), formats=[format]) as image:
        options = {"quality": 95, "icc_profile": image.info.get("icc_profile")}
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            sampling = JpegImagePlugin.get_sampling(image)
            options |= {"qtables": image.quantization, "subsampling": max(sampling, 0)}
            del options["quality"]
        ImageOps.exif_transpose(image).save(output, format, **options)
    return output.getvalue()
