"""Peak memory of the reader at feeds that unpack to many times their size."""

import gzip
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from django.test import SimpleTestCase

PROJECT = Path(__file__).resolve().parents[2]
MAX_PEAK_MB = 64
BLOCK = 2**20
BLOCKS = 128

# Read a feed in a separate process, which prints its peak memory and the result.
READ = """
import sys
from pathlib import Path
from django.conf import settings
settings.configure(USE_I18N=False)
from backend.core.commands import measure_peak_memory
from backend.feeds import delimited_rows
from backend.feeds.reader import open_feed
from backend.feeds.raw_rows import FeedUnreadable

if sys.argv[2:]:
    delimited_rows.MAX_ROW = int(sys.argv[2])
result = ""
try:
    with open_feed(Path(sys.argv[1])) as feed:
        for row in feed.rows:
            result = result or f"line {row.line} {row.refusal}"
except FeedUnreadable as error:
    result = str(error)
print(measure_peak_memory(), result)
"""


class PeakMemoryTest(SimpleTestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = Path(temporary.name) / "feed.gz"

    def read(self, start: bytes, unit: bytes, end: bytes, *options: str) -> tuple[int, str]:
        """Read a gzip feed that unpacks to 128 MB; return its peak in megabytes and the first error."""
        block = gzip.compress(unit * (BLOCK // len(unit)))
        members: Iterable[bytes] = (gzip.compress(start), *[block] * BLOCKS, gzip.compress(end))
        self.path.write_bytes(b"".join(members))
        # Linux reports the peak of the parent too if the child has shared its memory before exec, as with
        # vfork. The shell in between is small.
        process = subprocess.run(
            ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", READ, str(self.path), *options],
            cwd=PROJECT,
            capture_output=True,
            check=True,
            text=True,
            timeout=120,
        )
        peak, _, result = process.stdout.strip().partition(" ")
        return int(peak), result

    def test_memory_is_bounded_at_every_oversize_part(self) -> None:
        item = b"<rss><item><id>1</id>"
        line = b"x" * 199 + b"\n"
        for name, (start, unit, end), message in [
            ("header", (b"id\ttitle", b"x", b"\n1\ta\n"), "the header (line 1) is longer than 500,000 bytes"),
            ("columns", (b"id", b"\ta", b"\n1\ta\n"), "the header (line 1) is longer than 500,000 bytes"),
            ("line", (b"id,title\n1,", b"x", b"\n"), "line 2 is longer than 500,000 bytes"),
            (
                "line ended by a carriage return",
                (b"id,title\r1,", b"x", b"\r"),
                "line 2 is longer than 500,000",
            ),
            (
                "line in UTF-16",
                ("id\ttitle\n1\t".encode("utf-16"), b"x\0", b"\n\0"),
                "line 2 is longer than 500,000 bytes",
            ),
            (
                "categories",
                (b"<yml_catalog><shop>", b'<category id="1">' + b"x" * 100 + b"</category>", b"</shop>"),
                "the categories have more than 4,000,000 characters altogether",
            ),
            ("cells", (b"id,title\n1,", b",", b"\n"), "line 2 is longer than 500,000 bytes"),
            ("quoted line", (b'id,title\n1,"', b"x", b'"\n'), "line 2 is longer than 500,000 bytes"),
            (
                "quoted lines",
                (b'id,title\n1,"', line, b'"\n'),
                "line 2 cannot be read: a quoted cell does not",
            ),
            ("open quotes", (b"id,title\n", b'x","b\n', b""), "too many quotation marks are not closed"),
            ("text", (item + b"<title>", b"x", b"</title></item></rss>"), "line 1 is longer than 500,000"),
            (
                "attribute",
                (item + b'<a b="', b"x", b'"/></item></rss>'),
                "line 1: a tag, comment or declaration",
            ),
            ("comment", (item + b"<!--", b"x", b"--></item></rss>"), "line 1: a tag, comment or declaration"),
            ("preamble", (b"<rss>", b"<!-- x -->", b"</rss>"), "none of these elements begins in the first"),
            ("depth", (item, b"<a>", b""), "line 1: elements are nested more than 100 levels deep"),
        ]:
            with self.subTest(name):
                peak, result = self.read(start, unit, end)
                assert message in result
                assert peak < MAX_PEAK_MB

    def test_without_the_limit_a_header_fills_the_memory(self) -> None:
        peak, _ = self.read(b"id\ttitle", b"x", b"\n1\ta\n", str(10**12))
        assert peak > BLOCKS
