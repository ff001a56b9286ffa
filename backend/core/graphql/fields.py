"""Fields of Django types that cost no more than an attribute."""

from strawberry_django.fields.field import StrawberryDjangoField


class Column(StrawberryDjangoField):
    """A field read straight off the model instance, without strawberry-django's resolver.

    For types whose selectors load everything that is shown: half of the time of a product list was
    spent finding out, column by column, that there was nothing to load.
    """

    @property
    def is_basic_field(self) -> bool:
        return self.base_resolver is None
