"""Read and fill in admin pages as a browser does."""

import io
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Any, cast

from django.contrib.auth.models import Permission
from django.contrib.messages.storage.base import Message
from django.contrib.messages.storage.cookie import CookieStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import RequestFactory, TestCase
from PIL import Image

from backend.accounts.models import User


class Form(HTMLParser):
    """The data that a browser submits for the main form if nothing is edited."""

    def __init__(self, page: str, form_id: str) -> None:
        super().__init__()
        self.data: dict[str, Any] = {}
        self._form_id = form_id
        self._inside = False
        self._select = self._textarea = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        name, value = attributes.get("name") or "", attributes.get("value") or ""
        if tag == "form":
            self._inside = attributes.get("id") == self._form_id
        if not self._inside or "__prefix__" in name:
            return
        match tag:
            case "input" if attributes.get("type") in {"checkbox", "radio"}:
                if "checked" in attributes:
                    self.data[name] = value or "on"
            case "input" if attributes.get("type") not in {"submit", "file"} and name:
                self.data[name] = value
            case "select":
                self._select = name
            case "option" if "selected" in attributes and self._select:
                self.data[self._select] = value
            case "textarea":
                self._textarea = name
                self.data[name] = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.data[self._textarea] += data.removeprefix("\r\n").removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        match tag:
            case "form":
                self._inside = False
            case "select":
                self._select = ""
            case "textarea":
                self._textarea = ""


class AdminCase(TestCase):
    """A test logged in as a superuser."""

    @classmethod
    def setUpTestData(cls) -> None:
        cls.boss = User.objects.create_superuser(email="boss@shop.example")

    def setUp(self) -> None:
        self.client.force_login(self.boss)

    def form(self, path: str, form_id: str) -> dict[str, Any]:
        """Open a page and return the data of its form."""
        page = self.client.get(path)
        assert page.status_code == 200, page
        return Form(page.content.decode(), form_id).data

    def assert_saved(self, response: HttpResponse) -> None:
        if response.status_code == 200:
            assert not self.errors(response)
        assert response.status_code == 302, response
        assert not [message for message in self._read_messages(response) if message.level_tag == "error"]

    def errors(self, response: Any) -> dict[str, list[str]]:
        """Return form errors by field; those of inlines by inline name."""
        assert response.status_code == 200, response
        found: dict[str, list[str]] = {}
        context = response.context
        if "adminform" in context:
            found |= context["adminform"].form.errors
            for formset in context["inline_admin_formsets"]:
                for errors in formset.formset.errors:
                    found |= errors
                if of_all := formset.formset.non_form_errors():
                    found[formset.formset.prefix] = of_all
        elif context["cl"].formset:
            for errors in context["cl"].formset.errors:
                found |= errors
        return {name: list(errors) for name, errors in found.items()}

    def messages(self, response: Any) -> list[str]:
        return [str(message) for message in self._read_messages(response)]

    def _read_messages(self, response: Any) -> Iterable[Message]:
        """Return the messages that a page shows, or those that the next page will show."""
        if response.context and "messages" in response.context:
            return cast(Iterable[Message], response.context["messages"])
        request = RequestFactory().get("/")
        request.COOKIES = {name: cookie.value for name, cookie in response.cookies.items()}
        return CookieStorage(request)

    def log_in_with(self, *permissions: str) -> None:
        """Log in as staff with these catalogue permissions only."""
        user = User.objects.create_user(email="clerk@shop.example", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        self.client.force_login(user)


def picture(name: str = "tea.png", size: tuple[int, int] = (4, 3), kind: str = "PNG") -> SimpleUploadedFile:
    """Return a small picture to upload."""
    data = io.BytesIO()
    Image.new("1", size).save(data, kind)
    return SimpleUploadedFile(name, data.getvalue(), content_type="image/png")
