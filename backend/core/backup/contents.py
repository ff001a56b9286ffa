"""Count and digest the members of a backup while they are written or read."""

from collections.abc import Callable
from hashlib import sha256
from typing import IO

from backend.core.backup import MEDIA, PARTS


class Contents:
    """The number and sizes in bytes of the members of a backup, and a digest of their names and contents."""

    def __init__(self) -> None:
        self.media_files = 0
        self.media_bytes = 0
        self.database_bytes = 0
        self._digest = sha256()

    def add(self, name: str, size: int, file: IO[bytes]) -> "DigestingReader":
        """Count a member, and return a reader of its file that adds what it reads to the digest."""
        if name.startswith(MEDIA):
            self.media_files += 1
            self.media_bytes += size
        elif name.startswith(PARTS):
            self.database_bytes += size
        self._digest.update(f"{name}\n{size}\n".encode())
        return DigestingReader(file, self._digest.update)

    @property
    def digest(self) -> str:
        """The digest of all members so far, as hexadecimal digits."""
        return self._digest.hexdigest()

    def __str__(self) -> str:
        return (
            f"{self.database_bytes / 1e6:.1f} MB of the database and {self.media_files} media files "
            f"({self.media_bytes / 1e6:.1f} MB)"
        )


class DigestingReader:
    """A file whose content is passed to a digest as it is read."""

    def __init__(self, file: IO[bytes], update: Callable[[bytes], None]) -> None:
        self._file, self._update = file, update

    def read(self, size: int = -1) -> bytes:
        """Return up to this number of bytes, or everything that is left."""
        data = self._file.read(size)
        self._update(data)
        return data
