"""The language of a request, for mails to a person without an account."""

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation.trans_real import parse_accept_lang_header


def get_request_language(request: HttpRequest) -> str:
    """Return the one of LANGUAGES that Accept-Language prefers, or that of the shop if it accepts none."""
    supported = [code for code, _ in settings.LANGUAGES]
    for accepted, quality in parse_accept_lang_header(request.headers.get("Accept-Language", "")):
        language = accepted.partition("-")[0]
        if quality and language in supported:
            return language
    return settings.MAIL_LANGUAGE
