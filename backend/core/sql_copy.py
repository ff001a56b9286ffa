"""Bulk insert with PostgreSQL's COPY, which is several times as fast as INSERT."""

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import islice

from django.db import connection

BATCH_SIZE = 10_000


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Insert rows into a table in batches, and return their number.

    Args:
        table, columns: names in the database.
        rows: values that PostgreSQL parses from their `str`; None and the empty string become NULL.

    Raises:
        IntegrityError, DataError: the table refuses one of the rows.
    """
    stream, count = iter(rows), 0
    names = ", ".join(connection.ops.quote_name(column) for column in columns)
    command = f"COPY {connection.ops.quote_name(table)} ({names}) FROM STDIN (FORMAT csv)"
    # `copy_expert` is psycopg2's own method. Unlike `execute`, it does not translate errors to Django's.
    with connection.cursor() as cursor, connection.wrap_database_errors:
        while batch := list(islice(stream, BATCH_SIZE)):
            text = io.StringIO()
            csv.writer(text).writerows(batch)
            text.seek(0)
            cursor.copy_expert(command, text)
            count += len(batch)
    return count
