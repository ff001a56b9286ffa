"""Form fields and helpers for the admin of the catalogue."""

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.files.uploadedfile import UploadedFile
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backend.catalog.models import Category
from backend.catalog.pictures.validation import PictureFile, PictureRefused, accept_picture, check_size
from backend.catalog.renditions import Picture
from backend.core.admin import SafeAutocompleteAdmin
from backend.core.media.storage import StorageUnavailable, require_media_storage
from backend.core.response_cache import mark_catalogue_changed

NO_PICTURE = "—"


class CategoryChoiceField(forms.ModelChoiceField):
    """A category field that labels a category with its full path."""

    def label_from_instance(self, obj: Any) -> str:
        return format_category_path(obj)


class CategoryMultipleChoiceField(forms.ModelMultipleChoiceField):
    """A field for several categories that labels a category with its full path."""

    def label_from_instance(self, obj: Any) -> str:
        return format_category_path(obj)


# The fieldset of `SearchEngineTexts`.
SEARCH_ENGINES: tuple[Any, Any] = (
    _("Search engines"),
    {"fields": ["seo_title", "seo_description"], "classes": ["collapse"]},
)


class CategoryChoiceAdmin(SafeAutocompleteAdmin):
    """An admin mixin for models with a foreign key `category`."""

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey", request: HttpRequest, **options: Any
    ) -> forms.ModelChoiceField | None:
        if db_field.related_model is Category:
            options["form_class"] = CategoryChoiceField
        return super().formfield_for_foreignkey(db_field, request, **options)


class CatalogueAdmin(ModelAdmin):
    """Make cached responses obsolete with every edit that does not go through a service."""

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool) -> None:
        # Called for edits of the inlines too.
        super().save_model(request, obj, form, change)
        mark_catalogue_changed()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        mark_catalogue_changed()

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        super().delete_queryset(request, queryset)
        mark_catalogue_changed()


def format_category_path(category: Category) -> str:
    """Return the names on the path from the root to a category, joined by “›”."""
    return " › ".join(category.get_ancestors(include_self=True).values_list("name", flat=True))


class PictureField(forms.FileField):
    """A validated picture upload, stored with the suffix of its actual format."""

    widget = forms.ClearableFileInput(attrs={"accept": "image/jpeg,image/png,image/webp,image/gif"})

    def to_python(self, data: Any) -> PictureFile | None:
        file = super().to_python(data)
        if not isinstance(file, UploadedFile):
            return None
        try:
            # Check the size before the file is read into memory.
            check_size(file.size or 0)
            return accept_picture(file.read(), PurePath(file.name or "").stem)
        except PictureRefused as error:
            raise forms.ValidationError(_("The file %(reason)s."), params={"reason": error}) from error


def require_storage_for(values: Iterable[Any]) -> None:
    """Check that the media storage is available if a form contains a new picture.

    Args:
        values: the cleaned values of all picture fields of the page.

    Raises:
        ValidationError: the storage is unavailable.
    """
    if any(isinstance(value, PictureFile) for value in values):
        try:
            require_media_storage()
        except StorageUnavailable as error:
            raise forms.ValidationError(
                _("The picture cannot be stored. %(reason)s"), params={"reason": error.message}
            ) from error


def render_preview(picture: Picture | None, height: int) -> SafeString | str:
    """Return an HTML preview of a picture, with a height in pixels; a dash without a picture."""
    if picture is None:
        return NO_PICTURE
    return format_html(
        '<a href="{}" target="_blank"><img src="{}" alt="{}" height="{}" loading="lazy"></a>',
        picture.url,
        picture.thumbnail(2 * height),
        picture.alt,
        height,
    )
