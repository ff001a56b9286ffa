"""Transactions whose rows point to others that somebody may be deleting."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from backend.core.errors import Conflict

_FOREIGN_KEY_VIOLATION = "23503"


@contextmanager
def atomic_or_conflict() -> Iterator[None]:
    """Run a transaction; what it refers to may be deleted by others until it is committed.

    The database checks foreign keys at the end of a transaction, so that no lock on what is merely
    referred to is needed: a product that many people buy would otherwise make them wait in line.

    Raises:
        Conflict: an account or product that it refers to is gone; nothing was written.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if getattr(error.__cause__, "pgcode", None) != _FOREIGN_KEY_VIOLATION:
            raise
        raise Conflict("Something that this needs has just been deleted. Look again.") from error
