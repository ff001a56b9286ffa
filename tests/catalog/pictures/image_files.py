"""Image files with camera metadata and with appended data."""

import io
import struct
import zlib
from typing import Any

from PIL import ExifTags, Image, ImageCms, PngImagePlugin

SECRET = b"55 deg 45 min N"
SIZE = (60, 40)

XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + SECRET + b"</x:xmpmeta>"


def noise(size: tuple[int, int] = SIZE, mode: str = "RGB") -> Image.Image:
    """Return an image whose orientation is visible: red on the left, blue at the bottom."""
    image = Image.new("RGB", size)
    image.putdata([(255 - 4 * x % 256, 64, 4 * y % 256) for y in range(size[1]) for x in range(size[0])])
    return image.convert(mode)


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(orientation: int = 1) -> bytes:
    """Return EXIF data with a location."""
    data = Image.Exif()
    data[ExifTags.Base.Orientation] = orientation
    data[ExifTags.Base.Make] = SECRET.decode()
    data.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (55.0, 45.0, 7.0)
    return data.tobytes()


def photo(format: str, *, orientation: int = 1, size: tuple[int, int] = SIZE, **options: Any) -> bytes:
    """Return an image file with a color profile and every kind of metadata of its format."""
    output = io.BytesIO()
    match format:
        case "JPEG":
            options |= {"xmp": XMP, "comment": SECRET, "quality": 90}
        case "PNG":
            text = PngImagePlugin.PngInfo()
            text.add_text("Comment", SECRET.decode())
            text.add_itxt("XML:com.adobe.xmp", XMP.decode())
            options["pnginfo"] = text
        case "WEBP":
            options |= {"xmp": XMP, "lossless": True}
        case "GIF":
            noise(size, "P").save(output, "GIF", comment=SECRET, transparency=0)
            return output.getvalue()
    noise(size).save(output, format, exif=exif(orientation), icc_profile=profile(), **options)
    return output.getvalue()


def animation(format: str) -> bytes:
    """Return an animation of two frames."""
    output = io.BytesIO()
    noise().save(output, format, save_all=True, append_images=[noise().rotate(180)], duration=100)
    return output.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """Return a few bytes with the header of an image of this size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(height * (width + 1)), 9) if width * height < 10_000_000 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
