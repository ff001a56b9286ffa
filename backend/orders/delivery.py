"""Whom to deliver to and where: what is asked, and what it takes to be complete."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from django.conf import settings

from backend.core.errors import Invalid, TooLong

MAX_COMMENT = 1000

_CONTACT_LIMITS = {"name": 150, "phone": 32}
_ADDRESS_LIMITS = {"line1": 200, "line2": 200, "city": 100, "postal_code": 20, "country": 2}
_OPTIONAL = {"line2"}

_PHONE = re.compile(r"\+?[\d\s().-]{5,32}")
_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to call about an order."""

    name: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to deliver.

    Attributes:
        country: ISO 3166-1 alpha-2, such as "RU".
    """

    line1: str = ""
    line2: str = ""
    city: str = ""
    postal_code: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the shopper says of an order beside what is in it."""

    contact: Contact | None = None
    address: Address | None = None
    comment: str = ""


def check_delivery(delivery: Delivery) -> dict[str, str]:
    """Return what is given as the columns of `OrderContact`, trimmed; empty when nothing is given.

    Raises:
        Invalid: a part is missing or is not what it should be.
        TooLong: a text is longer than its column.
    """
    columns: dict[str, str] = {}
    for field, part, limits in (
        ("contact", delivery.contact, _CONTACT_LIMITS),
        ("delivery_address", delivery.address, _ADDRESS_LIMITS),
    ):
        if part is not None:
            columns |= _check_part(field, asdict(part), limits)
        elif settings.ORDER_REQUIRE_DELIVERY:
            raise Invalid("This shop delivers: say whom to call and where to deliver.", field=field)
    if delivery.contact is not None and not _is_phone(columns["phone"]):
        raise Invalid("A telephone number has 5 digits or more.", field="contact.phone")
    if delivery.address is not None and not _COUNTRY.fullmatch(columns["country"]):
        raise Invalid(
            "A country has two capital letters (ISO 3166), such as RU.", field="delivery_address.country"
        )
    if comment := _check_text("comment", delivery.comment, MAX_COMMENT, several_lines=True):
        columns["comment"] = comment
    return columns


def _check_part(field: str, part: Mapping[str, str], limits: Mapping[str, int]) -> dict[str, str]:
    checked = {}
    for name, text in part.items():
        path = f"{field}.{name}"
        checked[name] = _check_text(path, text, limits[name])
        if not checked[name] and name not in _OPTIONAL:
            raise Invalid(f"The {name.replace('_', ' ')} is missing.", field=path)
    return checked


def _check_text(field: str, text: str, limit: int, *, several_lines: bool = False) -> str:
    text = text.strip()
    if len(text) > limit:
        raise TooLong(f"At most {limit} characters, not {len(text)}.", field=field)
    allowed = "\n\r\t" if several_lines else ""
    if any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") and sign not in allowed for sign in text):
        raise Invalid("Control characters cannot be part of it.", field=field)
    return text


def _is_phone(text: str) -> bool:
    return bool(_PHONE.fullmatch(text)) and sum(sign.isdigit() for sign in text) >= 5
