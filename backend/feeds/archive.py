"""ZIP archives of a feed and its pictures. Pictures are read from the archive without unpacking it.

The archive contains one feed, and pictures at paths relative to it. Names are UTF-8 or, as Windows writes
Russian names, CP866.
"""

import io
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from django.utils.translation import gettext as _

from backend.catalog.pictures.validation import MAX_BYTES, PictureRefused, check_size
from backend.core.text import clean_line
from backend.feeds.raw_rows import FeedUnreadable

ZIP_MAGIC = b"PK\x03\x04"
# Files and folders.
MAX_ENTRIES = 1000
# Bytes of all entries together, unpacked.
MAX_UNPACKED = 200 * 1024 * 1024
# Unpacked size relative to the packed size, of entries above `RATIO_FROM` bytes. Feeds reach about 20.
MAX_RATIO = 200
RATIO_FROM = 1024 * 1024
FEED_SUFFIXES = (".tsv", ".csv", ".txt", ".xml", ".yml")

# The central directory has 46 bytes and the name for each entry. `zipfile` reads all of it into memory.
_MAX_DIRECTORY = MAX_ENTRIES * 1024
_END_RECORD = struct.Struct("<4s4H2LH")
_END_MAGIC, _ZIP64_MAGIC = b"PK\x05\x06", b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES = 20
_MAX_COMMENT = 65_535
# The errors that `zipfile` raises for damaged archives.
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError)
_ENCRYPTED, _UTF_8 = 0x1, 0x800
_DRIVE = re.compile("[A-Za-z]:")
# Files that operating systems add to archives.
_SYSTEM_FILE = re.compile(r"(^|/)(__MACOSX/|\.|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)


class Archive:
    """The files of a ZIP archive, by path relative to the folder of its feed.

    Raises:
        FeedUnreadable: the archive is damaged, exceeds a limit, has an entry that is not accepted, or does
            not contain exactly one feed.
    """

    def __init__(self, file: BinaryIO) -> None:
        _check_directory_size(file)
        with _translate_errors():
            self._zip = zipfile.ZipFile(file)
        entries = self._zip.infolist()
        if len(entries) > MAX_ENTRIES:
            raise FeedUnreadable(
                _("the archive has %(count)s entries; the limit is %(maximum)s")
                % {"count": f"{len(entries):,}", "maximum": f"{MAX_ENTRIES:,}"}
            )
        unpacked = sum(entry.file_size for entry in entries)
        if unpacked > MAX_UNPACKED:
            raise FeedUnreadable(
                _(
                    "the archive unpacks to %(size)s MB; the limit is %(maximum)s MB. Unpack it and import "
                    "the feed from its folder with: manage.py import_products FEED"
                )
                % {"size": f"{unpacked / 2**20:,.1f}", "maximum": MAX_UNPACKED // 2**20}
            )
        files: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            path = _check_entry(entry)
            if entry.is_dir() or _SYSTEM_FILE.search(path):
                continue
            if path in files:
                raise FeedUnreadable(_("the archive contains %(path)r twice") % {"path": path})
            files[path] = entry
        self.feed_path = _find_feed(files)
        self.feed_size = files[self.feed_path].file_size
        self._files = files
        self._folder = PurePosixPath(self.feed_path).parent

    @contextmanager
    def open_feed(self) -> Iterator[BinaryIO]:
        """Provide the feed as a temporary file, after its checksum has been verified.

        Readers go back to the beginning of a feed, which would decompress it again.
        """
        with TemporaryFile() as file:
            with _translate_errors(), self._zip.open(self._files[self.feed_path]) as packed:
                shutil.copyfileobj(packed, file)
            file.seek(0)
            yield cast(BinaryIO, file)

    def read_picture(self, link: str) -> bytes:
        """Read the file at a path relative to the feed.

        Raises:
            PictureRefused: the path leads out of the archive, or the file is missing, damaged or too large.
        """
        path = _join(self._folder, link)
        if path is None:
            raise PictureRefused(_("is outside the archive"))
        entry = self._files.get(path)
        if entry is None:
            raise PictureRefused(_("the file is not in the archive"))
        check_size(entry.file_size)
        try:
            with self._zip.open(entry) as file:
                return file.read(MAX_BYTES)
        except _ZIP_ERRORS as error:
            raise PictureRefused(_("is damaged in the archive: %(error)s") % {"error": error}) from error


@contextmanager
def open_archive(source: Path | BinaryIO) -> Iterator[Archive | None]:
    """Open a ZIP archive; provide None if the source is another kind of file or cannot be opened.

    Raises:
        FeedUnreadable: see `Archive`.
    """
    if isinstance(source, Path):
        try:
            file = source.open("rb")
        except OSError:
            # The reader of feeds reports it.
            yield None
            return
        with file, open_archive(file) as archive:
            yield archive
        return
    source.seek(0)
    is_zip = source.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    source.seek(0)
    yield Archive(source) if is_zip else None


def _check_directory_size(file: BinaryIO) -> None:
    """Refuse a directory of more than `_MAX_DIRECTORY` bytes, and ZIP64, whose sizes are elsewhere."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _END_RECORD.size - _MAX_COMMENT - _ZIP64_LOCATOR_BYTES))
    tail = file.read()
    file.seek(0)
    position = tail.rfind(_END_MAGIC)
    if position < 0 or len(tail) - position < _END_RECORD.size:
        raise FeedUnreadable(_("the ZIP archive is damaged or incomplete: it has no directory"))
    start = max(0, position - _ZIP64_LOCATOR_BYTES)
    if tail[start : start + len(_ZIP64_MAGIC)] == _ZIP64_MAGIC:
        raise FeedUnreadable(_("the archive is in the format ZIP64; create an ordinary ZIP archive"))
    count, directory_size = _END_RECORD.unpack_from(tail, position)[4:6]
    if directory_size > _MAX_DIRECTORY:
        raise FeedUnreadable(
            _(
                "the directory of the archive has %(size)s bytes for %(count)s entries; the limits are "
                "%(maximum_size)s bytes and %(maximum)s entries"
            )
            % {
                "size": f"{directory_size:,}",
                "count": f"{count:,}",
                "maximum_size": f"{_MAX_DIRECTORY:,}",
                "maximum": f"{MAX_ENTRIES:,}",
            }
        )


def _check_entry(entry: zipfile.ZipInfo) -> str:
    """Return the normalised path of an entry.

    Raises:
        FeedUnreadable: the entry is not accepted. The message names it.
    """
    name = _decode_name(entry)
    path = _join(PurePosixPath(), name)
    entry_name = {"name": name[:200]}
    if path is None or _DRIVE.match(name):
        raise FeedUnreadable(
            _("%(name)r in the archive is outside the archive; paths must be relative and without ..")
            % entry_name
        )
    if entry.flag_bits & _ENCRYPTED:
        raise FeedUnreadable(
            _("%(name)r in the archive is encrypted; create the archive without a password") % entry_name
        )
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise FeedUnreadable(
            _("%(name)r in the archive is a link or a special file; only files and folders are accepted")
            % entry_name
        )
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FeedUnreadable(
            _("%(name)r in the archive is compressed with an unsupported method; use deflate") % entry_name
        )
    if entry.file_size > RATIO_FROM and entry.file_size > MAX_RATIO * entry.compress_size:
        raise FeedUnreadable(
            _("%(name)r in the archive unpacks to more than %(ratio)s times its size")
            % {**entry_name, "ratio": MAX_RATIO}
        )
    return path


def _decode_name(entry: zipfile.ZipInfo) -> str:
    """Return the name of an entry with slashes.

    `zipfile` decodes names as CP437 unless they are marked as UTF-8.
    """
    name = entry.orig_filename
    if not entry.flag_bits & _UTF_8:
        data = name.encode("cp437")
        try:
            name = data.decode()
        except UnicodeDecodeError:
            name = data.decode("cp866")
    return name.replace("\\", "/")


def _join(folder: PurePosixPath, link: str) -> str | None:
    """Return the normalised path of a link in a folder; None if it leads out of the archive."""
    link = link.replace("\\", "/")
    if link.startswith("/"):
        return None
    parts: list[str] = list(folder.parts)
    for part in link.split("/"):
        name = clean_line(part)
        if name == "..":
            if not parts:
                return None
            parts.pop()
        elif name not in ("", "."):
            parts.append(name)
    return "/".join(parts)


def _find_feed(files: dict[str, zipfile.ZipInfo]) -> str:
    feeds = [path for path in files if path.lower().endswith(FEED_SUFFIXES)]
    if not feeds:
        raise FeedUnreadable(
            _("the archive contains no feed: a file whose name ends with %(suffixes)s")
            % {"suffixes": ", ".join(FEED_SUFFIXES)}
        )
    if len(feeds) > 1:
        names = ", ".join(repr(path[:100]) for path in feeds[:5])
        raise FeedUnreadable(
            _("the archive must contain one feed, not %(count)s: %(names)s")
            % {"count": len(feeds), "names": names}
        )
    return feeds[0]


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except _ZIP_ERRORS as error:
        raise FeedUnreadable(_("the ZIP archive is damaged: %(error)s") % {"error": error}) from error
