"""Fields of Django types that are read as plain attributes."""

from typing import Any

import strawberry_django
from strawberry_django.fields.field import StrawberryDjangoField


class Column(StrawberryDjangoField):
    """A field that is read from the model instance without strawberry-django's resolver.

    For types whose selectors load all data: half of the time of a product list was spent checking, field
    by field, that nothing had to be loaded.
    """

    @property
    def is_basic_field(self) -> bool:
        return self.base_resolver is None

    def get_result(self, source: Any, info: Any, args: Any, kwargs: Any) -> Any:
        if source is None or self.base_resolver is not None:
            return super().get_result(source, info, args, kwargs)
        # The library would send each property, such as a line's total, through its bridge to async code.
        return getattr(source, self.django_name or self.python_name)


def column(*, description: str) -> Any:
    """Declare a `Column` with a description for the schema."""
    return strawberry_django.field(field_cls=Column, description=description)
