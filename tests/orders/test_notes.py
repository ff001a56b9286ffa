"""Internal notes of staff, which only the admin shows."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from backend.core.errors import Invalid, NotFound, TooLong
from backend.notifications.models import OutgoingEmail
from backend.orders.models import MAX_NOTE_LENGTH, OrderNote
from backend.orders.services import add_order_note
from tests.orders.test_admin import LIST, OrderAdminCase, page_of


class NotesTest(OrderAdminCase):
    def add(self, text: str, **fields: Any) -> OrderNote:
        return add_order_note(**{"order_id": self.order.pk, "text": text, "author": self.boss.pk} | fields)

    def add_in_admin(self, text: str) -> Any:
        return self.client.post(f"{LIST}{self.order.pk}/note/", {"text": text})

    def test_notes_are_shown_with_author_and_time_oldest_first(self) -> None:
        response = self.add_in_admin("Call <after> 6.\r\n\r\nShe is  deaf.")
        self.assertRedirects(response, page_of(self.order))
        assert self.messages(response) == ["The note has been added."]
        clerk = self.log_in_as_clerk("change_order")
        self.add_in_admin("Called.")
        first, second = OrderNote.objects.all()
        assert (first.text, first.author, second.author) == (
            "Call <after> 6.\n\nShe is deaf.",
            self.boss,
            clerk,
        )
        assert timezone.now() - first.created_at < timedelta(minutes=1)
        page = self.client.get(page_of(self.order)).content.decode()
        table = page[page.index('id="notes"') :]
        assert table.index("Call &lt;after&gt; 6.") < table.index("boss@shop.example")
        assert table.index("boss@shop.example") < table.index("Called.") < table.index("clerk@shop.example")
        assert not OutgoingEmail.objects.exists()

    def test_empty_and_long_notes_are_refused(self) -> None:
        for text in ("", " \n\t\u200b "):
            with self.subTest(text), pytest.raises(Invalid, match="must not be empty"):
                self.add(text)
        with pytest.raises(TooLong, match=f"not {MAX_NOTE_LENGTH + 1}"):
            self.add("x" * (MAX_NOTE_LENGTH + 1))
        assert self.messages(self.add_in_admin(""))[-1:] == ["The note must not be empty."]
        assert not OrderNote.objects.exists()
        self.add("x" * MAX_NOTE_LENGTH)
        assert len(OrderNote.objects.get().text) == MAX_NOTE_LENGTH

    def test_constraint_refuses_empty_notes(self) -> None:
        with pytest.raises(IntegrityError, match="order_note_not_empty"):
            OrderNote.objects.create(order=self.order, author=self.boss, text=" ")

    def test_note_about_an_unknown_order_is_not_found(self) -> None:
        with pytest.raises(NotFound):
            self.add("Called.", order_id=0)

    def test_note_stays_when_its_author_is_deleted(self) -> None:
        clerk = self.log_in_as_clerk("change_order")
        self.add("Called.", author=clerk.pk)
        clerk.delete()
        self.client.force_login(self.boss)
        page = self.client.get(page_of(self.order)).content.decode()
        table = page[page.index('id="notes"') :]
        assert table.index("Called.") < table.index("(account deleted)")

    def test_view_permission_shows_notes_but_adds_none(self) -> None:
        self.add("Called.")
        self.log_in_as_clerk("view_order")
        page = self.client.get(page_of(self.order)).content.decode()
        assert "Called." in page
        assert "note-form" not in page
        assert self.add_in_admin("Called again.").status_code == 403
        assert OrderNote.objects.count() == 1

    def test_note_is_not_added_by_get(self) -> None:
        assert self.client.get(f"{LIST}{self.order.pk}/note/?text=Called").status_code == 405
