"""Validation of image files and removal of their metadata."""

import io
import re
import zipfile
from unittest import mock

from django.test import SimpleTestCase
from PIL import Image, ImageChops, ImageOps, ImageStat

from backend.catalog.pictures import validation
from backend.catalog.pictures.validation import SUFFIXES, PictureFile, PictureRefused, accept_picture
from tests.catalog.pictures.image_files import SECRET, SIZE, animation, noise, photo, png_that_claims, profile


def accepted(data: bytes) -> PictureFile:
    return accept_picture(data, "a")


def content_of(file: PictureFile) -> bytes:
    file.seek(0)
    return bytes(file.read())


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def archive() -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as file:
        file.writestr("Main.class", "x")
    return output.getvalue()


class MetadataTest(SimpleTestCase):
    def test_metadata_is_removed_and_pixels_and_profile_are_kept(self) -> None:
        for format, suffix in SUFFIXES.items():
            with self.subTest(format):
                data = photo(format)
                assert SECRET in data
                file = accepted(data)
                stored = content_of(file)
                assert SECRET not in stored
                assert b"GPS" not in stored
                before, after = opened(data), opened(stored)
                assert after.format == format
                assert after.tobytes() == before.tobytes()
                assert not after.getexif()
                if format != "GIF":
                    assert after.info["icc_profile"] == profile()
                assert (file.width, file.height) == SIZE
                assert re.fullmatch(rf"a-[0-9a-f]{{12}}\{suffix}", file.name or "")
                assert file.sha256.startswith((file.name or "")[2:14])

    def test_file_without_metadata_is_unchanged(self) -> None:
        for format in SUFFIXES:
            with self.subTest(format):
                once = content_of(accepted(photo(format)))
                assert content_of(accepted(once)) == once

    def test_trailing_data_is_removed(self) -> None:
        for format in SUFFIXES:
            with self.subTest(format):
                data = photo(format)
                assert content_of(accepted(data + b"\0 a video of the phone")) == content_of(accepted(data))

    def test_progressive_and_cmyk_jpegs_are_accepted(self) -> None:
        for mode, progressive in [("RGB", True), ("CMYK", False), ("L", False)]:
            with self.subTest(mode=mode, progressive=progressive):
                output = io.BytesIO()
                noise(mode=mode).save(output, "JPEG", restart_marker_rows=1, progressive=progressive)
                assert content_of(accepted(output.getvalue())) == output.getvalue()

    def test_multi_picture_photo_loses_its_preview(self) -> None:
        output = io.BytesIO()
        noise().save(output, "MPO", save_all=True, append_images=[noise((16, 16))])
        assert opened(output.getvalue()).format == "MPO"
        file = accepted(output.getvalue())
        assert (file.width, file.height) == SIZE
        assert opened(content_of(file)).format == "JPEG"

    def test_picture_is_rotated_by_its_exif_orientation(self) -> None:
        for format in ("JPEG", "PNG", "WEBP"):
            for orientation in range(1, 9):
                with self.subTest(format, orientation=orientation):
                    data = photo(format, orientation=orientation)
                    upright = ImageOps.exif_transpose(opened(data))
                    file = accepted(data)
                    stored = opened(content_of(file))
                    assert not stored.getexif()
                    assert stored.size == (file.width, file.height) == upright.size
                    difference = ImageChops.difference(stored.convert("RGB"), upright.convert("RGB"))
                    assert max(ImageStat.Stat(difference).mean) < 12
                    assert SECRET not in content_of(file)

    def test_jpeg_that_only_pillow_can_parse_is_encoded_again(self) -> None:
        data = photo("JPEG")
        # A stray byte between two segments.
        data = data[:2] + b"\xff\xe1\x00\x04ab" + b"\x00" + data[2:]
        assert SECRET not in content_of(accepted(data))


class ValidationTest(SimpleTestCase):
    def refusal(self, data: bytes) -> str:
        with self.assertRaises(PictureRefused) as raised:
            accepted(data)
        return str(raised.exception)

    def test_file_that_is_not_a_complete_image_is_refused(self) -> None:
        svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
        for data, reason in [
            (svg, "is SVG, HTML or XML, which can contain scripts"),
            (b"\xef\xbb\xbf\n <?xml version='1.0'?>" + svg, "is SVG, HTML or XML"),
            (b"<!DOCTYPE html><script>alert(1)</script>", "is SVG, HTML or XML"),
            (archive(), "is not a supported image"),
            (b"MZ\x90\0" + bytes(60), "is not a supported image"),
            (b"\x7fELF" + bytes(60), "is not a supported image"),
            (b"#!/bin/sh\n", "is not a supported image"),
            (b"%PDF-1.7\n", "is not a supported image"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is not a supported image"),
            (b"", "is not a supported image"),
            (photo("JPEG")[:-200], "is damaged or incomplete"),
            (photo("PNG")[:-200], "is damaged or incomplete"),
            (photo("WEBP")[: len(photo("WEBP")) // 2], "is damaged or incomplete"),
            (b"\xff\xd8\xff\xe0" + bytes(100), "is not a supported image"),
        ]:
            with self.subTest(data=data[:20], reason=reason):
                assert reason in self.refusal(data)

    def test_foreign_data_in_a_picture_is_refused(self) -> None:
        comment = io.BytesIO()
        noise().save(comment, "JPEG", comment=b"<?php system($_GET['c']); ?>")
        for data, what in [
            (photo("JPEG") + archive(), "PK"),
            (photo("PNG") + b"<script>alert(1)</script>", "<script"),
            (photo("GIF") + b"<HTML>", "<HTML"),
            (photo("WEBP") + b"\x7fELF", "ELF"),
            (photo("JPEG") + b"%PDF-1.7", "%PDF-"),
            (comment.getvalue(), "<?php"),
        ]:
            with self.subTest(what):
                refusal = self.refusal(data)
                assert "contains data other than the picture" in refusal
                assert what in refusal

    def test_animation_is_refused(self) -> None:
        for format in ("GIF", "PNG", "WEBP"):
            with self.subTest(format):
                assert self.refusal(animation(format)) == "is animated; only still pictures are accepted"

    def test_file_size_is_limited(self) -> None:
        data = photo("JPEG")
        with mock.patch.object(validation, "MAX_BYTES", len(data)):
            accepted(data)
            assert "is larger than" in self.refusal(data + b"\0")

    def test_number_of_pixels_and_side_length_are_limited(self) -> None:
        with mock.patch.object(validation, "MAX_PIXELS", 100 * 100):
            accepted(png_that_claims(100, 100))
            assert "has 100 × 101 pixels" in self.refusal(png_that_claims(100, 101))
        accepted(png_that_claims(validation.MAX_SIDE, 1))
        assert "16383 pixels per side" in self.refusal(png_that_claims(validation.MAX_SIDE + 1, 1))

    def test_decompression_bomb_is_refused(self) -> None:
        for side in (10_000, 16_000, 60_000):
            with self.subTest(side):
                assert "the limits are 50 million" in self.refusal(png_that_claims(side, side))

    def test_number_of_jpeg_scans_is_limited(self) -> None:
        output = io.BytesIO()
        noise(mode="L").save(output, "JPEG", progressive=True)
        data = output.getvalue()
        head, scan = data[:-2], data[data.rindex(b"\xff\xda") : -2]
        missing = validation.MAX_SCANS - data.count(b"\xff\xda")
        accepted(head + missing * scan + b"\xff\xd9")
        # Scans in the previews that phones append are not counted.
        accepted(head + b"\xff\xd9" + 2 * missing * scan)
        for before in (b"", b"\xff\xe1\x00\x04ab\x00"):
            with self.subTest(before=before):
                passes = data[:2] + before + head[2:] + (missing + 1) * scan + b"\xff\xd9"
                assert self.refusal(passes) == "has too many JPEG scans; the limit is 100"
