"""The language of a request, and of the messages in its response.

It is the language of the viewer's account if that has one, else the one that Accept-Language prefers, else
DEFAULT_LANGUAGE. A request without messages chooses no language.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language, override
from django.utils.translation.trans_real import parse_accept_lang_header

from backend.core.request_record import get_record

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def get_request_language(request: HttpRequest) -> str:
    """Return the language that the browser prefers, for a person without an account."""
    return choose_language(request.META.get("HTTP_ACCEPT_LANGUAGE", ""))


def choose_language(accept_language: str) -> str:
    """Return the one of LANGUAGES that Accept-Language prefers, or DEFAULT_LANGUAGE if it accepts none."""
    supported = [code for code, name in settings.LANGUAGES]
    for accepted, quality in parse_accept_lang_header(accept_language):
        language = accepted.partition("-")[0]
        if quality and language in supported:
            return language
    return settings.DEFAULT_LANGUAGE


def render_message(text: "StrOrPromise", params: Mapping[str, object] | None = None) -> str:
    """Return a message in the language of the current request; in the active language outside of requests.

    Args:
        text: a lazy translation, or a text that is not translated.
        params: values of the placeholders, such as `%(maximum)s`; without them, `%` is an ordinary character.
    """
    record = get_record()
    if record is None or record.accept_language is None:
        return _format(text, params)
    with use_request_language():
        record.message_language = get_language()
        return _format(text, params)


@contextmanager
def use_request_language() -> Iterator[None]:
    """Activate the language of the current request, for libraries that render messages when they fail."""
    record = get_record()
    if record is None or record.accept_language is None:
        yield
        return
    with override(record.account_language or choose_language(record.accept_language)):
        yield


def _format(text: "StrOrPromise", params: Mapping[str, object] | None) -> str:
    return text % params if params else str(text)
