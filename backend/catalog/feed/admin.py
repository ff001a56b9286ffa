"""Feeds in the admin of products: upload with a preview, and download in the same formats."""

import gzip
import io
import secrets
import zlib
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.core.validators import RegexValidator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from backend.catalog.feed.exporting import CONTENT_TYPES, FORMATS, Format, export_feed
from backend.catalog.feed.importing import DEFAULT_STOCK, import_feed
from backend.catalog.feed.reading import GZIP, PACKED_TWICE
from backend.catalog.feed.report import FeedUnreadable, ImportReport
from backend.catalog.models import Product

# Imported while the browser waits: some five thousand products. Larger feeds are for the command line.
MAX_UPLOAD = 5 * 1024 * 1024
# How long a previewed feed waits to be confirmed, in seconds.
_PREVIEW_LASTS = 3600


@dataclass(frozen=True, slots=True)
class _Upload:
    """A feed between its preview and its confirmation; it waits in the cache, as the two requests may
    meet different servers."""

    name: str
    data: bytes
    accept_currency: str
    default_stock: int

    def run(self, *, dry_run: bool) -> ImportReport:
        return import_feed(
            io.BytesIO(self.data),
            accept_currency=self.accept_currency,
            default_stock=self.default_stock,
            dry_run=dry_run,
        )


class FeedForm(forms.Form):
    """What staff say about a feed that they upload."""

    feed = forms.FileField(
        help_text="Tab-separated, CSV, RSS or Atom, plain or gzipped; at most 5 MB unpacked."
    )
    accept_currency = forms.CharField(
        required=False,
        max_length=3,
        validators=[RegexValidator("^[A-Za-z]{3}$", "A code of three letters, such as USD.")],
        help_text=f"Take prices in this currency as if they were in {settings.SHOP_CURRENCY}, unconverted.",
    )
    default_stock = forms.IntegerField(
        min_value=0,
        max_value=1_000_000,
        initial=DEFAULT_STOCK,
        help_text="What a new product gets that is in stock, nobody says how many. Others keep their stock.",
    )

    def clean_feed(self) -> bytes:
        """Return the unpacked content of the file."""
        data: bytes = self.cleaned_data["feed"].read(MAX_UPLOAD + 1)
        if data.startswith(GZIP):
            try:
                data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_UPLOAD + 1)
            except (OSError, EOFError, zlib.error) as error:
                raise forms.ValidationError(f"The gzip file is damaged: {error}") from error
            if data.startswith(GZIP):
                raise forms.ValidationError(PACKED_TWICE)
        if len(data) > MAX_UPLOAD:
            raise forms.ValidationError(
                "The feed is larger than 5 MB; import it with: manage.py import_products FEED"
            )
        return data


class FeedMixin(admin.ModelAdmin):
    """Adds import and export of feeds to the admin of products."""

    change_list_template = "admin/catalog/product/change_list_with_feed.html"

    def get_urls(self) -> list[URLPattern]:
        """Return the admin's addresses with those of the feeds before them."""
        return [
            path("feed/import/", self.admin_site.admin_view(self.import_view), name="catalog_feed_import"),
            path(
                "feed/export/<str:format>/",
                self.admin_site.admin_view(self.export_view),
                name="catalog_feed_export",
            ),
            *super().get_urls(),
        ]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the admin's actions and the export of the selected products."""
        actions: dict[str, Any] = dict(super().get_actions(request))
        actions["export_selected_feed"] = (
            type(self).export_selected_feed,
            "export_selected_feed",
            "Export selected products as a feed (TSV)",
        )
        return actions

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list of products with the buttons that this member of staff may use."""
        extra = {"feed_formats": FORMATS, "may_import_feed": self._may_import(request)}
        return super().changelist_view(request, extra | (extra_context or {}))

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Take a feed, show what it would do, and do it when that is confirmed."""
        if not self._may_import(request):
            raise PermissionDenied
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": "Import products from a feed",
        }
        form = FeedForm()
        if request.method == "POST" and "token" in request.POST:
            upload = cache.get(_cache_key(request, request.POST["token"]))
            cache.delete(_cache_key(request, request.POST["token"]))
            if upload:
                context |= {"report": upload.run(dry_run=False), "name": upload.name, "done": True}
            else:
                context["gone"] = True
        elif request.method == "POST":
            form = FeedForm(request.POST, request.FILES)
            if form.is_valid():
                context |= self._preview(request, form)
        return TemplateResponse(request, "admin/catalog/product/import_feed.html", context | {"form": form})

    def _preview(self, request: HttpRequest, form: FeedForm) -> dict[str, Any]:
        given = form.cleaned_data
        upload = _Upload(
            request.FILES["feed"].name or "",  # type: ignore[union-attr]
            given["feed"],
            given["accept_currency"].upper(),
            given["default_stock"],
        )
        try:
            report = upload.run(dry_run=True)
        except FeedUnreadable as error:
            form.add_error("feed", str(error))
            return {}
        token = secrets.token_urlsafe()
        cache.set(_cache_key(request, token), upload, _PREVIEW_LASTS)
        return {"report": report, "name": upload.name, "token": token}

    def export_view(self, request: HttpRequest, format: str) -> HttpResponseBase:
        """Send all products as a feed."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        known = next((known for known in FORMATS if known == format), None)
        if known is None:
            raise Http404
        return _download(Product.objects.all(), known)

    def export_selected_feed(self, request: HttpRequest, queryset: QuerySet[Product]) -> HttpResponseBase:
        """Send the selected products as a feed."""
        return _download(Product.objects.filter(pk__in=queryset.values_list("pk", flat=True)), "tsv")

    def _may_import(self, request: HttpRequest) -> bool:
        return (
            self.has_add_permission(request)
            and self.has_change_permission(request)
            and request.user.has_perm("catalog.add_category")
        )


def _cache_key(request: HttpRequest, token: str) -> str:
    return f"feed-import:{request.user.pk}:{token[:64]}"


def _download(products: QuerySet[Product], format: Format) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        export_feed(products, format),
        content_type=CONTENT_TYPES[format],
        headers={"Content-Disposition": f'attachment; filename="products.{format}"'},
    )
