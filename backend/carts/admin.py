"""Promo code admin."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Count, IntegerField, ManyToManyField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from backend.carts.models import PromoCode, PromoCodeUse
from backend.carts.promo_codes import delete_promo_codes, finish_promo_code_edit, normalize_promo_code
from backend.catalog.admin.fields import CategoryMultipleChoiceField
from backend.core.admin import (
    BoundedPaginator,
    PartialUpdateAdmin,
    PartialUpdateForm,
    SafeAutocompleteSelectMultiple,
)
from backend.core.identifiers import parse_id


class PromoCodeForm(PartialUpdateForm):
    class Meta:
        model = PromoCode
        fields = [
            "code",
            "is_active",
            "percent",
            "amount",
            "categories",
            "minimum_total",
            "starts_at",
            "ends_at",
            "max_uses",
            "max_uses_per_customer",
        ]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # A hidden list of categories cannot be compared with the stored ones.
        self.fields["categories"].show_hidden_initial = False

    def clean_code(self) -> str:
        code = normalize_promo_code(self.cleaned_data["code"])
        if code is None:
            raise forms.ValidationError(_("The code must consist of letters, digits, - and _."))
        return code


@admin.register(PromoCode)
class PromoCodeAdmin(PartialUpdateAdmin):
    form = PromoCodeForm
    autocomplete_fields = ["categories"]
    readonly_fields = ["times_used", "created_at", "updated_at"]
    fieldsets = [
        (None, {"fields": [("code", "is_active"), ("percent", "amount"), "categories"]}),
        (_("Conditions"), {"fields": ["minimum_total", "starts_at", "ends_at"]}),
        (_("Limits"), {"fields": [("max_uses", "max_uses_per_customer")]}),
        (_("History"), {"fields": [("times_used", "created_at", "updated_at")]}),
    ]
    always_saved = ("updated_at",)

    list_display = ["code", "discount", "starts_at", "ends_at", "is_active", "times_used", "max_uses"]
    list_filter = ["is_active"]
    list_per_page = 50
    sortable_by = ["code"]
    search_fields = ["code"]
    search_help_text = _("Part of the code.")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator

    def get_queryset(self, request: HttpRequest) -> "QuerySet[PromoCode]":
        uses = PromoCodeUse.objects.filter(promo_code_id=OuterRef("pk")).order_by().values("promo_code_id")
        counted = Subquery(uses.annotate(count=Count("*")).values("count"), IntegerField())
        promo_codes: QuerySet[PromoCode] = super().get_queryset(request)
        return promo_codes.annotate(use_count=Coalesce(counted, 0))

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> PromoCode | None:
        view = request.resolver_match.url_name if request.resolver_match else ""
        if request.method == "POST" and view == "carts_promocode_change":
            # Until commit, so that orders with the code wait, and the recount includes those before.
            list(PromoCode.objects.select_for_update().filter(pk=parse_id(object_id)))
        return super().get_object(request, object_id, from_field)

    def get_fieldsets(self, request: HttpRequest, obj: PromoCode | None = None) -> Any:
        return self.fieldsets if obj else self.fieldsets[:-1]

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField", request: HttpRequest, **options: Any
    ) -> forms.ModelMultipleChoiceField | None:
        options["form_class"] = CategoryMultipleChoiceField
        options["widget"] = SafeAutocompleteSelectMultiple(db_field, self.admin_site)
        return super().formfield_for_manytomany(db_field, request, **options)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        # None if the categories have not been edited.
        categories = form.cleaned_data.get("categories")
        has_categories = None if categories is None else bool(categories)
        finish_promo_code_edit(form.instance.pk, has_categories=has_categories)

    def delete_model(self, request: HttpRequest, obj: PromoCode) -> None:
        delete_promo_codes([obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[PromoCode]") -> None:
        delete_promo_codes(list(queryset.values_list("pk", flat=True)))

    @admin.display(description=_("discount"))
    def discount(self, promo_code: PromoCode) -> str:
        if promo_code.percent is not None:
            return f"{promo_code.percent}%"
        return f"{promo_code.amount} {settings.SHOP_CURRENCY}"

    @admin.display(description=_("uses"))
    def times_used(self, promo_code: Any) -> int:
        """Return the number of orders with the code, without cancelled ones."""
        count: int = promo_code.use_count
        return count
