"""Which files are accepted as pictures, whoever brings them."""

import hashlib
import io

from PIL import Image

from backend.core.errors import Invalid

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 50_000_000

# What browsers show and cannot run: an SVG may hold scripts.
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif"}


class PictureRefused(Invalid):
    """A file is not accepted as a picture."""


def check_picture(data: bytes) -> tuple[str, int, int]:
    """Return the file suffix, width and height of a picture.

    Raises:
        PictureRefused: it is not a whole JPEG, PNG, WebP or GIF, or is too large.
    """
    if len(data) > MAX_BYTES:
        raise PictureRefused(f"A picture has at most {MAX_BYTES // 1024 // 1024} MB.", field="file")
    try:
        with Image.open(io.BytesIO(data), formats=list(_SUFFIXES)) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise Image.DecompressionBombError
            # Decoding finds files that are cut short; a JPEG can be decoded at an eighth of its size.
            image.draft("RGB", (max(width // 8, 1), max(height // 8, 1)))
            image.load()
            return _SUFFIXES[str(image.format)], width, height
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        message = f"A picture has at most {MAX_PIXELS // 1_000_000} million pixels."
        raise PictureRefused(message, field="file") from error
    except Exception as error:  # Pillow's decoders raise whatever a broken file leads them to
        raise PictureRefused("This is not a whole JPEG, PNG, WebP or GIF picture.", field="file") from error


def sha256_of(data: bytes) -> str:
    """Return the digest by which pictures are recognized, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
