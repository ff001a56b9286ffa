"""Admin of products, with their characteristics and pictures."""

import re
from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from backend.catalog.admin.fields import (
    SEARCH_ENGINES,
    CatalogueAdmin,
    CategoryChoiceAdmin,
    PictureField,
    render_preview,
    require_storage_for,
)
from backend.catalog.admin.filters import CategoryFilter, NewFilter, SaleFilter, StockFilter
from backend.catalog.locks import lock_products
from backend.catalog.models import CharacteristicValue, Product, ProductImage
from backend.catalog.pictures.deletion import discard_files_on_commit
from backend.catalog.pictures.rendition_queue import queue_renditions
from backend.catalog.pictures.validation import PictureFile
from backend.catalog.services import find_free_product_slug, publish_products
from backend.core.admin import PartialUpdateAdmin, PartialUpdateForm, SafeAutocompleteAdmin
from backend.core.errors import NotFound
from backend.core.identifiers import parse_id
from backend.recommendations.admin import RelatedProductInline


class ProductForm(PartialUpdateForm):
    slug = forms.SlugField(
        label=_("Slug"),
        max_length=255,
        required=False,
        help_text=_("If empty, it is generated from the name."),
    )
    # clean_slug uses the name and the SKU, so they are cleaned first.
    field_order = ["name", "sku", "slug"]

    class Meta:
        model = Product
        fields = [
            "name",
            "slug",
            "sku",
            "category",
            "brand",
            "description",
            "price",
            "compare_at_price",
            "stock",
            "is_published",
            "seo_title",
            "seo_description",
        ]

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        name, sku = self.cleaned_data.get("name") or "", self.cleaned_data.get("sku") or ""
        return slug or find_free_product_slug(name, sku)


class CharacteristicValueInline(SafeAutocompleteAdmin, admin.TabularInline):
    model = CharacteristicValue
    fields = ["position", "characteristic", "value"]
    autocomplete_fields = ["characteristic"]
    extra = 0
    verbose_name = _("characteristic")
    verbose_name_plural = _("characteristics")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[CharacteristicValue]":
        return super().get_queryset(request).select_related("characteristic")


class ProductImageForm(forms.ModelForm):
    file = PictureField(label=_("File"))

    class Meta:
        model = ProductImage
        fields = ["file", "alt", "position"]

    def has_changed(self) -> bool:
        # The page numbers the positions of all rows, also of those that have lost their file to an error.
        return super().has_changed() and (bool(self.instance.pk) or self.changed_data != ["position"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        # Assigning or validating the existing file would read it from the storage to find its size.
        if not isinstance(cleaned.get("file"), PictureFile):
            cleaned.pop("file", None)
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        exclusions: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return exclusions if "file" in self.cleaned_data else exclusions | {"file"}

    def save(self, commit: bool = True) -> ProductImage:
        file = self.cleaned_data.get("file")
        if file:
            self.instance.sha256 = file.sha256
            self.instance.reset_renditions()
        image: ProductImage = super().save(commit)
        return image


class ProductImageFormSet(forms.BaseInlineFormSet):
    def clean(self) -> None:
        super().clean()
        require_storage_for(form.cleaned_data.get("file") for form in self.forms)


class ProductImageInline(admin.TabularInline):
    model = ProductImage
    form = ProductImageForm
    formset = ProductImageFormSet
    fields = ["position", "preview", "file", "alt"]
    readonly_fields = ["preview"]
    extra = 0
    verbose_name = _("picture")
    verbose_name_plural = _("pictures")

    @admin.display(description="")
    def preview(self, image: ProductImage) -> SafeString | str:
        return render_preview(image.picture if image.pk else None, height=80)


@admin.register(Product)
class ProductAdmin(CatalogueAdmin, CategoryChoiceAdmin, PartialUpdateAdmin):
    form = ProductForm
    inlines = [CharacteristicValueInline, ProductImageInline, RelatedProductInline]
    autocomplete_fields = ["category", "brand"]
    prepopulated_fields = {"slug": ["name"]}
    readonly_fields = ["popularity", "created_at", "updated_at"]
    fieldsets = [
        (None, {"fields": [("name", "slug"), ("sku", "category", "brand"), "description"]}),
        SEARCH_ENGINES,
        (_("Sale"), {"fields": [("price", "compare_at_price", "stock", "is_published")]}),
        (_("History"), {"fields": [("popularity", "created_at", "updated_at")]}),
    ]
    always_saved = ("updated_at",)

    list_display = [
        "picture",
        "name",
        "sku",
        "category",
        "brand",
        "price",
        "compare_at_price",
        "stock",
        "is_published",
    ]
    list_display_links = ["name"]
    list_editable = ["price", "compare_at_price", "stock"]
    list_filter = [CategoryFilter, "is_published", StockFilter, SaleFilter, NewFilter]
    list_select_related = ["category", "brand"]
    list_per_page = 50
    ordering = ["-pk"]
    search_fields = ["sku", "name"]
    search_help_text = _("Words of the name, or part of the SKU.")
    # With 100,000 products, the count of unfiltered rows costs more than the page.
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = ["publish", "unpublish"]

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Product]":
        return super().get_queryset(request).defer("search_vector").prefetch_related("images")

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Product | None:
        if request.method == "POST":
            lock_products([parse_id(object_id)])
        return super().get_object(request, object_id, from_field)

    def get_view_on_site_url(self, obj: Model | None = None) -> str | None:
        """Return the URL of the product in the storefront, which shows published products only."""
        if not isinstance(obj, Product) or not obj.is_published:
            return None
        return f"{settings.STOREFRONT_URL or settings.PUBLIC_URL}/p/{obj.slug}"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        extra = {"currency": settings.SHOP_CURRENCY} | (extra_context or {})
        return super().changeform_view(request, object_id, form_url, extra)

    def get_fieldsets(self, request: HttpRequest, obj: Product | None = None) -> Any:
        return self.fieldsets if obj else self.fieldsets[:-1]

    def get_changelist_form(self, request: HttpRequest, **options: Any) -> type[forms.ModelForm]:
        narrow = forms.NumberInput(attrs={"style": "width: 8em"})
        widgets = {"price": narrow, "compare_at_price": narrow}
        return super().get_changelist_form(
            request, **{"form": PartialUpdateForm, "widgets": widgets} | options
        )

    def get_changelist_formset(self, request: HttpRequest, **options: Any) -> Any:
        if request.method == "POST":
            edited = {
                parse_id(request.POST[key]) for key in request.POST if re.fullmatch(r"form-\d+-id", key)
            }
            if lock_products(edited) != edited:
                raise NotFound(_("A product on this page has been deleted. Nothing was saved."))
        return super().get_changelist_formset(request, **options)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        before = _read_picture_names([form.instance.pk])
        super().save_related(request, form, formsets, change)
        discard_files_on_commit(before - _read_picture_names([form.instance.pk]))
        pending = ProductImage.objects.filter(product=form.instance, renditions_due_at__isnull=False)
        queue_renditions("product", pending.values_list("pk", flat=True))

    def delete_model(self, request: HttpRequest, obj: Product) -> None:
        discard_files_on_commit(_read_picture_names([obj.pk]))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Product]") -> None:
        locked = lock_products(queryset.order_by().values_list("pk", flat=True))
        discard_files_on_commit(_read_picture_names(locked))
        super().delete_queryset(request, queryset)

    @admin.display(description="")
    def picture(self, product: Product) -> SafeString | str:
        return render_preview(product.image, height=40) if product.image else ""

    @admin.action(description=_("Publish"), permissions=["change"])
    def publish(self, request: HttpRequest, queryset: "QuerySet[Product]") -> None:
        self._publish(request, queryset, published=True)

    @admin.action(description=_("Unpublish"), permissions=["change"])
    def unpublish(self, request: HttpRequest, queryset: "QuerySet[Product]") -> None:
        self._publish(request, queryset, published=False)

    def _publish(self, request: HttpRequest, queryset: "QuerySet[Product]", *, published: bool) -> None:
        count = publish_products(products=queryset, published=published)
        message = (
            ngettext(
                "%(count)s of the selected products published.",
                "%(count)s of the selected products published.",
                count,
            )
            if published
            else ngettext(
                "%(count)s of the selected products unpublished.",
                "%(count)s of the selected products unpublished.",
                count,
            )
        )
        self.message_user(request, message % {"count": count}, messages.SUCCESS)


def _read_picture_names(product_ids: Iterable[int]) -> set[str]:
    """Return the storage names of the pictures of products."""
    return set(ProductImage.objects.filter(product__in=product_ids).order_by().values_list("file", flat=True))
