"""Backups of a shop: a tar archive with the database and the media files, written and read as a stream.

Members, in this order:

- `backup.json`: the format, the time and the migrations of the database;
- `media/…`: the media files;
- `database/000001` and so on: the gzipped SQL of pg_dump in parts of `PART_SIZE` bytes, since tar needs the
  size of a member before its content;
- `media/…`: files that were stored while the backup was running, because the database can refer to them;
- `complete.sha256`: the digest of all members before it.
"""

FORMAT = 1
PART_SIZE = 8 * 1024 * 1024
MANIFEST = "backup.json"
MEDIA = "media/"
PARTS = "database/"
COMPLETE = "complete.sha256"
