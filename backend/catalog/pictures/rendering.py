"""Render the renditions of a picture with Pillow.

django-pictures was considered and rejected: it does not record which renditions exist, so the APIs could
not fall back to the original; it starts before the transaction commits; and it ignores bulk inserts.
"""

import io
from contextlib import suppress
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageCms, ImageOps

from backend.catalog.pictures.validation import SUFFIXES
from backend.catalog.renditions import WIDTHS, ImageFormat, choose_widths

_SRGB = ImageCms.createProfile("sRGB")


@dataclass(frozen=True, slots=True)
class RenderedPicture:
    """The renditions of a picture.

    Attributes:
        width, height: of the original, upright, in pixels.
        files: the nominal width (one of `WIDTHS`), format and content of each rendition.
    """

    width: int
    height: int
    files: list[tuple[int, ImageFormat, bytes]]


def render(data: bytes) -> RenderedPicture:
    """Render all renditions of a picture, converted to sRGB so that they need no color profile.

    Raises:
        Exception: Pillow's decoders raise many types on a file that they cannot decode.
    """
    image, (full_width, full_height) = _open_upright(data)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode in {"P", "PA", "LA", "1"}:
        image = image.convert(mode)
    elif image.mode.startswith("I"):
        image = image.point(lambda value: value / 256).convert("L")
    files = []
    for nominal_width in reversed(choose_widths(full_width)):
        width = min(nominal_width, full_width)
        height = max(round(full_height * width / full_width), 1)
        image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
        image = _convert_to_srgb(image, mode)
        files.append((nominal_width, ImageFormat.WEBP, _encode(image, "WEBP", quality=80, method=4)))
        files.append(
            (
                nominal_width,
                ImageFormat.JPEG,
                _encode(_flatten_on_white(image), "JPEG", quality=82, optimize=True),
            )
        )
    return RenderedPicture(full_width, full_height, files)


def _open_upright(data: bytes) -> tuple[Image.Image, tuple[int, int]]:
    """Return an upright picture, possibly decoded at a reduced size, and its full size."""
    with Image.open(io.BytesIO(data), formats=list(SUFFIXES)) as image:
        width, height = image.size
        sufficient_width = 2 * WIDTHS[-1]
        if width > sufficient_width:
            # Decode a JPEG at a reduced size that is still twice as wide as the widest rendition.
            image.draft(None, (sufficient_width, max(height * sufficient_width // width, 1)))
        image.load()
        is_transposed = image.getexif().get(ExifTags.Base.Orientation, 1) in range(5, 9)
        # In place, because a copy of the largest picture would take 200 MB.
        ImageOps.exif_transpose(image, in_place=True)
    return image, (height, width) if is_transposed else (width, height)


def _convert_to_srgb(image: Image.Image, mode: str) -> Image.Image:
    profile = image.info.pop("icc_profile", None)
    if profile:
        with suppress(ImageCms.PyCMSError, OSError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode=mode)
            assert converted is not None
            image = converted
    image.info.pop("icc_profile", None)
    return image if image.mode == mode else image.convert(mode)


def _flatten_on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    background = Image.new("RGB", image.size, "white")
    background.paste(image, mask=image.getchannel("A"))
    return background


def _encode(image: Image.Image, format: str, **options: int) -> bytes:
    output = io.BytesIO()
    image.save(output, format, **options)
    return output.getvalue()
