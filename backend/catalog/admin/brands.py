"""Admin of brands."""

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from backend.catalog.admin.fields import SEARCH_ENGINES, CatalogueAdmin
from backend.catalog.models import Brand
from backend.catalog.services import find_free_brand_slugs
from backend.core.admin import CompactProtectedAdmin, PartialUpdateAdmin, PartialUpdateForm


class BrandForm(PartialUpdateForm):
    slug = forms.SlugField(
        label=_("Slug"),
        max_length=255,
        required=False,
        help_text=_("If empty, it is generated from the name."),
    )

    class Meta:
        model = Brand
        fields = ["name", "slug", "description", "seo_title", "seo_description"]

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        return slug or find_free_brand_slugs([self.cleaned_data.get("name") or ""])[0]


@admin.register(Brand)
class BrandAdmin(CatalogueAdmin, CompactProtectedAdmin, PartialUpdateAdmin):
    form = BrandForm
    prepopulated_fields = {"slug": ["name"]}
    fieldsets = [(None, {"fields": [("name", "slug"), "description"]}), SEARCH_ENGINES]
    list_display = ["name", "slug"]
    list_per_page = 100
    search_fields = ["name"]
    protected_by = {
        "products": ngettext_lazy(
            "“%(object)s” has %(count)s product", "“%(object)s” has %(count)s products", "count"
        )
    }
