"""Labels that identify a characteristic by its name and unit, such as "Volume (ml)"."""

import re

MAX_UNIT = 20

_LABEL = re.compile(r"(.*\S) \(((?:[^()\\]|\\[()\\])*)\)", re.DOTALL)


def parse_label(label: str) -> tuple[str, str]:
    """Split a label such as "Volume (ml)" into name and unit.

    The unit is empty if the label has no parentheses at its end, or more than `MAX_UNIT` characters in them.
    """
    match = _LABEL.fullmatch(label)
    if not match:
        return label, ""
    unit = re.sub(r"\\([()\\])", r"\1", match[2])
    return (match[1], unit) if len(unit) <= MAX_UNIT else (label, "")


def format_label(name: str, unit: str) -> str:
    """Format a name and a unit as a label. A name that itself looks like a label gets an empty "()".

    Parentheses and backslashes in the unit are escaped by backslashes.
    """
    if unit:
        return f"{name} ({_escape_unit(unit)})"
    return name if parse_label(name) == (name, "") else f"{name} ()"


def _escape_unit(unit: str) -> str:
    return re.sub(r"([()\\])", r"\\\1", unit)
