"""Filters of the product list."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backend.catalog.models import Category, Product, get_new_since
from backend.core.identifiers import parse_id

NO_CATEGORY = "none"


class CategoryFilter(admin.SimpleListFilter):
    """Filter by a category, including its subcategories."""

    title = _("category")
    parameter_name = "in_category"
    template = "admin/catalog/select_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = Category.objects.order_by("tree_id", "lft").values_list("pk", "name", "level")
        # Indent with em spaces, which HTML does not collapse.
        tree = [(str(pk), "\u2003" * level + name) for pk, name, level in rows]
        return [(NO_CATEGORY, gettext("(none)")), *tree]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Product]") -> "QuerySet[Product]":
        value = self.value()
        if value is None:
            return queryset
        if value == NO_CATEGORY:
            return queryset.filter(category=None)
        category = Category.objects.filter(pk=parse_id(value)).first()
        if category is None:
            return queryset.none()
        return queryset.filter(category__in=category.get_descendants(include_self=True).order_by())


class StockFilter(admin.SimpleListFilter):
    """Filter by products in stock or out of stock."""

    title = _("stock")
    parameter_name = "in_stock"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", gettext("In stock")), ("no", gettext("Out of stock"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Product]") -> "QuerySet[Product]":
        match self.value():
            case "yes":
                return queryset.filter(stock__gt=0)
            case "no":
                return queryset.filter(stock=0)
        return queryset


class SaleFilter(admin.SimpleListFilter):
    """Filter by products on sale or at their regular price."""

    title = _("sale")
    parameter_name = "on_sale"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", gettext("On sale")), ("no", gettext("Regular price"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Product]") -> "QuerySet[Product]":
        match self.value():
            case "yes":
                return queryset.filter(compare_at_price__isnull=False)
            case "no":
                return queryset.filter(compare_at_price__isnull=True)
        return queryset


class NewFilter(admin.SimpleListFilter):
    """Filter by new or older products."""

    title = _("age")
    parameter_name = "is_new"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", gettext("New")), ("no", gettext("Older"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Product]") -> "QuerySet[Product]":
        match self.value():
            case "yes":
                return queryset.filter(created_at__gte=get_new_since())
            case "no":
                return queryset.filter(created_at__lt=get_new_since())
        return queryset
