"""What renditions a picture has, and where: names, sizes and addresses, worked out without the storage."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.core.files.storage import default_storage

# A picture is stored in these widths below its own, and in its own under the first that is not below.
WIDTHS = (160, 400, 800, 1600)

FOLDER = "renditions"


class ImageFormat(StrEnum):
    """The formats of renditions: WebP for every browser since 2020, JPEG for the rest and for mails.

    AVIF is left out: encoded about as fast as WebP it saves nothing at these sizes, and what saves a fifth
    takes four times as long (measured on the sample's pictures and on small photos).
    """

    WEBP = "webp"
    JPEG = "jpeg"


def rendition_name(name: str, width: int, format: ImageFormat) -> str:
    """Return the name in the storage of one rendition of the picture that is stored under `name`.

    No two pictures are ever stored under one name, so what a rendition's address answers never changes.
    """
    return f"{FOLDER}/{name}.{width}.{format}"


def rendition_names(name: str) -> list[str]:
    """Return the names of all renditions that a picture can have."""
    return [rendition_name(name, width, format) for width in WIDTHS for format in ImageFormat]


def read_rendition_name(rendition: str) -> tuple[str, int]:
    """Return the name of the picture and the width that a rendition's name tells; ("", 0) if it is none."""
    name, _, width_and_format = rendition.removeprefix(f"{FOLDER}/").rpartition(".")
    name, _, width = name.rpartition(".")
    if not (name and width.isascii() and width.isdigit() and width_and_format in set(ImageFormat)):
        return "", 0
    return name, int(width)


def widths_for(width: int) -> list[int]:
    """Return under which of `WIDTHS` a picture of a width in pixels is stored."""
    return [wanted for wanted, below in zip(WIDTHS, (0, *WIDTHS), strict=False) if below < width]


@dataclass(frozen=True, slots=True)
class Rendition:
    """A picture in one width, in pixels, with the address of each format."""

    width: int
    height: int
    webp: str
    jpeg: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as the APIs show it.

    Attributes:
        name: of the original in the storage.
        alt: what is seen in it.
        width, height: of the original, in pixels.
        widths: those of `WIDTHS` under which renditions exist; none until the worker has made them.
    """

    name: str
    alt: str
    width: int
    height: int
    widths: Sequence[int]

    @property
    def url(self) -> str:
        """The address of the original, whole if `PUBLIC_URL` is set."""
        return default_storage.url(self.name)

    @property
    def renditions(self) -> list[Rendition]:
        """The renditions that exist, the smallest first."""
        prefix = self._prefix
        return [
            Rendition(
                width=min(width, self.width),
                height=max(round(min(width, self.width) * self.height / self.width), 1),
                webp=f"{prefix}.{width}.{ImageFormat.WEBP}",
                jpeg=f"{prefix}.{width}.{ImageFormat.JPEG}",
            )
            for width in self.widths
        ]

    def thumbnail(self, size: int, format: ImageFormat = ImageFormat.WEBP) -> str:
        """Return the address of the smallest rendition that is as wide as a size in pixels, or as the
        picture itself; of the original where there is none."""
        wide_enough = min(size, self.width)
        for width in self.widths:
            if width >= wide_enough:
                return f"{self._prefix}.{width}.{format}"
        return self.url

    def srcset(self, format: ImageFormat = ImageFormat.WEBP) -> str:
        """Return the renditions as an HTML `srcset`; the original alone until they exist."""
        prefix = self._prefix
        addresses = [f"{prefix}.{width}.{format} {min(width, self.width)}w" for width in self.widths]
        return ", ".join(addresses) or f"{self.url} {self.width}w"

    @property
    def _prefix(self) -> str:
        # Asked of the storage once for all renditions: it is what a list of pictures costs. Neither of our
        # storages signs its addresses.
        return default_storage.url(f"{FOLDER}/{self.name}")
