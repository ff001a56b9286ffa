"""Define and validate contacts and delivery addresses.

`Contact` and `Address` are the only definition of their fields. The GraphQL types, the REST bodies and the
columns of `OrderContact` and `SavedAddress` are derived from them.
"""

import unicodedata
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import phonenumbers
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext, pgettext_lazy
from iso3166 import countries_by_alpha2

from backend.addresses.postal_codes import get_postal_rules
from backend.core.errors import Invalid, ShopError, TooLong, collect_errors
from backend.core.text import clean_line, clean_text


def _make_text_field(limit: int, description: str, *, is_required: bool = True, pattern: str = r"\S") -> Any:
    """Return a dataclass field for a text of at most `limit` characters.

    Args:
        pattern: describes the accepted texts in the OpenAPI document. White space alone is not a text.
    """
    # Pydantic reads "description" as well. It would enforce a "pattern", with an error code of its own.
    metadata = {"limit": limit, "description": description, "is_required": is_required, "accepted": pattern}
    return field(default="", metadata=metadata)


@dataclass
class ContactInput:
    """The person to contact about an order, as the customer enters it."""

    name: str = _make_text_field(150, "Full name, up to 150 characters.")
    phone: str = _make_text_field(
        64,
        "Phone number in any usual notation, also with an extension or as a tel: link, up to 64 characters. "
        "Without a country calling code, it is a number of the country of the address, else of the shop.",
    )


@dataclass
class Contact(ContactInput):
    """The person to contact about an order."""

    phone: str = _make_text_field(32, "Phone number in E.164 format, such as +78125553535.")
    phone_as_typed: str = _make_text_field(64, "Phone number as the customer entered it, with any extension.")


@dataclass
class Address:
    """A delivery address."""

    line1: str = _make_text_field(200, "Street and house number, up to 200 characters.")
    line2: str = _make_text_field(
        200, "Flat, floor or company, up to 200 characters; can be empty.", is_required=False
    )
    city: str = _make_text_field(
        100,
        "City, up to 100 characters. Can be empty where addresses need none, such as in SG.",
        is_required=False,
    )
    postal_code: str = _make_text_field(
        20,
        "Postal code in the format of the country, up to 20 characters. Required where the country requires "
        "it, such as in RU; must be empty where the country has none, such as in AE.",
        is_required=False,
    )
    country: str = _make_text_field(2, "ISO 3166-1 alpha-2 code, such as RU.", pattern="^[A-Z]{2}$")


Part = TypeVar("Part", Contact, Address)

# The context of the names of countries in the catalogue of translations.
COUNTRY = "country"
# The required parts in sentences.
_PART_NAMES = {
    "name": pgettext_lazy("person", "name"),
    "phone": _("phone"),
    "line1": _("street and house number"),
    "country": _("country"),
}


def get_max_lengths(part: type[Contact] | type[Address]) -> dict[str, int]:
    """Return the maximum length of each field."""
    return {item.name: item.metadata["limit"] for item in fields(part)}


def read_part(part: type[Part], row: object) -> Part | None:
    """Return the contact or address in the columns of a row, or None if all of them are empty."""
    texts = {item.name: getattr(row, item.name) for item in fields(part)}
    return part(**texts) if any(texts.values()) else None


def get_country_name(code: str) -> str:
    """Return the name of a country in the active language, or the code itself if it is unknown."""
    country = countries_by_alpha2.get(code)
    return pgettext(COUNTRY, country.name) if country else code


def validate_delivery_parts(
    contact: ContactInput | None, address: Address | None, errors: list[ShopError], *, is_required: bool
) -> dict[str, str]:
    """Return the normalized columns of a contact and an address, and append the errors of the others.

    Args:
        errors: the list to which `Invalid` and `TooLong` errors are appended.
        is_required: whether both must be given.
    """
    columns: dict[str, str] = {}
    for path, part in (("contact", contact), ("delivery_address", address)):
        if part is not None:
            columns |= _validate_texts(path, part, errors)
        elif is_required:
            errors.append(Invalid(_("A contact and a delivery address are required."), field=path))
    country = settings.SHOP_COUNTRY if address is None else _validate_place(columns, errors)
    # The country decides which numbers are valid.
    if "phone" in columns and country is not None:
        columns["phone_as_typed"] = columns["phone"]
        with collect_errors(errors):
            columns["phone"] = _read_phone(columns["phone"], country)
    return columns


def validate_text(path: str, text: str, limit: int, *, is_multiline: bool = False) -> str:
    """Return a text in its stored form; see `backend.core.text`."""
    if any(unicodedata.category(char) in ("Cc", "Cs") and not char.isspace() for char in text):
        raise Invalid(_("The text must not contain control characters."), field=path)
    text = clean_text(text) if is_multiline else clean_line(text)
    if len(text) > limit:
        raise TooLong(
            _("The text must have at most %(maximum)s characters, not %(length)s."),
            field=path,
            params={"maximum": limit, "length": len(text)},
        )
    return text


def _validate_texts(path: str, part: ContactInput | Address, errors: list[ShopError]) -> dict[str, str]:
    """Return the valid texts of a part, and append the errors of the others."""
    validated = {}
    for item in fields(part):
        item_path = f"{path}.{item.name}"
        with collect_errors(errors):
            text = validate_text(item_path, getattr(part, item.name), item.metadata["limit"])
            if item.metadata["is_required"] and not text:
                raise Invalid(
                    _("The %(part)s is missing."),
                    field=item_path,
                    params={"part": _PART_NAMES[item.name]},
                )
            validated[item.name] = text
    return validated


def _validate_place(address: dict[str, str], errors: list[ShopError]) -> str | None:
    """Check city and postal code by the country, and write the postal code as the country does.

    Args:
        address: the columns whose texts are valid.
        errors: the list to which errors are appended.

    Returns:
        the country; None if it is invalid.
    """
    country = address.get("country")
    if country is None:
        return None
    if country not in countries_by_alpha2:
        errors.append(
            Invalid(
                _("The country must be an ISO 3166-1 alpha-2 code in capital letters, such as RU."),
                field="delivery_address.country",
            )
        )
        return None
    if get_postal_rules(country).requires_city and address.get("city") == "":
        errors.append(Invalid(_("The city is missing."), field="delivery_address.city"))
    if "postal_code" in address:
        with collect_errors(errors):
            address["postal_code"] = _normalize_postal_code(address["postal_code"], country)
    return country


def _normalize_postal_code(code: str, country: str) -> str:
    """Return a postal code as the country writes it."""
    rules = get_postal_rules(country)
    params = {"country": get_country_name(country), "example": rules.examples[0] if rules.examples else ""}
    if not code:
        if rules.requires_code:
            raise Invalid(
                _("The postal code is missing. %(country)s requires one, such as %(example)s.")
                if rules.examples
                else _("The postal code is missing. %(country)s requires one."),
                field="delivery_address.postal_code",
                params=params,
            )
        return ""
    if not rules.has_codes:
        raise Invalid(
            _("The postal code must be empty, because %(country)s has no postal codes."),
            field="delivery_address.postal_code",
            params=params,
        )
    normalized = rules.normalize(code)
    if normalized is None:
        raise Invalid(
            _("The postal code must have the format of %(country)s, such as %(example)s.")
            if rules.examples
            else _("The postal code must have the format of %(country)s."),
            field="delivery_address.postal_code",
            params=params,
        )
    return normalized


def _read_phone(text: str, country: str) -> str:
    """Return a phone number in E.164 format."""
    # Some territories have addresses but no numbers of their own.
    region = country if country in phonenumbers.SUPPORTED_REGIONS else settings.SHOP_COUNTRY
    number = normalize_phone(text, region)
    if number is None:
        raise Invalid(
            _(
                "The phone number must be a valid number of %(region)s, or begin with "
                "+ and a country calling code, as in +44 20 7946 0958."
            ),
            field="contact.phone",
            params={"region": get_country_name(region)},
        )
    return number


def normalize_phone(text: str, region: str) -> str | None:
    """Return a phone number of any usual notation in E.164 format, or None if it is no valid number.

    Args:
        region: the country of numbers without a calling code.
    """
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
