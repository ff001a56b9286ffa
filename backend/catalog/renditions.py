"""Names, sizes and URLs of renditions, computed without access to the storage."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.core.files.storage import default_storage

# Nominal widths in pixels. A picture has a rendition for each width below its own, and one of its own width
# under the next nominal width.
WIDTHS = (160, 400, 800, 1600)

FOLDER = "renditions"


class ImageFormat(StrEnum):
    """The formats of renditions: WebP for browsers, JPEG for older browsers and mail clients.

    AVIF is left out: at the speed of WebP it saves nothing at these sizes, and saving a fifth takes four
    times as long (measured on the sample pictures and on small photos).
    """

    WEBP = "webp"
    JPEG = "jpeg"


def format_rendition_name(name: str, width: int, format: ImageFormat) -> str:
    """Return the storage name of a rendition of the picture with this storage name.

    Storage names of pictures are never reused, so the content behind a rendition's URL never changes.
    """
    return f"{FOLDER}/{name}.{width}.{format}"


def list_rendition_names(name: str) -> list[str]:
    """Return the storage names of all renditions that a picture can have."""
    return [format_rendition_name(name, width, format) for width in WIDTHS for format in ImageFormat]


def parse_rendition_name(rendition: str) -> tuple[str, int]:
    """Parse a storage name into the name of the picture and the width; ("", 0) if it is not a rendition."""
    name, _, width_and_format = rendition.removeprefix(f"{FOLDER}/").rpartition(".")
    name, _, width = name.rpartition(".")
    if not (name and width.isascii() and width.isdigit() and width_and_format in set(ImageFormat)):
        return "", 0
    return name, int(width)


def choose_widths(width: int) -> list[int]:
    """Return the nominal widths, of `WIDTHS`, of the renditions of a picture of this width in pixels."""
    return [nominal for nominal, previous in zip(WIDTHS, (0, *WIDTHS), strict=False) if previous < width]


@dataclass(frozen=True, slots=True)
class Rendition:
    """A resized copy of a picture: its size in pixels and its URL in each format."""

    width: int
    height: int
    webp: str
    jpeg: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as both APIs return it.

    Attributes:
        name: the storage name of the original.
        alt: alternative text.
        width, height: of the original, in pixels.
        widths: nominal widths of the existing renditions; empty until the worker has made them.
    """

    name: str
    alt: str
    width: int
    height: int
    widths: Sequence[int]

    @property
    def url(self) -> str:
        """The URL of the original, absolute if `PUBLIC_URL` is set."""
        return default_storage.url(self.name)

    @property
    def renditions(self) -> list[Rendition]:
        """The existing renditions, smallest first."""
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
        """Return the URL of the smallest rendition that is at least `size` pixels wide.

        If the original is narrower than that, return its widest rendition; without renditions, the
        original.
        """
        min_width = min(size, self.width)
        for width in self.widths:
            if width >= min_width:
                return f"{self._prefix}.{width}.{format}"
        return self.url

    def srcset(self, format: ImageFormat = ImageFormat.WEBP) -> str:
        """Return the renditions as an HTML `srcset`; without renditions, the original alone."""
        prefix = self._prefix
        candidates = [f"{prefix}.{width}.{format} {min(width, self.width)}w" for width in self.widths]
        return ", ".join(candidates) or f"{self.url} {self.width}w"

    @property
    def _prefix(self) -> str:
        # One call of the storage for all renditions, because it dominates the cost of a list of pictures.
        # This works because neither of our storages signs its URLs.
        return default_storage.url(f"{FOLDER}/{self.name}")
