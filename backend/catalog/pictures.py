"""Which files are accepted as pictures, and when they leave the storage again, whoever brings them."""

import io
import logging
from collections.abc import Iterable

from django.db import transaction
from PIL import Image

from backend.catalog.models import Category, ProductImage
from backend.core.media import StorageUnavailable

logger = logging.getLogger(__name__)

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


def discard_files_on_commit(names: Iterable[str]) -> None:
    """Delete those of some files from the storage that no picture has by the time of the commit."""
    given = [name for name in names if name]
    if given:
        transaction.on_commit(lambda: discard_files(given), robust=True)


def discard_files(names: Iterable[str]) -> None:
    """Delete files from the storage, except those that a picture still has; while it is down they stay."""
    names = set(names)
    kept = {
        *ProductImage.objects.filter(file__in=names).values_list("file", flat=True),
        *Category.objects.filter(image__in=names).order_by().values_list("image", flat=True),
    }
    storage = ProductImage._meta.get_field("file").storage
    for name in names - kept:
        try:
            storage.delete(name)
        except StorageUnavailable as error:
            logger.warning("could not delete %s and what goes with it: %s", name, error)
            return
        except Exception:  # each storage has errors of its own; a file too many harms nobody
            logger.warning("could not delete %s from the storage", name, exc_info=True)
