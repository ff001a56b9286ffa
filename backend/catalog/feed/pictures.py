"""The pictures of a feed: found beside it, checked, and put into the storage."""

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from backend.catalog.feed.cells import clean
from backend.catalog.feed.parsing import ProductRow
from backend.catalog.models import ProductImage
from backend.catalog.pictures.checking import (
    MAX_BYTES,
    PictureFile,
    PictureRefused,
    accept_picture,
    check_size,
)
from backend.core.media import StorageUnavailable

logger = logging.getLogger(__name__)

_URL = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a row asks for: one that the product has (`image_id`), or a file by its content,
    with its name in the storage when it had to be stored."""

    sha256: str
    image_id: int | None = None
    name: str = ""
    width: int = 0
    height: int = 0


@dataclass(slots=True)
class RowPictures:
    """The pictures of a row, in order, and what was wrong with the links that are missing among them.

    `failure` tells that one could not be stored, for no fault of the row, which is not to be written then.
    """

    pictures: list[Picture] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    failure: str = ""


@dataclass(slots=True)
class Arranged:
    """A product's pictures as they are to be, and those to be removed."""

    images: list[ProductImage]
    removed: list[ProductImage]
    added: int
    changed: bool


def prepare(
    row: ProductRow, existing: Sequence[ProductImage], folder: Path | None, *, store: bool
) -> RowPictures:
    """Read the pictures of a row, and store those that the product does not have yet.

    Args:
        row: with `pictures` set.
        existing: the product's pictures.
        folder: of the feed; None when it came without one.
        store: whether to write into the storage; a dry run only checks.
    """
    result = RowPictures()
    remaining = list(existing)
    for number, link in enumerate(row.pictures or ()):
        column = "additional_image_link" if number else "image_link"
        try:
            data = read_picture(link, folder)
            own = _picture_with(hashlib.sha256(data).hexdigest(), remaining)
            if own is None:
                # What the shop has of a file may be less: it keeps no metadata.
                file = accept_picture(data, row.sku)
                own = _picture_with(file.sha256, remaining)
            if own is None:
                name = _store(file) if store else ""
                result.pictures.append(Picture(file.sha256, None, name, file.width, file.height))
                continue
        except PictureRefused as error:
            own = _own_picture(link, remaining)
            if own is None:
                result.problems.append((column, f"{link[:120]}: {error}"))
                continue
        except StorageUnavailable as error:
            result.failure = f"{column}: {link[:120]}: {error.message}"
            return result
        remaining.remove(own)
        result.pictures.append(Picture(own.sha256, own.pk))
    return result


def _picture_with(sha256: str, images: Sequence[ProductImage]) -> ProductImage | None:
    return next((image for image in images if _sha256_of(image) == sha256), None)


def _sha256_of(image: ProductImage) -> str:
    """The digest of a picture, computed where nobody has noted it."""
    if not image.sha256:
        try:
            with image.file.storage.open(image.file.name or "") as file:
                image.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except Exception:  # each storage has errors of its own; what cannot be read is no match
            logger.warning("could not read %s from the storage", image.file.name, exc_info=True)
    return image.sha256


def read_picture(link: str, folder: Path | None) -> bytes:
    """Return the content of a file inside the feed's folder.

    Raises:
        PictureRefused: the link leads out of the folder, there is no file, or it is too large.
    """
    if _URL.match(link) or link.startswith("//"):
        raise PictureRefused("pictures are not fetched from addresses; put the file beside the feed")
    if folder is None:
        raise PictureRefused("the feed came without a folder of pictures")
    try:
        root = folder.resolve()
        path = (root / link).resolve()
        if not path.is_relative_to(root):
            raise PictureRefused("leads out of the feed's folder")
        if not path.is_file():
            raise PictureRefused("there is no such file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PictureRefused(f"cannot be read: {error.strerror or error}") from error
    check_size(len(data))
    return data


def _store(file: PictureFile) -> str:
    file_field = ProductImage._meta.get_field("file")
    return file_field.storage.save(file_field.generate_filename(ProductImage(), file.name or ""), file)


def _own_picture(link: str, existing: Sequence[ProductImage]) -> ProductImage | None:
    """The picture of the product that a link from our own export names, with whatever address before it."""
    path = link
    if _URL.match(link):
        try:
            path = unquote(urlsplit(link).path)
        except ValueError:
            return None
    path = "/" + path.lstrip("/")
    return next(
        (image for image in existing if image.file.name and path.endswith("/" + image.file.name)), None
    )


def arrange(row: ProductRow, prepared: RowPictures | None, existing: list[ProductImage]) -> Arranged:
    """Match what a row asks for with what the product has.

    While a link of the row is broken, no picture of the product is removed: it may be the one.
    """
    remaining, images = list(existing), []
    if prepared is None:
        images, remaining = remaining, []
    else:
        for picture in prepared.pictures:
            found = next(
                (
                    image
                    for image in remaining
                    if (image.pk == picture.image_id if picture.image_id else image.sha256 == picture.sha256)
                ),
                None,
            )
            if found:
                remaining.remove(found)
                images.append(found)
            elif picture.width:
                images.append(
                    ProductImage(
                        file=picture.name, sha256=picture.sha256, width=picture.width, height=picture.height
                    )
                )
        if prepared.problems:
            images, remaining = images + remaining, []
    added = sum(image.pk is None for image in images)
    changed = bool(remaining) or images != existing
    if row.alts is not None:
        for number, image in enumerate(images):
            alt = row.alts[number] if number < len(row.alts) else ""
            if clean(image.alt) != alt:
                image.alt, changed = alt, True
    return Arranged(images, remaining, added, changed)
