"""Find the characteristics by which a product list is filtered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from backend.catalog.labels import MAX_UNIT, format_label
from backend.catalog.models import Characteristic
from backend.core.errors import Invalid, NotFound, TooLong
from backend.core.text import clean_line

MAX_CHARACTERISTICS = 20
MAX_CHARACTERISTIC_VALUES = 50
# The longest label that a characteristic can have: a name and a unit whose characters are all escaped.
_MAX_LABEL = 100 + len(" ()") + 2 * MAX_UNIT

# A label, or a name and a unit. A unit of None stands for a name alone; see `find_value_filters`.
CharacteristicKey = str | tuple[str, str | None]
WantedValues = Mapping[str, Sequence[str]] | Mapping[tuple[str, str | None], Sequence[str]]


@dataclass(frozen=True, slots=True)
class ValueFilter:
    """A condition that a product has one of these values of a characteristic.

    Attributes:
        characteristic_ids: several if characteristics share a name and differ in their units.
        values: the accepted values.
    """

    characteristic_ids: tuple[int, ...]
    values: Sequence[str]


def find_value_filters(wanted: WantedValues) -> list[ValueFilter]:
    """Validate the accepted values by characteristic, and return them as filters. Makes one query.

    A name and a unit stand for exactly that characteristic, and so does a label that `format_label` returns.
    A name alone stands for the characteristic without a unit; if there is none, for those with any unit.

    Raises:
        NotFound: a characteristic does not exist.
        TooLong, Invalid: there are too many characteristics or values, no values, or null characters.
    """
    if not wanted:
        return []
    if len(wanted) > MAX_CHARACTERISTICS:
        raise TooLong(
            _("At most %(maximum)s characteristics can be filtered, not %(length)s."),
            field="characteristics",
            params={"maximum": MAX_CHARACTERISTICS, "length": len(wanted)},
        )
    for key, values in wanted.items():
        _check_values(key, values)
    cleaned = {key: _clean_key(key) for key in wanted}
    names = {name for key in cleaned.values() for name in _list_possible_names(key)}
    known = list(Characteristic.objects.filter(name__in=names).values_list("id", "name", "unit"))
    filters = []
    for key, values in wanted.items():
        ids = _select_ids(cleaned[key], known)
        if not ids:
            raise NotFound(
                _("Characteristic %(key)s does not exist."),
                field="characteristics",
                params={"key": _describe(key)},
            )
        filters.append(ValueFilter(tuple(ids), [clean_line(value) for value in values]))
    return filters


def _check_values(key: CharacteristicKey, values: Sequence[str]) -> None:
    if not values:
        raise Invalid(
            _("Characteristic %(key)s must have at least one value."),
            field="characteristics",
            params={"key": _describe(key)},
        )
    if len(values) > MAX_CHARACTERISTIC_VALUES:
        raise TooLong(
            _("Characteristic %(key)s must have at most %(maximum)s values."),
            field="characteristics",
            params={"key": _describe(key), "maximum": MAX_CHARACTERISTIC_VALUES},
        )
    texts = [key] if isinstance(key, str) else [key[0], key[1] or ""]
    if any("\0" in text for text in (*texts, *values)):
        raise Invalid(
            _("Names and values of characteristics must not contain null characters."),
            field="characteristics",
        )


def _describe(key: CharacteristicKey) -> str:
    label = key if isinstance(key, str) else f"{key[0]} ({key[1]})" if key[1] else key[0]
    return repr(label[:100])


def _clean_key(key: CharacteristicKey) -> CharacteristicKey:
    if isinstance(key, str):
        return clean_line(key)
    name, unit = key
    return clean_line(name), None if unit is None else clean_line(unit)


def _list_possible_names(key: CharacteristicKey) -> list[str]:
    """Return the names of the characteristics that a key can stand for."""
    if not isinstance(key, str):
        return [key[0]]
    if len(key) > _MAX_LABEL:
        return []
    ends = [end for end in range(len(key)) if key.startswith(" (", end)]
    return [key, *(key[:end] for end in ends)]


def _select_ids(key: CharacteristicKey, known: Sequence[tuple[int, str, str]]) -> list[int]:
    """Return the ids of the characteristics that a key stands for."""
    if isinstance(key, str):
        for labels in (
            {
                pk: format_label(name, unit)
                for pk, name, unit in known
                if unit or format_label(name, "") != name
            },
            {pk: f"{name} ({unit})" for pk, name, unit in known},
        ):
            ids = [pk for pk, label in labels.items() if label == key]
            if ids:
                return ids[:1]
        key = (key, None)
    name, unit = key
    exact = [pk for pk, *existing in known if existing == [name, unit or ""]]
    if exact or unit is not None:
        return exact
    return [pk for pk, existing, _ in known if existing == name]
