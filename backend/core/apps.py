from collections.abc import Iterator

from django.apps import AppConfig, apps
from django.db.models import Field, Model
from django.utils.translation import gettext_lazy, pgettext_lazy

_PACKAGE = "backend."
_PERSON = "person"
# Fields whose names Django translates.
_INHERITED = frozenset({"groups", "user_permissions", "last_login", "password", "is_superuser"})


class CoreConfig(AppConfig):
    name = "backend.core"
    label = "core"

    def ready(self) -> None:
        _translate_verbose_names()


def list_verbose_names() -> Iterator[tuple[str, str | None]]:
    """Yield the English names of apps, models and fields, with their contexts in the catalogue."""
    for config in _list_apps():
        yield str(config.verbose_name), None
    for model in _list_models():
        yield str(model._meta.verbose_name), None
        yield str(model._meta.verbose_name_plural), None
        for field in _list_fields(model):
            yield str(field.verbose_name), _PERSON if _is_name_of_person(field) else None


def _translate_verbose_names() -> None:
    """Replace the names of apps, models and fields by lazy translations.

    Django derives the names. Written into the models, the same names would be changes for a migration.
    """
    for config in _list_apps():
        config.verbose_name = gettext_lazy(str(config.verbose_name))
    for model in _list_models():
        model._meta.verbose_name = gettext_lazy(str(model._meta.verbose_name))
        model._meta.verbose_name_plural = gettext_lazy(str(model._meta.verbose_name_plural))
        for field in _list_fields(model):
            name = str(field.verbose_name)
            field.verbose_name = (
                pgettext_lazy(_PERSON, name) if _is_name_of_person(field) else gettext_lazy(name)
            )


def _list_apps() -> Iterator[AppConfig]:
    return (config for config in apps.get_app_configs() if config.name.startswith(_PACKAGE))


def _list_models() -> Iterator[type[Model]]:
    for config in _list_apps():
        yield from config.get_models()


def _list_fields(model: type[Model]) -> "Iterator[Field]":
    """Yield the fields with names of the model's own; those that it inherits have names of Django."""
    for field in model._meta.get_fields():
        if isinstance(field, Field) and not field.auto_created and field.name not in _INHERITED:
            yield field


def _is_name_of_person(field: "Field") -> bool:
    """Return whether a field is the name of a person, for which Russian has a word of its own."""
    names = {other.name for other in field.model._meta.get_fields()}
    return field.name == "name" and bool(names & {"email", "phone"})
