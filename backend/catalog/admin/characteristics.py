"""Admin of characteristics, in the order of the storefront filters."""

from django.contrib import admin
from django.utils.translation import ngettext_lazy

from backend.catalog.admin.fields import CatalogueAdmin
from backend.catalog.models import Characteristic
from backend.core.admin import CompactProtectedAdmin, PartialUpdateAdmin


@admin.register(Characteristic)
class CharacteristicAdmin(CatalogueAdmin, CompactProtectedAdmin, PartialUpdateAdmin):
    list_display = ["name", "unit", "position", "is_facet"]
    list_editable = ["position", "is_facet"]
    list_filter = ["is_facet"]
    list_per_page = 100
    search_fields = ["name"]
    protected_by = {
        "values": ngettext_lazy(
            "“%(object)s” has %(count)s value of a product",
            "“%(object)s” has %(count)s values of products",
            "count",
        )
    }
