"""Import of pictures."""

from unittest import mock

from django.core.files.storage import FileSystemStorage
from django.db import connection

from backend.catalog.models import Product, ProductImage
from backend.catalog.pictures import rendition_queue, validation
from backend.core import broker
from backend.feeds import pictures
from tests.catalog.pictures.image_files import SECRET, SIZE, animation, photo
from tests.feeds.helpers import FeedTestCase, counts, picture, product_row


class PicturesTest(FeedTestCase):
    def put(self, name: str, data: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def images(self) -> list[ProductImage]:
        return list(ProductImage.objects.order_by("position"))

    def problem(self, link: str) -> str:
        """Import a product with a bad picture, and return the reason in the report."""
        report = self.run_import(product_row(image_link=link))
        assert not report.refused
        assert Product.objects.count() == 1
        (problem,) = report.problems
        assert (problem.line, problem.field, problem.refused) == (2, "image_link", False)
        return problem.reason

    def test_pictures_are_stored_in_order_and_once(self) -> None:
        self.put("images/a.jpg", picture("red", size=(40, 30)))
        self.put("images/b, c.png", picture("green", format="PNG"))
        self.put("d.webp", picture("blue", format="WEBP"))
        self.put("e", picture("white", format="GIF"))
        row = product_row(
            "A/1", image_link="images/a.jpg", additional_image_link='"images/b, c.png",d.webp, e,d.webp'
        )
        report = self.run_import(row)
        assert (report.pictures_added, report.problem_count) == (4, 0)
        first, *others = self.images()
        assert (first.width, first.height, len(first.sha256), first.alt) == (40, 30, 64, "")
        assert first.file.name.startswith("products/a-1-")
        assert [image.file.name.rpartition(".")[2] for image in others] == ["png", "webp", "gif"]
        assert first.file.read() == picture("red", size=(40, 30))
        files = self.stored_files()
        assert len(files) == 4
        assert counts(self.run_import(row)) == (0, 0, 1, 0)
        assert self.stored_files() == files

    def test_changed_picture_replaces_the_old_one_and_its_file(self) -> None:
        row = product_row(image_link="a.jpg", additional_image_link="b.jpg")
        self.put("a.jpg", picture("red"))
        self.put("b.jpg", picture("green"))
        self.run_import(row)
        kept = self.images()[1]
        self.put("a.jpg", picture("blue"))
        with self.captureOnCommitCallbacks(execute=True):
            report = self.run_import(row)
        assert (report.updated, report.pictures_added, report.pictures_removed) == (1, 1, 1)
        assert self.images()[1] == kept
        assert len(self.stored_files()) == 2

    def test_pictures_are_reordered_and_removed(self) -> None:
        self.put("a.jpg", picture("red"))
        self.put("b.jpg", picture("green"))
        self.run_import(product_row(image_link="a.jpg", additional_image_link="b.jpg"))
        red, green = self.images()
        self.run_import(product_row(image_link="b.jpg", additional_image_link="a.jpg"))
        assert self.images() == [green, red]
        self.run_import(product_row(image_link="b.jpg", additional_image_link=""))
        assert self.images() == [green]
        self.run_import(product_row())
        assert self.images() == [green]
        self.run_import(product_row(image_link=""))
        assert self.images() == []

    def test_alternative_texts_are_set_kept_and_cleared(self) -> None:
        self.put("a.jpg", picture("red"))
        self.put("b.jpg", picture("green"))
        row = product_row(image_link="a.jpg", additional_image_link="b.jpg")
        self.run_import(row | {"image_alt": '"Red, mostly",Green'})
        assert [image.alt for image in self.images()] == ["Red, mostly", "Green"]
        self.run_import(row)
        assert [image.alt for image in self.images()] == ["Red, mostly", "Green"]
        self.run_import(product_row(image_alt=",Very green"))
        assert [image.alt for image in self.images()] == ["", "Very green"]
        assert counts(self.run_import(row | {"image_alt": ",Very green"})) == (0, 0, 1, 0)

    def test_links_outside_the_folder_are_refused(self) -> None:
        (self.folder.parent / "secret.jpg").write_bytes(picture())
        (self.folder / "link.jpg").symlink_to(self.folder.parent / "secret.jpg")
        # For a product with a picture, links are also compared with its storage name.
        self.put("a.jpg", picture())
        self.run_import(product_row(image_link="a.jpg"))
        for link, reason in [
            ("absent.jpg", "'absent.jpg': the file does not exist"),
            (".", "the file does not exist"),
            ("../secret.jpg", "is outside the folder of the feed"),
            ("link.jpg", "is outside the folder of the feed"),
            (str(self.folder.parent / "secret.jpg"), "is outside the folder of the feed"),
            ("/etc/passwd", "is outside the folder of the feed"),
            ("http://169.254.169.254/latest/meta-data", "URLs are not fetched"),
            ("https://shop.example/a.jpg", "URLs are not fetched"),
            ("http://[broken", "URLs are not fetched"),
            ("file:///etc/passwd", "URLs are not fetched"),
            ("//host/a.jpg", "URLs are not fetched"),
            ("x" * 5000, "File name too long"),
        ]:
            with self.subTest(link=link[:60]):
                assert reason in self.problem(link)
        assert len(self.stored_files()) == 1

    def test_link_finds_a_file_whose_name_is_spelt_another_way(self) -> None:
        for number, (link, file) in enumerate(
            [
                ("café/чайник.jpg", "cafe\u0301/чаи\u0306ник.jpg"),
                ("cafe\u0301 2/чаи\u0306ник.jpg", "café 2/чайник.jpg"),
                ("two  spaces.jpg", "two  spaces.jpg"),
                ("one space.jpg", "one\xa0space.jpg"),
                ("soft\xadhyphen.jpg", "softhyphen.jpg"),
            ]
        ):
            with self.subTest(link=ascii(link)):
                self.put(file, picture("red", size=(number + 1, 1)))
                report = self.run_import(product_row(f"sku-{number}", image_link=link))
                assert (report.pictures_added, report.problem_count) == (1, 0)
                assert ProductImage.objects.get(product__sku=f"sku-{number}").width == number + 1
        for link in ("cafe/чайник.jpg", "café/other.jpg", "other/чайник.jpg"):
            (problem,) = self.run_import(product_row("other", image_link=link)).problems
            assert problem.reason.endswith(": the file does not exist")
        (problem,) = self.run_import(product_row("other", image_link="cafe\u0301/../../x\xad.jpg")).problems
        assert problem.reason.endswith(": is outside the folder of the feed")

    def test_files_that_are_not_still_pictures_are_refused(self) -> None:
        whole = picture(size=(300, 300))
        for data, reason in [
            (b"", "is not a supported image"),
            (b"<svg/>", "is SVG, HTML or XML, which can contain scripts"),
            (picture(format="BMP"), "is not a supported image"),
            (whole[: len(whole) // 2], "is damaged or incomplete"),
            (picture(format="PNG", size=(300, 300))[:200], "is damaged or incomplete"),
            (animation("GIF"), "is animated"),
            (photo("JPEG") + b"<script>", "contains data other than the picture"),
        ]:
            with self.subTest(data=data[:10]):
                self.put("a.jpg", data)
                assert reason in self.problem("a.jpg")
        assert self.stored_files() == []

    def test_pictures_above_the_size_limits_are_refused(self) -> None:
        self.put("a.jpg", picture(size=(40, 30)))
        with mock.patch("backend.catalog.pictures.validation.MAX_PIXELS", 1000):
            assert "has 40 × 30 pixels" in self.problem("a.jpg")
        with mock.patch.multiple(pictures, MAX_BYTES=100), mock.patch.object(validation, "MAX_BYTES", 100):
            assert "is larger than" in self.problem("a.jpg")
        with mock.patch("PIL.Image.MAX_IMAGE_PIXELS", 500):
            assert "has too many pixels" in self.problem("a.jpg")

    def test_picture_with_removed_metadata_is_recognized_by_the_next_import(self) -> None:
        for name, data in [
            ("a.jpg", photo("JPEG")),
            ("b.jpg", photo("JPEG", orientation=6)),
            ("c.png", photo("PNG") + b"what follows"),
        ]:
            with self.subTest(name):
                self.put(name, data)
                row = product_row(name, image_link=name)
                assert self.run_import(row).pictures_added == 1
                stored = self.stored_files()
                (image,) = ProductImage.objects.filter(product__sku=name)
                with image.file.open() as file:
                    assert SECRET not in file.read()
                assert (image.width, image.height) == (SIZE[::-1] if name == "b.jpg" else SIZE)
                assert counts(self.run_import(row)) == (0, 0, 1, 0)
                # The file as the shop stores it is recognized too.
                (self.folder / name).write_bytes((self.media / str(image.file.name)).read_bytes())
                assert counts(self.run_import(row)) == (0, 0, 1, 0)
                assert self.stored_files() == stored

    def test_renditions_of_new_pictures_are_queued_on_commit(self) -> None:
        self.put("a.jpg", picture("red"))
        row = product_row(image_link="a.jpg")
        with mock.patch.object(rendition_queue, "enqueue") as enqueue:
            with self.captureOnCommitCallbacks(execute=True):
                self.run_import(row)
            (image,) = self.images()
            enqueue.assert_called_once_with(
                [("catalog.make_renditions", {"kind": "product", "picture_id": image.pk})],
                priority=broker.LOW_PRIORITY,
            )
            with self.captureOnCommitCallbacks(execute=True):
                self.run_import(row)
        enqueue.assert_called_once()

    def test_picture_without_a_digest_is_recognized_by_its_file(self) -> None:
        self.put("a.jpg", picture())
        row = product_row(image_link="a.jpg")
        self.run_import(row)
        ProductImage.objects.update(sha256="")
        assert counts(self.run_import(row)) == (0, 0, 1, 0)

    def test_broken_link_removes_no_picture(self) -> None:
        self.put("a.jpg", picture("red"))
        self.run_import(product_row(image_link="a.jpg"))
        (self.folder / "a.jpg").unlink()
        self.put("b.jpg", picture("green"))
        report = self.run_import(product_row(image_link="a.jpg", additional_image_link="b.jpg"))
        assert (report.problem_count, report.pictures_added, report.pictures_removed) == (1, 1, 0)
        assert len(self.images()) == 2
        row = product_row(image_link="a.jpg", additional_image_link="b.jpg")
        assert counts(self.run_import(row)) == (0, 0, 1, 0)

    def test_failing_storage_stops_the_import_before_the_row(self) -> None:
        self.put("a.jpg", picture())
        rows = [product_row("A"), product_row("B", image_link="a.jpg"), product_row("C", image_link="a.jpg")]
        rows[0]["image_link"] = ""
        with mock.patch.object(FileSystemStorage, "_save", side_effect=OSError("no space")):
            report = self.run_import(*rows)
        assert report.stopped.startswith("line 3 [B] image_link: a.jpg: Pictures cannot be stored: no space.")
        assert "Rows with pictures that were skipped from this line on: 2." in report.stopped
        assert counts(report) == (1, 0, 0, 0)
        assert list(Product.objects.values_list("sku", flat=True)) == ["A"]
        report = self.run_import(*rows)
        assert (report.created, report.pictures_added, report.stopped) == (2, 2, "")

    def test_refused_row_leaves_no_file(self) -> None:
        self.put("a.jpg", picture("red"))
        self.put("b.jpg", picture("green"))
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE catalog_product ADD CONSTRAINT forbidden CHECK (sku <> 'BAD')")
        report = self.run_import(product_row("A", image_link="a.jpg"), product_row("BAD", image_link="b.jpg"))
        assert counts(report) == (1, 0, 0, 1)
        assert len(self.stored_files()) == 1
        (image,) = self.images()
        assert image.file.storage.exists(image.file.name)

    def test_dry_run_stores_nothing(self) -> None:
        self.put("a.jpg", picture())
        assert self.run_import(product_row(image_link="a.jpg"), dry_run=True).pictures_added == 1
        assert self.stored_files() == []
