"""Define and validate the contact, address and comment of an order."""

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from backend.addresses.delivery import (
    Address,
    Contact,
    ContactInput,
    get_country_name,
    get_max_lengths,
    normalize_phone,
    read_part,
    validate_delivery_parts,
    validate_text,
)
from backend.core.errors import Invalid, ShopError, collect_errors, raise_collected

__all__ = [
    "MAX_COMMENT_LENGTH",
    "Address",
    "Contact",
    "ContactInput",
    "Delivery",
    "get_country_name",
    "get_max_lengths",
    "normalize_phone",
    "read_part",
    "validate_delivery",
]

MAX_COMMENT_LENGTH = 1000


@dataclass
class Delivery:
    """The delivery details that a shopper gives with an order.

    Attributes:
        address_id: a saved address to use instead of `contact` and `address`.
    """

    contact: ContactInput | None = None
    address: Address | None = None
    comment: str = ""
    address_id: int | None = None


def validate_delivery(delivery: Delivery) -> dict[str, str]:
    """Return the normalized columns of `OrderContact`, empty if no details are given.

    Those of a saved address are not included.

    Raises:
        Invalid: a part or a field is missing or malformed, or is given beside a saved address.
        TooLong: a text exceeds its maximum length.
    """
    errors: list[ShopError] = []
    is_saved = delivery.address_id is not None
    if is_saved and (delivery.contact is not None or delivery.address is not None):
        errors.append(
            Invalid(_("Pass either a saved address or a contact and a delivery address."), field="address_id")
        )
    columns = validate_delivery_parts(
        delivery.contact,
        delivery.address,
        errors,
        is_required=settings.ORDER_REQUIRE_DELIVERY and not is_saved,
    )
    with collect_errors(errors):
        comment = validate_text("comment", delivery.comment, MAX_COMMENT_LENGTH, is_multiline=True)
        if comment:
            columns["comment"] = comment
    raise_collected(errors)
    return columns
