"""Form fields of the catalogue's admin."""

from pathlib import PurePath
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.db.models import ForeignKey
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backend.catalog.models import Category
from backend.catalog.pictures import MAX_BYTES, PictureRefused, check_picture
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

    def to_python(self, data: Any) -> UploadedFile | None:
        file = super().to_python(data)
        if not isinstance(file, UploadedFile):
            return None
        try:
            if (file.size or 0) > MAX_BYTES:
                raise PictureRefused(f"is larger than {MAX_BYTES // 1024 // 1024} MB")
            suffix, _, _ = check_picture(file.read())
            require_media()
        except PictureRefused as error:
            raise forms.ValidationError(f"The file {error}.") from error
        except StorageUnavailable as error:
            raise forms.ValidationError(f"The picture cannot be stored now. {error.message}") from error
        file.seek(0)
        file.name = PurePath(file.name or "picture").stem + suffix
        return file


def preview(file: Any, alt: str, height: int) -> SafeString | str:
    """Return a picture as HTML, of a height in pixels, or a dash when there is none."""
    if not file:
        return NO_PICTURE
    return format_html(
        '<a href="{0}" target="_blank"><img src="{0}" alt="{1}" height="{2}" loading="lazy"></a>',
        file.url,
        alt,
        height,
    )
