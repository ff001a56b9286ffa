"""Define and validate the contact, address and comment of an order.

`Contact` and `Address` are the only definition of their fields. The GraphQL types, the REST bodies and the
columns of `OrderContact` are derived from them.
"""

import re
import unicodedata
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from django.conf import settings

from backend.core.errors import Invalid, TooLong

MAX_COMMENT_LENGTH = 1000
MIN_PHONE_DIGITS = 5

_PHONE = re.compile(r"\+?[\d\s().-]{5,32}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_LINE_BREAKS_AND_TABS = "\n\r\t"


def _text(limit: int, description: str, *, is_required: bool = True) -> Any:
    """Return a dataclass field for a text of at most `limit` characters."""
    # Pydantic reads the key "description" as well.
    metadata = {"limit": limit, "description": description, "is_required": is_required}
    return field(default="", metadata=metadata)


@dataclass
class Contact:
    """The person to contact about an order."""

    name: str = _text(150, "Full name, up to 150 characters.")
    phone: str = _text(32, "Phone number with at least 5 digits, up to 32 characters.")


@dataclass
class Address:
    """A delivery address."""

    line1: str = _text(200, "Street and house number, up to 200 characters.")
    line2: str = _text(200, "Flat, floor or company, up to 200 characters; can be empty.", is_required=False)
    city: str = _text(100, "City, up to 100 characters.")
    postal_code: str = _text(20, "Postal code, up to 20 characters.")
    country: str = _text(2, "ISO 3166-1 alpha-2 code, such as RU.")


Part = TypeVar("Part", Contact, Address)


@dataclass
class Delivery:
    """The delivery details that a shopper gives with an order."""

    contact: Contact | None = None
    address: Address | None = None
    comment: str = ""


def max_lengths(part: type[Contact] | type[Address]) -> dict[str, int]:
    """Return the maximum length of each field."""
    return {item.name: item.metadata["limit"] for item in fields(part)}


def read_part(part: type[Part], row: object) -> Part | None:
    """Return the contact or address in the columns of a row, or None if all of them are empty."""
    texts = {item.name: getattr(row, item.name) for item in fields(part)}
    return part(**texts) if any(texts.values()) else None


def validate_delivery(delivery: Delivery) -> dict[str, str]:
    """Return the trimmed columns of `OrderContact`, empty if no details are given.

    Raises:
        Invalid: a part or a field is missing or malformed.
        TooLong: a text exceeds its maximum length.
    """
    columns: dict[str, str] = {}
    for path, part in (("contact", delivery.contact), ("delivery_address", delivery.address)):
        if part is not None:
            columns |= _validate_part(path, part)
        elif settings.ORDER_REQUIRE_DELIVERY:
            raise Invalid("A contact and a delivery address are required.", field=path)
    if delivery.contact is not None and not _is_phone(columns["phone"]):
        raise Invalid(
            f"The phone number must have at least {MIN_PHONE_DIGITS} digits. Spaces and the characters "
            "+ ( ) . - are allowed.",
            field="contact.phone",
        )
    if delivery.address is not None and not _COUNTRY.fullmatch(columns["country"]):
        raise Invalid(
            "The country must be an ISO 3166-1 alpha-2 code in capital letters, such as RU.",
            field="delivery_address.country",
        )
    comment = _validate_text("comment", delivery.comment, MAX_COMMENT_LENGTH, allowed=_LINE_BREAKS_AND_TABS)
    if comment:
        columns["comment"] = comment
    return columns


def _validate_part(path: str, part: Contact | Address) -> dict[str, str]:
    validated = {}
    for item in fields(part):
        item_path = f"{path}.{item.name}"
        validated[item.name] = _validate_text(item_path, getattr(part, item.name), item.metadata["limit"])
        if item.metadata["is_required"] and not validated[item.name]:
            raise Invalid(f"The {item.name.replace('_', ' ')} is missing.", field=item_path)
    return validated


def _validate_text(path: str, text: str, limit: int, *, allowed: str = "") -> str:
    text = text.strip()
    if len(text) > limit:
        raise TooLong(f"The text must have at most {limit} characters, not {len(text)}.", field=path)
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") and char not in allowed for char in text):
        raise Invalid("The text must not contain control characters.", field=path)
    return text


def _is_phone(text: str) -> bool:
    return bool(_PHONE.fullmatch(text)) and sum(char.isdigit() for char in text) >= MIN_PHONE_DIGITS
