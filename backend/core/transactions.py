"""Translate foreign-key races into Conflict errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from backend.core.errors import Conflict

_FOREIGN_KEY_VIOLATION = "23503"


@contextmanager
def atomic_or_conflict() -> Iterator[None]:
    """Run a transaction whose rows refer to rows that others may delete before it commits.

    Foreign keys are checked at the end of the transaction, so the referenced rows need no locks. A lock on a
    popular product would make its buyers wait for each other.

    Raises:
        Conflict: a referenced row has been deleted; nothing was written.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if getattr(error.__cause__, "pgcode", None) != _FOREIGN_KEY_VIOLATION:
            raise
        raise Conflict(
            "An object that this request refers to has just been deleted. Reload and try again."
        ) from error
