"""Makes the renditions of a picture with Pillow.

django-pictures was considered: it keeps no record of which renditions exist, so that the original could
not be served until then, starts before the transaction commits, and knows nothing of bulk inserts.
"""

import io
from contextlib import suppress
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageCms, ImageOps

from backend.catalog.pictures.checking import SUFFIXES
from backend.catalog.renditions import WIDTHS, ImageFormat, widths_for

_SRGB = ImageCms.createProfile("sRGB")


@dataclass(frozen=True, slots=True)
class Rendered:
    """The renditions of a picture, each with its place in `WIDTHS`, and the picture's own size in pixels."""

    width: int
    height: int
    files: list[tuple[int, ImageFormat, bytes]]


def render(data: bytes) -> Rendered:
    """Make the renditions of a picture, in sRGB whatever it is in, so that they need no profile.

    Raises:
        Exception: whatever Pillow's decoders raise when it is no picture.
    """
    image, (full_width, full_height) = _open_upright(data)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode in {"P", "PA", "LA", "1"}:
        image = image.convert(mode)
    elif image.mode.startswith("I"):
        image = image.point(lambda value: value / 256).convert("L")
    files = []
    for place in reversed(widths_for(full_width)):
        width = min(place, full_width)
        height = max(round(full_height * width / full_width), 1)
        image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
        image = _in_srgb(image, mode)
        files.append((place, ImageFormat.WEBP, _encode(image, "WEBP", quality=80, method=4)))
        files.append((place, ImageFormat.JPEG, _encode(_on_white(image), "JPEG", quality=82, optimize=True)))
    return Rendered(full_width, full_height, files)


def _open_upright(data: bytes) -> tuple[Image.Image, tuple[int, int]]:
    """Return a picture, perhaps at a fraction of its size, and its full size."""
    with Image.open(io.BytesIO(data), formats=list(SUFFIXES)) as image:
        width, height = image.size
        enough = 2 * WIDTHS[-1]
        if width > enough:
            # A JPEG can be decoded at a fraction of its size: still twice as wide as any rendition.
            image.draft(None, (enough, max(height * enough // width, 1)))
        image.load()
        on_its_side = image.getexif().get(ExifTags.Base.Orientation, 1) in range(5, 9)
        # In place: a copy of the largest pictures would be 200 MB.
        ImageOps.exif_transpose(image, in_place=True)
    return image, (height, width) if on_its_side else (width, height)


def _in_srgb(image: Image.Image, mode: str) -> Image.Image:
    profile = image.info.pop("icc_profile", None)
    if profile:
        with suppress(ImageCms.PyCMSError, OSError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode=mode)
            assert converted is not None
            image = converted
    image.info.pop("icc_profile", None)
    return image if image.mode == mode else image.convert(mode)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _encode(image: Image.Image, format: str, **options: int) -> bytes:
    output = io.BytesIO()
    image.save(output, format, **options)
    return output.getvalue()
