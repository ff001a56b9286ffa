"""Form fields of the catalogue's admin."""

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.db.models import ForeignKey
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backend.catalog.models import Category
from backend.catalog.pictures.checking import PictureFile, PictureRefused, accept_picture, check_size
from backend.catalog.renditions import Picture
from backend.core.admin import SuggestsForeignKeys
from backend.core.media import StorageUnavailable, require_media

NO_PICTURE = "—"


class CategoryChoiceField(forms.ModelChoiceField):
    """A category, shown with those above it."""

    def label_from_instance(self, obj: Any) -> str:
        return category_path(obj)


class ChoosesCategory(SuggestsForeignKeys):
    """An admin whose only foreign key is to a category."""

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey", request: HttpRequest, **options: Any
    ) -> forms.ModelChoiceField | None:
        return super().formfield_for_foreignkey(
            db_field, request, **options | {"form_class": CategoryChoiceField}
        )


def category_path(category: Category) -> str:
    """Return the names from the root down to the category."""
    return " › ".join(category.get_ancestors(include_self=True).values_list("name", flat=True))


class PictureField(forms.FileField):
    """An uploaded picture, named after what it is rather than what it says it is."""

    widget = forms.ClearableFileInput(attrs={"accept": "image/jpeg,image/png,image/webp,image/gif"})

    def to_python(self, data: Any) -> PictureFile | None:
        file = super().to_python(data)
        if not isinstance(file, UploadedFile):
            return None
        try:
            # Before it is read into memory.
            check_size(file.size or 0)
            return accept_picture(file.read(), PurePath(file.name or "").stem)
        except PictureRefused as error:
            raise forms.ValidationError(f"The file {error}.") from error


def require_storage(entered: Iterable[Any]) -> None:
    """Find out, once for all pictures of a page, whether they can be stored.

    Args:
        entered: the cleaned values of its picture fields.

    Raises:
        ValidationError: they cannot, for now.
    """
    if any(isinstance(value, PictureFile) for value in entered):
        try:
            require_media()
        except StorageUnavailable as error:
            raise forms.ValidationError(f"The picture cannot be stored now. {error.message}") from error


def preview(picture: Picture | None, height: int) -> SafeString | str:
    """Return a picture as HTML, of a height in pixels, or a dash when there is none."""
    if picture is None:
        return NO_PICTURE
    return format_html(
        '<a href="{}" target="_blank"><img src="{}" alt="{}" height="{}" loading="lazy"></a>',
        picture.url,
        picture.thumbnail(2 * height),
        picture.alt,
        height,
    )
