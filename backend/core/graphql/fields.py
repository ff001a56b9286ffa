"""Fields of Django types that cost no more than an attribute."""

from typing import Any

from strawberry_django.fields.field import StrawberryDjangoField


class Column(StrawberryDjangoField):
    """A field read straight off the model instance, without strawberry-django's resolver.

    For types whose selectors load everything that is shown: half of the time of a product list was
    spent finding out, column by column, that there was nothing to load.
    """

    @property
    def is_basic_field(self) -> bool:
        return self.base_resolver is None

    def get_result(self, source: Any, info: Any, args: Any, kwargs: Any) -> Any:
        if source is None or self.base_resolver is not None:
            return super().get_result(source, info, args, kwargs)
        # The library's own sends each property, such as a line's total, through its bridge to async code.
        return getattr(source, self.django_name or self.python_name)
