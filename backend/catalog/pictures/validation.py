"""Validate image files from uploads and feeds, and prepare them for storage."""

import hashlib
import io
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from django.core.files.base import ContentFile
from django.core.files.images import ImageFile
from django.utils.translation import gettext_lazy as _
from PIL import ExifTags, Image, ImageOps, JpegImagePlugin, UnidentifiedImageError
from slugify import slugify

from backend.catalog.pictures.metadata import split_metadata

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 50_000_000
# The longest side that the WebP format supports.
MAX_SIDE = 16_383
# Progressive JPEGs have about ten scans. Decoding a scan takes a pass over all pixels even if the scan is
# only a few bytes long, so a small file with many of them could occupy a process for hours.
MAX_SCANS = 100

# Formats that browsers display and cannot execute. SVG is not one: it can contain scripts.
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif"}
_ACCEPTED = _("accepted formats are JPEG, PNG, WebP and GIF")
# Values of the EXIF orientation: any transformation, and those that swap width and height.
_TRANSFORMED = range(2, 9)
_TRANSPOSED = range(5, 9)
# Phones append previews to a photo. Pillow calls such a file a "multi-picture object".
_FORMAT_ALIASES = {"MPO": "JPEG"}
# Signatures of archives, programs and documents, which attackers append to pictures.
_FOREIGN = re.compile(rb"PK\x03\x04|\x7fELF|%PDF-|<\?php|<script|<html", re.IGNORECASE)


class PictureRefused(Exception):
    """A file is not accepted as a picture. The message is the reason, a predicate such as "is animated"."""


class PictureFile(ContentFile, ImageFile):
    """A validated picture, ready for storage: upright and without metadata.

    Attributes:
        name: the stem followed by a part of the digest, so that different contents have different names.
        width, height: in pixels.
        sha256: hexadecimal digest of the content.
    """

    def __init__(self, data: bytes, stem: str, suffix: str, size: tuple[int, int]) -> None:
        self.sha256 = hashlib.sha256(data).hexdigest()
        stem = slugify(stem, max_length=60) or "picture"
        super().__init__(data, f"{stem}-{self.sha256[:12]}{suffix}")
        # Set the cache of ImageFile, which would otherwise decode the content again.
        self._dimensions_cache = size


def accept_picture(data: bytes, stem: str) -> PictureFile:
    """Validate an image file and return the picture to store.

    The format is detected from the content. Metadata, comments and trailing data are removed. The pixels
    are unchanged, unless the EXIF orientation requires a rotation.

    Args:
        stem: the beginning of the stored file's name.

    Raises:
        PictureRefused: it is not a complete, still JPEG, PNG, WebP or GIF, it is too large, or it contains
            data of another format.
    """
    check_size(len(data))
    if data.lstrip(b"\xef\xbb\xbf\0\t\n\r ").startswith(b"<"):
        raise PictureRefused(_explain(_("is SVG, HTML or XML, which can contain scripts"), _ACCEPTED))
    try:
        format, size, orientation = _inspect(data)
        kept, removed = _remove_metadata(data, format, rotate=orientation in _TRANSFORMED)
    except PictureRefused:
        raise
    except UnidentifiedImageError as error:
        raise PictureRefused(_explain(_("is not a supported image"), _ACCEPTED)) from error
    except Image.DecompressionBombError as error:
        raise PictureRefused(_explain(_("has too many pixels"), _describe_limits())) from error
    except Exception as error:  # Pillow's decoders raise many types on damaged files
        raise PictureRefused(_("is damaged or incomplete")) from error
    if foreign := _FOREIGN.search(removed):
        signature = foreign[0].decode("ascii", "replace").strip()
        raise PictureRefused(
            _("contains data other than the picture, starting with %(signature)r") % {"signature": signature}
        )
    return PictureFile(kept, stem, SUFFIXES[format], size[::-1] if orientation in _TRANSPOSED else size)


def _inspect(data: bytes) -> tuple[str, tuple[int, int], int]:
    """Decode a picture and return its format, its size and its EXIF orientation."""
    with Image.open(io.BytesIO(data), formats=list(SUFFIXES)) as image:
        format = _FORMAT_ALIASES.get(str(image.format), str(image.format))
        width, height = image.size
        if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
            raise PictureRefused(
                _explain(
                    _("has %(width)s × %(height)s pixels") % {"width": width, "height": height},
                    _describe_limits(),
                )
            )
        if format != "JPEG" and getattr(image, "is_animated", False):
            raise PictureRefused(_("is animated; only still pictures are accepted"))
        if format == "JPEG" and _count_scans(data) > MAX_SCANS:
            raise PictureRefused(
                _("has too many JPEG scans; the limit is %(maximum)s") % {"maximum": MAX_SCANS}
            )
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        # Decoding detects incomplete files. For JPEG, decode at an eighth of the size to save time.
        image.draft("RGB", (max(width // 8, 1), max(height // 8, 1)))
        image.load()
        return format, (width, height), orientation


def _count_scans(data: bytes) -> int:
    # Pillow may decode a file that we cannot parse. In that case every marker in the file is counted.
    with suppress(ValueError):
        data, _removed = split_metadata(data, "JPEG")
    return data.count(b"\xff\xda")


def _explain(reason: "StrOrPromise", accepted: "StrOrPromise") -> str:
    return f"{reason}; {accepted}"


def _describe_limits() -> str:
    return _("the limits are %(millions)s million pixels and %(side)s pixels per side") % {
        "millions": MAX_PIXELS // 1_000_000,
        "side": MAX_SIDE,
    }


def check_size(size: int) -> None:
    """Check the size of a file in bytes.

    Raises:
        PictureRefused: it is larger than `MAX_BYTES`.
    """
    if size > MAX_BYTES:
        raise PictureRefused(_("is larger than %(maximum)s MB") % {"maximum": MAX_BYTES // 1024 // 1024})


def _remove_metadata(data: bytes, format: str, *, rotate: bool) -> tuple[bytes, bytes]:
    """Return the bytes to store, and all bytes that were removed from the file."""
    try:
        kept, removed = split_metadata(data, format)
    except ValueError:
        # Pillow can decode the file, but we cannot parse it: encode it again.
        kept, removed, rotate = b"", data, True
    if rotate:
        kept, _removed = split_metadata(_encode_upright(data, format), format)
    return kept, removed


def _encode_upright(data: bytes, format: str) -> bytes:
    """Rotate a picture as its EXIF orientation requires and encode it at its original quality."""
    output = io.BytesIO()
    with Image.open(io.BytesIO(data), formats=[format]) as image:
        options = {"quality": 95, "icc_profile": image.info.get("icc_profile")}
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            sampling = JpegImagePlugin.get_sampling(image)
            options |= {"qtables": image.quantization, "subsampling": max(sampling, 0)}
            del options["quality"]
        ImageOps.exif_transpose(image).save(output, format, **options)
    return output.getvalue()
