"""Add internal notes to orders."""

from django.utils.translation import gettext_lazy as _

from backend.core.db import atomic_or_conflict
from backend.core.errors import Invalid, NotFound, TooLong
from backend.core.text import clean_text
from backend.orders.models import MAX_NOTE_LENGTH, Order, OrderNote


@atomic_or_conflict
def add_order_note(*, order_id: int, text: str, author: int) -> OrderNote:
    """Add an internal note of staff to an order of any customer, and return the note.

    Args:
        author: the id of the staff user.

    Raises:
        NotFound: the order does not exist.
        Invalid: the text is empty.
        TooLong: the text is too long.
        Conflict: the account of the author was deleted concurrently.
    """
    text = clean_text(text)
    if not text:
        raise Invalid(_("The note must not be empty."), field="text")
    if len(text) > MAX_NOTE_LENGTH:
        raise TooLong(
            _("The note must have at most %(maximum)s characters, not %(length)s."),
            field="text",
            params={"maximum": MAX_NOTE_LENGTH, "length": len(text)},
        )
    if not Order.objects.filter(pk=order_id).exists():
        raise NotFound(_("This order does not exist."), field="order_id")
    return OrderNote.objects.create(order_id=order_id, author_id=author, text=text)
