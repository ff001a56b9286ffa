"""Which files are accepted as pictures, whoever brings them."""

import io

from PIL import Image

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 50_000_000

# What browsers show and cannot run: an SVG may hold scripts.
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif"}


class PictureRefused(Exception):
    """A file is not accepted as a picture; the message says why, with the file as its subject."""


def check_picture(data: bytes) -> tuple[str, int, int]:
    """Return the file suffix, width and height of a picture.

    Raises:
        PictureRefused: it is not a whole JPEG, PNG, WebP or GIF, or has too many pixels.
    """
    try:
        with Image.open(io.BytesIO(data), formats=list(_SUFFIXES)) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise PictureRefused(
                    f"has {width} × {height} pixels; the limit is {MAX_PIXELS // 1_000_000} million"
                )
            # Decoding finds files that are cut short; a JPEG can be decoded at an eighth of its size.
            image.draft("RGB", (max(width // 8, 1), max(height // 8, 1)))
            image.load()
            return _SUFFIXES[str(image.format)], width, height
    except PictureRefused:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureRefused(
            f"has too many pixels; the limit is {MAX_PIXELS // 1_000_000} million"
        ) from error
    except Exception as error:  # Pillow's decoders raise whatever a broken file leads them to
        raise PictureRefused("is not a whole JPEG, PNG, WebP or GIF picture") from error
