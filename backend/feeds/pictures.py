"""Pictures of a feed: read from its folder, validated, stored, and compared with those of the product."""

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.utils.translation import gettext as _

from backend.catalog.bulk import store_product_picture
from backend.catalog.models import ProductImage
from backend.catalog.pictures.validation import MAX_BYTES, PictureRefused, accept_picture, check_size
from backend.core.media.storage import StorageUnavailable
from backend.core.text import clean_line
from backend.feeds.archive import Archive
from backend.feeds.parsed_rows import ParsedRow

logger = logging.getLogger(__name__)

_URL = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RequestedPicture:
    """A picture that a row names.

    Attributes:
        image_id: the picture of the product with this content; None if the picture is new.
        name: the storage name of a new picture; empty in a dry run.
        width, height: size of a new picture in pixels.
    """

    sha256: str
    image_id: int | None = None
    name: str = ""
    width: int = 0
    height: int = 0


@dataclass(slots=True)
class RowPictures:
    """The valid pictures of a row in display order.

    Attributes:
        problems: (column, reason) of the links that are ignored.
        storage_error: why a picture could not be stored; empty if all were. Such a row is not imported.
    """

    pictures: list[RequestedPicture] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    storage_error: str = ""


@dataclass(slots=True)
class PicturePlan:
    """The pictures of a product after the import.

    Attributes:
        images: all pictures in display order; new ones are unsaved.
        removed: pictures to delete.
        added: the number of new pictures.
        changed: whether anything differs from the product's current pictures.
    """

    images: list[ProductImage]
    removed: list[ProductImage]
    added: int
    changed: bool


def prepare_pictures(
    row: ParsedRow, existing: Sequence[ProductImage], folder: Path | Archive | None, *, store: bool
) -> RowPictures:
    """Read and validate the pictures of a row, and store those that the product does not have yet.

    Args:
        row: a row with `pictures`.
        existing: the product's pictures.
        folder: the feed's folder or archive; None if the feed was uploaded without one.
        store: False in a dry run, which only validates.
    """
    result = RowPictures()
    remaining = list(existing)
    for number, link in enumerate(row.pictures or ()):
        column = "additional_image_link" if number else "image_link"
        try:
            data = read_picture_file(link, folder)
            match = _find_by_digest(hashlib.sha256(data).hexdigest(), remaining)
            if match is None:
                # The stored file differs from the one in the feed if metadata was removed from it.
                file = accept_picture(data, row.sku)
                match = _find_by_digest(file.sha256, remaining)
            if match is None:
                name = store_product_picture(file) if store else ""
                result.pictures.append(RequestedPicture(file.sha256, None, name, file.width, file.height))
                continue
        except PictureRefused as error:
            match = _find_by_link(link, remaining)
            if match is None:
                result.problems.append((column, f"{link[:120]!r}: {error}"))
                continue
        except StorageUnavailable as error:
            result.storage_error = f"{column}: {link[:120]}: {error.message}"
            return result
        remaining.remove(match)
        result.pictures.append(RequestedPicture(match.sha256, match.pk))
    return result


def _find_by_digest(sha256: str, images: Sequence[ProductImage]) -> ProductImage | None:
    return next((image for image in images if _get_digest(image) == sha256), None)


def _get_digest(image: ProductImage) -> str:
    """Return the SHA-256 of a picture, computed from the file if the database has none."""
    if not image.sha256:
        try:
            with image.file.storage.open(image.file.name or "") as file:
                image.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except Exception:  # Storages raise errors of their own; an unreadable file is no match.
            logger.warning("could not read %s from the storage", image.file.name, exc_info=True)
    return image.sha256


def read_picture_file(link: str, folder: Path | Archive | None) -> bytes:
    """Read a file in the feed's folder or archive.

    Raises:
        PictureRefused: the link is a URL or leads out of the folder, or the file is missing or too large.
    """
    if _URL.match(link) or link.startswith("//"):
        raise PictureRefused(_("URLs are not fetched; link a file in the folder of the feed"))
    if folder is None:
        raise PictureRefused(_("the feed was uploaded without pictures"))
    if isinstance(folder, Archive):
        return folder.read_picture(link)
    try:
        root = folder.resolve()
        path = _find_file(root, link)
        if not path.is_relative_to(root):
            raise PictureRefused(_("is outside the folder of the feed"))
        if not path.is_file():
            raise PictureRefused(_("the file does not exist"))
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PictureRefused(_("cannot be read: %(reason)s") % {"reason": error.strerror or error}) from error
    check_size(len(data))
    return data


def _find_file(root: Path, link: str) -> Path:
    """Return the path of a link, or one whose names differ in composition, spaces or invisible characters.

    macOS and some archives decompose the names of files: é becomes e and an accent.
    """
    path = (root / link).resolve()
    if path.exists() or not path.is_relative_to(root):
        return path
    found = root
    for part in path.relative_to(root).parts:
        if not found.is_dir():
            return path
        same = (entry for entry in sorted(found.iterdir()) if clean_line(entry.name) == clean_line(part))
        found = next(same, found / part)
    return found.resolve()


def _find_by_link(link: str, existing: Sequence[ProductImage]) -> ProductImage | None:
    """Return the product's picture whose storage name ends the link, as in an exported feed."""
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


def plan_pictures(row: ParsedRow, prepared: RowPictures | None, existing: list[ProductImage]) -> PicturePlan:
    """Compare the pictures of a row with those of the product.

    If a link of the row is broken, no picture is removed, because it can be the one that the link names.
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
            if clean_line(image.alt) != alt:
                image.alt, changed = alt, True
    return PicturePlan(images, remaining, added, changed)
