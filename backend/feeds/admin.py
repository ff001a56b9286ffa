"""Import and export of feeds in the admin of products."""

import gzip
import io
import secrets
import shutil
import zlib
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.core.validators import RegexValidator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.text import capfirst, format_lazy
from django.utils.translation import gettext_lazy as _

from backend.catalog.admin.products import ProductAdmin
from backend.catalog.models import Product
from backend.catalog.pictures.deletion import IMPORTS_FOLDER
from backend.core.media.storage import StorageUnavailable
from backend.feeds.archive import open_archive
from backend.feeds.exporter import CONTENT_TYPES, FORMATS, Format, export_feed
from backend.feeds.importer import DEFAULT_STOCK, import_feed
from backend.feeds.raw_rows import FeedUnreadable
from backend.feeds.reader import DOUBLE_GZIP, GZIP_MAGIC
from backend.feeds.report import ImportReport

# The import runs in the request, so the limit is about five thousand products. The command has no limit.
MAX_UPLOAD = 5 * 1024 * 1024
MAX_ARCHIVE = 50 * 1024 * 1024
_TOO_LARGE = _("The feed is larger than 5 MB. Import it with: manage.py import_products FEED")
_PREVIEW_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class _Upload:
    """A previewed feed that waits for confirmation.

    It is kept in the cache, because another host may handle the confirmation.

    Attributes:
        data: the feed; empty for an archive.
        archive: the name of an archive in the media storage. If it is never confirmed, the periodic task
            deletes it like other unused files.
    """

    name: str
    data: bytes
    archive: str
    accept_currency: str
    default_stock: int

    def confirm(self) -> ImportReport:
        """Import the feed, and delete the archive.

        Raises:
            StorageUnavailable, FileNotFoundError: the archive cannot be read.
        """
        if not self.archive:
            return self.run(io.BytesIO(self.data), dry_run=False)
        storage: Any = default_storage
        with TemporaryFile() as file:
            with storage.stream(self.archive) as (_, stream):
                shutil.copyfileobj(stream, file)
            report = self.run(file, dry_run=False)
        storage.delete(self.archive)
        return report

    def run(self, file: BinaryIO, *, dry_run: bool) -> ImportReport:
        return import_feed(
            file,
            accept_currency=self.accept_currency,
            default_stock=self.default_stock,
            dry_run=dry_run,
        )


class FeedForm(forms.Form):
    """Upload form for a feed and the options of its import."""

    feed = forms.FileField(
        label=_("Feed"),
        help_text=_(
            "Tab-separated, CSV, RSS, Atom or YML, plain or gzipped, at most 5 MB unpacked; or a ZIP "
            "archive of one such file with its pictures, at most 50 MB and 1,000 files."
        ),
    )
    accept_currency = forms.CharField(
        label=_("Accept currency"),
        required=False,
        max_length=3,
        validators=[RegexValidator("^[A-Za-z]{3}$", _("Enter a code of three letters, such as USD."))],
        help_text=format_lazy(
            _("Take prices in this currency unconverted, as prices in {currency}."),
            currency=settings.SHOP_CURRENCY,
        ),
    )
    default_stock = forms.IntegerField(
        label=_("Default stock"),
        min_value=0,
        max_value=1_000_000,
        initial=DEFAULT_STOCK,
        help_text=_(
            "Stock of a new product that is in stock without a quantity. Existing products keep their stock."
        ),
    )

    def clean_feed(self) -> bytes | None:
        """Return the unpacked content of a feed; None for an archive."""
        file = self.cleaned_data["feed"]
        if file.size > MAX_ARCHIVE:
            raise forms.ValidationError(_("The file is larger than 50 MB."))
        try:
            with open_archive(file) as archive:
                if archive is not None:
                    if archive.feed_size > MAX_UPLOAD:
                        raise forms.ValidationError(_TOO_LARGE)
                    return None
        except FeedUnreadable as error:
            raise forms.ValidationError(capfirst(str(error))) from error
        data: bytes = file.read(MAX_UPLOAD + 1)
        if data.startswith(GZIP_MAGIC):
            try:
                data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_UPLOAD + 1)
            except (OSError, EOFError, zlib.error) as error:
                raise forms.ValidationError(
                    _("The gzip file is damaged: %(error)s"), params={"error": error}
                ) from error
            if data.startswith(GZIP_MAGIC):
                raise forms.ValidationError(capfirst(DOUBLE_GZIP))
        if len(data) > MAX_UPLOAD:
            raise forms.ValidationError(_TOO_LARGE)
        return data


# The catalogue registers an admin of products without feeds, which this one replaces.
admin.site.unregister(Product)


@admin.register(Product)
class ProductFeedAdmin(ProductAdmin):
    """The admin of products with feed import and export."""

    change_list_template = "admin/feeds/product_change_list.html"

    def get_urls(self) -> list[URLPattern]:
        return [
            path("feed/import/", self.admin_site.admin_view(self.import_view), name="feeds_import"),
            path(
                "feed/export/<str:format>/", self.admin_site.admin_view(self.export_view), name="feeds_export"
            ),
            *super().get_urls(),
        ]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = dict(super().get_actions(request))
        actions["export_selected_feed"] = (
            type(self).export_selected_feed,
            "export_selected_feed",
            _("Export selected products as a feed (TSV)"),
        )
        return actions

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {"feed_formats": FORMATS, "can_import_feed": self._can_import(request)}
        return super().changelist_view(request, extra | (extra_context or {}))

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Show the upload form, the preview of an uploaded feed, or the result of a confirmed import."""
        if not self._can_import(request):
            raise PermissionDenied
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": _("Import products from a feed"),
        }
        form = FeedForm()
        if request.method == "POST" and "token" in request.POST:
            key = _cache_key(request, request.POST["token"])
            upload = cache.get(key)
            try:
                # Of two concurrent confirmations, only one deletes the key.
                if upload and cache.delete(key):
                    context |= {"report": upload.confirm(), "name": upload.name, "done": True}
                else:
                    context["expired"] = True
            except FileNotFoundError:
                context["expired"] = True
            except StorageUnavailable as error:
                context["storage_error"] = error.message
        elif request.method == "POST":
            form = FeedForm(request.POST, request.FILES)
            if form.is_valid():
                context |= self._preview(request, form)
        return TemplateResponse(request, "admin/feeds/import_feed.html", context | {"form": form})

    def _preview(self, request: HttpRequest, form: FeedForm) -> dict[str, Any]:
        data = form.cleaned_data
        file: Any = request.FILES["feed"]
        upload = _Upload(
            file.name or "",
            data["feed"] or b"",
            f"{IMPORTS_FOLDER}/{secrets.token_urlsafe()}.zip" if data["feed"] is None else "",
            data["accept_currency"].upper(),
            data["default_stock"],
        )
        storage: Any = default_storage
        try:
            report = upload.run(file if upload.archive else io.BytesIO(upload.data), dry_run=True)
            if upload.archive:
                file.seek(0)
                storage.store(upload.archive, file)
        except FeedUnreadable as error:
            form.add_error("feed", capfirst(str(error)))
            return {}
        except StorageUnavailable as error:
            form.add_error("feed", error.message)
            return {}
        token = secrets.token_urlsafe()
        cache.set(_cache_key(request, token), upload, _PREVIEW_SECONDS)
        return {"report": report, "name": upload.name, "token": token}

    def export_view(self, request: HttpRequest, format: str) -> HttpResponseBase:
        """Download all products as a feed."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        supported = next((supported for supported in FORMATS if supported == format), None)
        if supported is None:
            raise Http404
        return _download(Product.objects.all(), supported)

    def export_selected_feed(self, request: HttpRequest, queryset: QuerySet[Product]) -> HttpResponseBase:
        """Download the selected products as a feed."""
        return _download(Product.objects.filter(pk__in=queryset.values_list("pk", flat=True)), "tsv")

    def _can_import(self, request: HttpRequest) -> bool:
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
