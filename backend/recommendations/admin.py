"""Admin of related products, as a part of the product form."""

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.forms.formsets import DELETION_FIELD_NAME
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from backend.catalog.models import Product
from backend.core.admin import SafeAutocompleteAdmin
from backend.recommendations.models import MAX_RELATED_PRODUCTS, RelatedProduct


class RelatedProductForm(forms.ModelForm):
    def clean_related(self) -> Product:
        related: Product = self.cleaned_data["related"]
        # Django does not validate constraints with the foreign key of an inline.
        if related.pk == self.instance.product_id:
            raise forms.ValidationError(_("A product cannot be related to itself."))
        return related


class RelatedProductFormSet(forms.BaseInlineFormSet):
    def clean(self) -> None:
        super().clean()
        count = self._count_rows()
        if count > MAX_RELATED_PRODUCTS:
            raise forms.ValidationError(
                _("A product must have at most %(maximum)s related products, not %(count)s."),
                params={"maximum": MAX_RELATED_PRODUCTS, "count": count},
            )

    def _count_rows(self) -> int:
        """Return the number of rows after the edit, with those added since the page was opened."""
        stored = RelatedProduct.objects.filter(product=self.instance).count() if self.instance.pk else 0
        removed = sum(_is_removed(form) for form in self.initial_forms)
        added = sum(form.has_changed() and not _is_removed(form) for form in self.extra_forms)
        return stored - removed + added


def _is_removed(form: forms.ModelForm) -> bool:
    return bool(form.cleaned_data.get(DELETION_FIELD_NAME))


class RelatedProductInline(SafeAutocompleteAdmin, admin.TabularInline):
    """The related products of a product. The page locks the product before it reads them."""

    model = RelatedProduct
    fk_name = "product"
    form = RelatedProductForm
    formset = RelatedProductFormSet
    fields = ["position", "related"]
    autocomplete_fields = ["related"]
    extra = 0
    max_num = MAX_RELATED_PRODUCTS

    def get_queryset(self, request: HttpRequest) -> "QuerySet[RelatedProduct]":
        return super().get_queryset(request).select_related("related")
