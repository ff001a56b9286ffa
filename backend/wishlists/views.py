"""The page that cancels back-in-stock notifications, which every such mail links to."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext, override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from backend.core.errors import ShopError
from backend.core.problems import refuse_shop_error
from backend.core.request_language import get_request_language
from backend.wishlists.services import stop_notifications
from backend.wishlists.unsubscription import read_token


# Mail clients send the POST of RFC 8058 without a cookie. The token of the mail is required instead.
@csrf_exempt
@require_http_methods(["GET", "POST"])
def unsubscribe(request: HttpRequest) -> HttpResponse:
    """Show a button that cancels the notifications of an account, or cancel them with POST.

    GET changes nothing, because mail filters open the links of mails.
    """
    subscriber = read_token(request.GET.get("token", ""))
    if subscriber is None:
        return _render_page(request, get_request_language(request), "invalid", status=400)
    is_done = request.method == "POST"
    if is_done:
        try:
            stop_notifications(user_id=subscriber.user_id)
        except ShopError as error:
            return refuse_shop_error(request, error)
    return _render_page(request, subscriber.language, "done" if is_done else "asked")


def _render_page(request: HttpRequest, language: str, state: str, status: int = 200) -> HttpResponse:
    with override(language):
        title = gettext("Back-in-stock notifications")
        context = {"language": language, "title": title, "state": state}
        return render(request, "wishlists/unsubscribe.html", context, status=status)
