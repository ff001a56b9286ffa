"""The admin site of shop staff and its login form."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language, override
from django.utils.translation import gettext_lazy as _

from backend.accounts.email_addresses import normalize_email
from backend.accounts.models import User
from backend.accounts.services.profile import change_language
from backend.accounts.services.rate_limits import hit_login_limits, reset_login_limits
from backend.core.client_address import get_client_address
from backend.core.errors import Invalid, RateLimited, TooLong, Unavailable
from backend.core.problems import refuse_shop_error
from backend.core.request_language import get_request_language
from backend.core.request_record import record_account_language


class RateLimitedLoginForm(AdminAuthenticationForm):
    """A login form with the rate limits of the APIs, counted separately from them.

    Attributes:
        refusal: the reason why the attempt was not made, or None.
    """

    refusal: RateLimited | Unavailable | None = None

    def clean(self) -> dict[str, Any]:
        if not self.cleaned_data.get("username") or not self.cleaned_data.get("password"):
            return super().clean()
        assert self.request is not None
        address = get_client_address(self.request)
        try:
            email = self.cleaned_data["username"] = normalize_email(self.cleaned_data["username"])
            hit_login_limits(email, address, "admin-login")
            cleaned = super().clean()
        except (Invalid, TooLong):
            raise self.get_invalid_login_error() from None
        except (RateLimited, Unavailable) as error:
            self.refusal = error
            raise forms.ValidationError(error.message, code=error.code) from None
        reset_login_limits(email, address, "admin-login")
        return cleaned

    def confirm_login_allowed(self, user: User) -> None:
        """Refuse archived accounts, as the APIs do. Staff may log in with an unconfirmed address."""
        super().confirm_login_allowed(user)
        if user.is_archived:
            raise self.get_invalid_login_error()


class LabelledAutocompleteView(AutocompleteJsonView):
    """Suggestions labelled by the `autocomplete_label` method of a model admin, if it has one."""

    def serialize_result(self, obj: Model, to_field_name: str) -> dict[str, str]:
        result: dict[str, str] = super().serialize_result(obj, to_field_name)
        label = getattr(self.model_admin, "autocomplete_label", None)
        return result | {"text": label(obj)} if label else result


@contextmanager
def _use_language(request: HttpRequest) -> Iterator[None]:
    """Activate the language of the user's account, or else of the browser."""
    language = getattr(request.user, "language", "") or get_request_language(request)
    record_account_language(language)
    with override(language):
        yield


def _render(response: HttpResponse) -> HttpResponse:
    """Render a page while its language is active, and name the language."""
    if isinstance(response, TemplateResponse):
        response.render()
        response.headers["Content-Language"] = get_language()
        patch_vary_headers(response, ["Accept-Language"])
    return response


class ShopAdminSite(AdminSite):
    """The admin site of the shop."""

    site_title = "Lavka"
    site_header = "Lavka"
    index_title = _("Shop administration")
    login_form = RateLimitedLoginForm

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Show the pages in the language of the user's account, or else of the browser."""
        page = super().admin_view(view, cacheable)

        @wraps(page)
        def show_translated(request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
            with _use_language(request):
                return _render(page(request, *args, **options))

        return show_translated

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the languages of the switch in the header to the variables of all pages."""
        others = [code for code, _name in settings.LANGUAGES if code != get_language()]
        return super().each_context(request) | {"other_languages": others}

    def get_urls(self) -> list[Any]:
        """Add the route of the language switch."""
        switch = path("language/", self.admin_view(self.set_language), name="language")
        return [switch, *super().get_urls()]

    def set_language(self, request: HttpRequest) -> HttpResponse:
        """Store the language of the user's account, and return to the page of the switch."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            change_language(user_id=cast(int, request.user.pk), language=request.POST.get("language", ""))
        except Invalid as error:
            return refuse_shop_error(request, error)
        target = request.POST.get("next", "")
        is_own = url_has_allowed_host_and_scheme(target, {request.get_host()})
        return HttpResponseRedirect(target if is_own else reverse("admin:index", current_app=self.name))

    def has_permission(self, request: HttpRequest) -> bool:
        """Allow active staff. An account that is archived loses access at once, even when logged in."""
        return super().has_permission(request) and not cast(User, request.user).is_archived

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Return the login form. An attempt that was not made has the status of the APIs, not 200."""
        with _use_language(request):
            response = _render(super().login(request, extra_context))
        context = response.context_data if isinstance(response, TemplateResponse) else None
        form = context["form"] if context else None
        if isinstance(form, RateLimitedLoginForm) and form.refusal is not None:
            response.status_code = form.refusal.code.http_status
            if isinstance(form.refusal, RateLimited):
                response.headers["Retry-After"] = str(form.refusal.retry_after)
        return response

    def autocomplete_view(self, request: HttpRequest) -> Any:
        return LabelledAutocompleteView.as_view(admin_site=self)(request)
