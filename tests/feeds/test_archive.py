"""ZIP archives of a feed and its pictures: import, limits and refused entries."""

import io
import re
import stat
import struct
import zipfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from unittest import mock

from django.core.cache import cache
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from backend.accounts.models import User
from backend.catalog.models import Product, ProductImage
from backend.catalog.pictures.deletion import IMPORTS_FOLDER, find_orphans
from backend.core.media.storage import StorageUnavailable
from backend.feeds import admin as feed_admin
from backend.feeds import archive as archives
from backend.feeds.archive import MAX_ENTRIES, MAX_RATIO, RATIO_FROM, Archive
from backend.feeds.importer import import_feed
from backend.feeds.raw_rows import FeedUnreadable
from backend.feeds.report import ImportReport
from tests.feeds.helpers import FeedTestCase, picture, product_row, table

IMPORT = "/admin/catalog/product/feed/import/"
RED, BLUE = picture("red"), picture("blue")
SAMPLES = Path(__file__).resolve().parents[2] / "samples"

Entry = zipfile.ZipInfo | str


def feed(*links: str) -> bytes:
    """Return a feed of one product with these pictures."""
    return table(product_row(image_link=links[0], additional_image_link=",".join(links[1:])))


def pack(*entries: tuple[Entry, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()


def make_entry(name: str, mode: int = 0) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


def encode_name(archive: bytes, placeholder: str, name: bytes) -> bytes:
    """Replace an ASCII name by one of the same length in another encoding, without the mark of UTF-8."""
    assert len(placeholder) == len(name)
    assert archive.count(placeholder.encode()) == 2
    return archive.replace(placeholder.encode(), name)


class ArchiveCase(FeedTestCase):
    def run_archive(self, data: bytes) -> ImportReport:
        return import_feed(io.BytesIO(data))

    def assert_refused(self, data: bytes, message: str) -> None:
        with self.assertRaises(FeedUnreadable) as caught:
            self.run_archive(data)
        assert re.search(message, str(caught.exception)), caught.exception
        assert not Product.objects.exists()

    def assert_imported(self, data: bytes, pictures: int = 1) -> None:
        Product.objects.all().delete()
        report = self.run_archive(data)
        assert (report.created, report.pictures_added, report.problem_count) == (1, pictures, 0), report


class ImportTest(ArchiveCase):
    def test_products_get_their_pictures_in_order(self) -> None:
        self.assert_imported(
            pack(("feed.tsv", feed("b.jpg", "img/a.jpg")), ("img/a.jpg", RED), ("b.jpg", BLUE)), 2
        )
        widths = [image.file.read() for image in ProductImage.objects.order_by("position")]
        assert widths[0] != widths[1]
        assert self.run_archive(pack(("feed.tsv", feed("b.jpg")), ("b.jpg", BLUE))).pictures_removed == 1

    def test_links_are_relative_to_the_folder_of_the_feed(self) -> None:
        for link, name in (
            ("a.jpg", "shop/a.jpg"),
            ("img/a.jpg", "shop/img/a.jpg"),
            ("../a.jpg", "a.jpg"),
            ("./x/../a.jpg", "shop/a.jpg"),
        ):
            with self.subTest(link):
                self.assert_imported(
                    pack(("shop/feed.csv", table(product_row(image_link=link), delimiter=",")), (name, RED))
                )

    def test_every_format_is_found_by_its_name(self) -> None:
        rss = (
            "<rss version='2.0' xmlns:g='http://base.google.com/ns/1.0'><channel><item><g:id>A-1</g:id>"
            "<g:title>Mug</g:title><g:price>10.00 RUB</g:price><g:image_link>a.jpg</g:image_link>"
            "</item></channel></rss>"
        )
        yml = (
            "<yml_catalog><shop><currencies><currency id='RUB' rate='1'/></currencies><offers>"
            "<offer id='A-1'><name>Mug</name><price>10</price><currencyId>RUB</currencyId>"
            "<picture>a.jpg</picture></offer></offers></shop></yml_catalog>"
        )
        for name, data in (
            ("feed.TSV", feed("a.jpg")),
            ("feed.txt", feed("a.jpg")),
            ("feed.xml", rss.encode()),
            ("feed.yml", yml.encode()),
        ):
            with self.subTest(name):
                self.assert_imported(pack((name, data), ("a.jpg", RED)))

    def test_names_in_cp866_and_utf_8_are_read(self) -> None:
        marked = pack(("feed.tsv", feed("фото/кружка.jpg")), ("фото/кружка.jpg", RED))
        assert zipfile.ZipFile(io.BytesIO(marked)).infolist()[1].flag_bits & 0x800
        self.assert_imported(marked)
        for encoding, placeholder in (("cp866", "ffff/kkkkkk.jpg"), ("utf-8", "ffffffff/kkkkkkkkkkkk.jpg")):
            with self.subTest(encoding):
                plain = pack(("feed.tsv", feed("фото/кружка.jpg")), (placeholder, RED))
                self.assert_imported(encode_name(plain, placeholder, "фото/кружка.jpg".encode(encoding)))

    def test_names_differ_in_composition_and_separators(self) -> None:
        self.assert_imported(pack(("feed.tsv", feed("img/café.jpg")), ("img\\cafe\u0301.jpg", RED)))

    def test_files_of_systems_and_folders_are_ignored(self) -> None:
        self.assert_imported(
            pack(
                ("shop/", b""),
                ("shop/feed.tsv", feed("a.jpg")),
                ("shop/a.jpg", RED),
                ("__MACOSX/shop/._feed.tsv", b"x"),
                ("shop/.DS_Store", b"x"),
                ("shop/.feed.csv", b"x"),
                ("Thumbs.db", b"x"),
            )
        )

    def test_stored_entries_are_read(self) -> None:
        self.assert_imported(pack(("feed.tsv", feed("a.jpg")), ("a.jpg", RED), method=zipfile.ZIP_STORED))

    def test_missing_and_outer_links_are_reported(self) -> None:
        links = ("missing.jpg", "../a.jpg", "/a.jpg", "https://example.com/a.jpg")
        report = self.run_archive(pack(("feed.tsv", feed(*links)), ("a.jpg", RED)))
        reasons = [problem.reason for kind in report.problem_kinds.values() for problem in kind.problems]
        assert report.created == 1
        for link, reason in zip(
            links,
            ("not in the archive", "outside the archive", "outside the archive", "not fetched"),
            strict=True,
        ):
            assert any(link in text and reason in text for text in reasons), (link, reasons)

    def test_damaged_and_invalid_pictures_are_reported(self) -> None:
        data = pack(
            ("feed.tsv", feed("a.jpg", "b.jpg", "c.jpg")),
            ("a.jpg", RED),
            ("b.jpg", b"text"),
            ("c.jpg", BLUE),
            method=zipfile.ZIP_STORED,
        )
        report = self.run_archive(data.replace(RED, RED[:-9] + b"x" * 9))
        reasons = str([problem.reason for kind in report.problem_kinds.values() for problem in kind.problems])
        assert (report.created, report.pictures_added) == (1, 1)
        assert "'a.jpg': is damaged in the archive: Bad CRC-32 for file 'a.jpg'" in reasons.replace(
            '"', "'"
        ).replace("\\'", "'")
        assert "b.jpg" in reasons

    def test_damaged_feed_is_refused(self) -> None:
        data = pack(("feed.tsv", feed("a.jpg") * 9), method=zipfile.ZIP_STORED)
        self.assert_refused(
            data.replace(b"Product", b"product"), "the ZIP archive is damaged: Bad CRC-32 for file 'feed.tsv'"
        )

    def test_command_imports_an_archive(self) -> None:
        path = self.folder / "feed.zip"
        path.write_bytes(pack(("feed.tsv", feed("a.jpg")), ("a.jpg", RED)))
        output = io.StringIO()
        call_command("import_products", path, stdout=output)
        assert "1 created" in output.getvalue()
        assert "1 picture added" in output.getvalue()
        path.write_bytes(pack(("a.jpg", RED)))
        with self.assertRaisesMessage(CommandError, "the archive contains no feed"):
            call_command("import_products", path, stdout=output)

    def test_archive_of_the_samples_is_imported(self) -> None:
        path = self.folder / "samples.zip"
        zipfile.main(["-c", str(path), str(SAMPLES / "products.tsv"), str(SAMPLES / "images")])
        report = import_feed(path)
        assert (report.created, report.pictures_added, report.problem_count) == (156, 220, 0)


class RefusalTest(ArchiveCase):
    """Refused archives. The message names the entry."""

    def test_paths_out_of_the_archive_are_refused(self) -> None:
        for name in (
            "../a.jpg",
            "x/../../a.jpg",
            "/a.jpg",
            "\\a.jpg",
            "..\\a.jpg",
            "C:\\a.jpg",
            "c:a.jpg",
            "//host/a.jpg",
        ):
            with self.subTest(name):
                shown = re.escape(name.replace("\\", "/"))
                self.assert_refused(
                    pack(("feed.tsv", feed("a.jpg")), (name, RED)), f"'{shown}' in the archive is outside"
                )
        self.assert_imported(pack(("feed.tsv", feed("a.jpg")), ("x/../a.jpg", RED), ("..a.jpg", RED)))

    def test_links_and_special_files_are_refused(self) -> None:
        for mode in (stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o644):
            with self.subTest(mode):
                data = pack(("feed.tsv", feed("a.jpg")), (make_entry("a.jpg", mode), b"/etc/passwd"))
                self.assert_refused(data, "'a.jpg' in the archive is a link or a special file")
        self.assert_imported(
            pack(("feed.tsv", feed("a.jpg")), (make_entry("a.jpg", stat.S_IFREG | 0o777), RED))
        )

    def test_encrypted_entries_are_refused(self) -> None:
        data = pack(("feed.tsv", feed("a.jpg")), ("secret.jpg", RED))
        position = data.rindex(b"PK\x01\x02") + 8
        self.assert_refused(
            data[:position] + b"\x01\x00" + data[position + 2 :], "'secret.jpg' in the archive is encrypted"
        )

    def test_unsupported_methods_are_refused(self) -> None:
        for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
            self.assert_refused(
                pack(("feed.tsv", feed("a.jpg")), method=method),
                "'feed.tsv' in the archive is compressed with an unsup",
            )

    def test_duplicate_names_are_refused(self) -> None:
        for names in (
            ("a.jpg", "a.jpg"),
            ("a.jpg", "./a.jpg"),
            ("x/a.jpg", "x\\a.jpg"),
            ("café.jpg", "cafe\u0301.jpg"),
        ):
            with self.subTest(names), mock.patch("warnings.warn"):
                data = pack(("feed.tsv", feed("a.jpg")), *((name, RED) for name in names))
                self.assert_refused(
                    data, f"the archive contains '{re.escape(names[0])}' twice".replace("\\\\", "/")
                )
        self.assert_imported(pack(("feed.tsv", feed("a.jpg")), ("a.jpg", RED), ("A.jpg", RED)))

    def test_archive_without_exactly_one_feed_is_refused(self) -> None:
        self.assert_refused(pack(("a.jpg", RED)), "contains no feed: a file whose name ends with .tsv")
        data = pack(("feed.tsv", feed("a.jpg")), ("old/feed.csv", feed("a.jpg")))
        self.assert_refused(data, "must contain one feed, not 2: 'feed.tsv', 'old/feed.csv'")

    def test_file_that_is_no_feed_is_refused(self) -> None:
        self.assert_refused(pack(("feed.tsv", b"hello\n")), "this is not a product feed")

    def test_truncated_archives_are_refused(self) -> None:
        data = pack(("feed.tsv", feed("a.jpg")), ("a.jpg", RED))
        for length in (4, 100, len(data) - 22, len(data) - 1):
            with self.subTest(length):
                self.assert_refused(data[:length], "ZIP archive is damaged")

    def test_every_damaged_byte_is_refused_or_reported(self) -> None:
        data = pack(("feed.tsv", feed("a.jpg")), ("a.jpg", RED))
        for position in [*range(60), *range(data.index(b"PK\x01\x02"), len(data))]:
            with self.subTest(position):
                Product.objects.all().delete()
                damaged = bytearray(data)
                damaged[position] ^= 0xFF
                # Any other exception fails the test.
                with suppress(FeedUnreadable):
                    self.run_archive(bytes(damaged))

    def test_zip64_is_refused(self) -> None:
        data = pack(("feed.tsv", feed("a.jpg")))
        end = len(data) - 22
        locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
        self.assert_refused(data[:end] + locator + data[end:], "in the format ZIP64")


class LimitTest(ArchiveCase):
    def test_number_of_entries_is_limited(self) -> None:
        entries = [("feed.tsv", feed("0.jpg")), *((f"{number}.jpg", RED) for number in range(MAX_ENTRIES))]
        self.assert_imported(pack(*entries[:-1]))
        Product.objects.all().delete()
        self.assert_refused(pack(*entries), "has 1,001 entries; the limit is 1,000")

    def test_size_of_the_directory_is_checked_before_it_is_read(self) -> None:
        data = pack(("feed.tsv", feed("a.jpg")), ("a.jpg", RED))
        size = struct.unpack_from("<L", data, len(data) - 10)[0]
        with mock.patch.object(archives, "_MAX_DIRECTORY", size):
            self.assert_imported(data)
        Product.objects.all().delete()
        with mock.patch.object(archives, "_MAX_DIRECTORY", size - 1), mock.patch("zipfile.ZipFile") as read:
            self.assert_refused(data, "bytes for 2 entries; the limits are")
        assert not read.called

    def test_unpacked_size_is_limited(self) -> None:
        data = pack(("feed.tsv", feed("a.jpg")), ("a.jpg", RED))
        size = len(feed("a.jpg")) + len(RED)
        with mock.patch.object(archives, "MAX_UNPACKED", size):
            self.assert_imported(data)
        Product.objects.all().delete()
        with mock.patch.object(archives, "MAX_UNPACKED", size - 1):
            self.assert_refused(data, "unpacks to .* MB; the limit is")

    def test_ratio_of_large_entries_is_limited(self) -> None:
        """Deflate packs zeros by about 1,000 to one."""
        small, large = bytes(RATIO_FROM), bytes(RATIO_FROM + 1)
        self.assert_imported(pack(("feed.tsv", feed("a.jpg")), ("a.jpg", RED), ("zeros.bin", small)))
        Product.objects.all().delete()
        data = pack(("feed.tsv", feed("a.jpg")), ("a.jpg", RED), ("zeros.bin", large))
        self.assert_refused(
            data, f"'zeros.bin' in the archive unpacks to more than {MAX_RATIO} times its size"
        )
        packed = zipfile.ZipFile(io.BytesIO(data)).getinfo("zeros.bin").compress_size
        with mock.patch.object(archives, "MAX_RATIO", -(-len(large) // packed)):
            self.assert_imported(data)

    def test_size_of_a_picture_is_limited_before_it_is_read(self) -> None:
        data = pack(("feed.tsv", feed("a.jpg")), ("a.jpg", RED))
        with mock.patch("backend.catalog.pictures.validation.MAX_BYTES", len(RED)):
            self.assert_imported(data)
        with (
            mock.patch("backend.catalog.pictures.validation.MAX_BYTES", len(RED) - 1),
            mock.patch("zipfile.ZipExtFile.read") as read,
        ):
            with self.assertRaisesRegex(Exception, "MB|bytes|large"):
                Archive(io.BytesIO(data)).read_picture("a.jpg")
            assert not read.called

    def test_entry_is_not_read_beyond_its_declared_size(self) -> None:
        data = pack(("feed.tsv", feed("a.jpg")), ("a.jpg", RED), method=zipfile.ZIP_STORED)
        size = struct.pack("<L", len(RED))
        position = data.rindex(b"PK\x01\x02") + 24
        assert data[position : position + 4] == size
        declared = data[:position] + struct.pack("<L", 10) + data[position + 4 :]
        report = self.run_archive(declared)
        assert (report.created, report.pictures_added, report.problem_count) == (1, 0, 1)


class AdminTest(ArchiveCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.boss = User.objects.create_superuser(email="boss@shop.example")

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(cache.clear)
        self.client.force_login(self.boss)
        self.data = pack(("feed.tsv", feed("a.jpg")), ("a.jpg", RED))

    def upload(self, data: bytes) -> str:
        file = SimpleUploadedFile("goods.zip", data)
        return self.client.post(IMPORT, {"feed": file, "default_stock": "10"}).content.decode()

    def confirm(self, page: str) -> str:
        token = re.search(r'name="token" value="([^"]+)"', page)
        assert token
        return self.client.post(IMPORT, {"token": token[1]}).content.decode()

    def list_waiting(self) -> list[str]:
        try:
            return default_storage.listdir(IMPORTS_FOLDER)[1]
        except FileNotFoundError:
            return []

    def test_archive_is_imported_after_the_preview_is_confirmed(self) -> None:
        page = self.upload(self.data)
        assert "1 created, 0 updated, 0 unchanged, 0 refused; 1 picture added" in page
        assert not Product.objects.exists()
        assert len(self.list_waiting()) == 1
        confirmed = self.confirm(page)
        assert "goods.zip: imported" in confirmed
        assert ProductImage.objects.get().file.read().startswith(b"\xff\xd8")
        assert self.list_waiting() == []
        assert "The preview has expired" in self.confirm(page)

    def test_large_upload_is_imported(self) -> None:
        """Django writes it to a temporary file."""
        noise = picture("red", format="PNG") + bytes(range(256)) * 12_000
        data = pack(
            ("feed.tsv", feed("a.jpg")), ("a.jpg", RED), ("noise.png", noise), method=zipfile.ZIP_STORED
        )
        assert "goods.zip: imported" in self.confirm(self.upload(data))

    def test_refusals_are_shown_on_the_form(self) -> None:
        page = self.upload(pack(("feed.tsv", feed("a.jpg")), ("../a.jpg", RED)))
        assert "&#x27;../a.jpg&#x27; in the archive is outside the archive" in page
        assert 'name="token"' not in page
        assert self.list_waiting() == []

    def test_size_of_uploads_is_limited(self) -> None:
        for name, value, message in (
            ("MAX_ARCHIVE", len(self.data), "The file is larger than 50 MB"),
            ("MAX_UPLOAD", len(feed("a.jpg")), "The feed is larger than 5 MB"),
        ):
            with self.subTest(name):
                with mock.patch.object(feed_admin, name, value):
                    assert message not in self.upload(self.data)
                with mock.patch.object(feed_admin, name, value - 1):
                    assert message in self.upload(self.data)

    def test_second_of_two_concurrent_confirmations_imports_nothing(self) -> None:
        page = self.upload(self.data)
        # The other request has deleted the key after this one has read it.
        with mock.patch.object(feed_admin.cache, "delete", return_value=False):
            assert "The preview has expired" in self.confirm(page)
        assert not Product.objects.exists()

    def test_deleted_archive_counts_as_expired(self) -> None:
        page = self.upload(self.data)
        default_storage.delete(f"{IMPORTS_FOLDER}/{self.list_waiting()[0]}")
        assert "The preview has expired" in self.confirm(page)
        assert not Product.objects.exists()

    def test_unavailable_storage_is_reported(self) -> None:
        failure = StorageUnavailable("The object storage fails.")
        with mock.patch.object(default_storage, "store", side_effect=failure):
            page = self.upload(self.data)
        assert "The object storage fails." in page
        assert 'name="token"' not in page
        page = self.upload(self.data)
        with mock.patch.object(default_storage, "stream", side_effect=failure):
            assert "The object storage fails. Choose the archive again." in self.confirm(page)

    def test_archive_that_is_never_confirmed_is_an_orphan_after_a_day(self) -> None:
        self.upload(self.data)
        assert find_orphans().orphans == []
        assert find_orphans(grace=timedelta(0)).orphans == [f"{IMPORTS_FOLDER}/{self.list_waiting()[0]}"]
