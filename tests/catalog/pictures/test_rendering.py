"""Widths, sizes, formats and colors of renditions."""

import io

from django.test import SimpleTestCase
from PIL import Image

from backend.catalog.pictures.rendering import render
from backend.catalog.renditions import ImageFormat, choose_widths
from tests.catalog.pictures.image_files import noise, photo, profile


def rendered(data: bytes) -> dict[tuple[int, ImageFormat], Image.Image]:
    return {(place, format): Image.open(io.BytesIO(content)) for place, format, content in render(data).files}


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    output = io.BytesIO()
    image.save(output, format, **options)
    return output.getvalue()


class RenderTest(SimpleTestCase):
    def test_nominal_widths_depend_on_the_width_of_the_original(self) -> None:
        for width, places in [
            (1, [160]),
            (159, [160]),
            (160, [160]),
            (161, [160, 400]),
            (400, [160, 400]),
            (800, [160, 400, 800]),
            (801, [160, 400, 800, 1600]),
            (1600, [160, 400, 800, 1600]),
            (9000, [160, 400, 800, 1600]),
        ]:
            with self.subTest(width):
                assert choose_widths(width) == places

    def test_renditions_keep_the_aspect_ratio_in_both_formats(self) -> None:
        for size, sizes in [
            ((500, 250), {160: (160, 80), 400: (400, 200), 800: (500, 250)}),
            ((2000, 10), {160: (160, 1), 400: (400, 2), 800: (800, 4), 1600: (1600, 8)}),
            ((3, 900), {160: (3, 900)}),
            ((1, 1), {160: (1, 1)}),
        ]:
            with self.subTest(size):
                images = rendered(encoded(Image.new("RGB", size, "teal")))
                assert {place: image.size for (place, _), image in images.items()} == sizes
                for (_, format), image in images.items():
                    assert (image.format or "").lower() == format
                assert len(images) == 2 * len(sizes)

    def test_large_photo_is_decoded_reduced_but_reported_at_full_size(self) -> None:
        done = render(encoded(Image.new("RGB", (6600, 4400), "teal"), "JPEG"))
        assert (done.width, done.height) == (6600, 4400)
        assert {place for place, _, _ in done.files} == {160, 400, 800, 1600}

    def test_large_rotated_photo_has_swapped_dimensions(self) -> None:
        done = render(photo("JPEG", orientation=8, size=(6600, 400)))
        assert (done.width, done.height) == (400, 6600)
        assert {place for place, _, _ in done.files} == {160, 400}

    def test_rotated_photo_is_rendered_upright(self) -> None:
        done = render(photo("JPEG", orientation=6, size=(200, 100)))
        assert (done.width, done.height) == (100, 200)
        images = rendered(photo("JPEG", orientation=6, size=(200, 100)))
        assert images[160, ImageFormat.WEBP].size == (100, 200)

    def test_every_color_mode_is_converted(self) -> None:
        teal = Image.new("RGB", (300, 300), (0, 128, 128))
        for data, color in [
            (encoded(teal), (0, 128, 128)),
            (encoded(teal.quantize(), "GIF"), (0, 128, 128)),
            (encoded(teal.convert("CMYK"), "JPEG"), (0, 128, 128)),
            (encoded(Image.new("L", (300, 300), 200)), (200, 200, 200)),
            (encoded(Image.new("LA", (300, 300), (200, 255))), (200, 200, 200)),
            (encoded(Image.new("1", (300, 300), 1)), (255, 255, 255)),
            (encoded(Image.new("I;16", (300, 300), 200 * 256)), (200, 200, 200)),
        ]:
            with self.subTest(color=color, data=data[:30]):
                for image in rendered(data).values():
                    found = image.convert("RGB").getpixel((80, 80))
                    assert isinstance(found, tuple)
                    assert all(abs(a - b) <= 8 for a, b in zip(found, color, strict=True)), found

    def test_transparency_is_kept_in_webp_and_white_in_jpeg(self) -> None:
        for image in (Image.new("RGBA", (300, 300), (0, 0, 0, 0)), Image.new("LA", (300, 300), (0, 0))):
            images = rendered(encoded(image))
            webp, jpeg = images[160, ImageFormat.WEBP], images[160, ImageFormat.JPEG]
            assert webp.mode == "RGBA" and webp.getpixel((5, 5))[3] == 0
            assert jpeg.getpixel((5, 5)) == (255, 255, 255)

    def test_color_profile_is_converted_to_srgb(self) -> None:
        srgb = profile()
        swapped = srgb.replace(b"rXYZ", b"....").replace(b"bXYZ", b"rXYZ").replace(b"....", b"bXYZ")
        red = Image.new("RGB", (300, 300), (255, 0, 0))
        for mode in ("RGB", "RGBA"):
            for image in rendered(encoded(red.convert(mode), icc_profile=swapped)).values():
                r, g, b = image.convert("RGB").getpixel((80, 80))
                assert r < 8 and g < 8 and b > 247
                assert "icc_profile" not in image.info

    def test_invalid_color_profile_is_ignored(self) -> None:
        images = rendered(encoded(noise((300, 300)), icc_profile=b"nonsense"))
        for image in images.values():
            assert "icc_profile" not in image.info
            assert not image.getexif()
