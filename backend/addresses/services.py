"""Change the address book of the viewer's account.

Every change locks the account first, as orders and the deletion of the account do.
"""

from django.utils.translation import gettext_lazy as _

from backend.accounts.models import User
from backend.addresses.delivery import Address, ContactInput, validate_delivery_parts, validate_text
from backend.addresses.models import MAX_ADDRESSES, MAX_LABEL_LENGTH, SavedAddress
from backend.addresses.selectors import list_addresses
from backend.core.db import atomic_or_conflict
from backend.core.errors import (
    NotFound,
    ShopError,
    TooLong,
    Unauthenticated,
    collect_errors,
    raise_collected,
)
from backend.core.viewer import Viewer


def create_address(
    *, viewer: Viewer, contact: ContactInput, address: Address, label: str = ""
) -> SavedAddress:
    """Add an address to the viewer's address book and return it. The first one becomes the default.

    Raises:
        Unauthenticated: the viewer is not logged in.
        Invalid, TooLong: a field is missing or malformed, or there are `MAX_ADDRESSES` addresses already.
        Conflict: other requests change the same data.
    """
    _require_account(viewer)
    columns = _validate(contact, address, label)
    return _create(viewer, columns)


def update_address(
    *, viewer: Viewer, address_id: int, contact: ContactInput, address: Address, label: str = ""
) -> SavedAddress:
    """Replace the contact, address and label of a saved address and return it.

    Raises:
        Unauthenticated: the viewer is not logged in.
        NotFound: the viewer has no address with this id.
        Invalid, TooLong: a field is missing or malformed.
        Conflict: other requests change the same data.
    """
    _require_account(viewer)
    columns = _validate(contact, address, label)
    return _update(viewer, address_id, columns)


@atomic_or_conflict
def delete_address(*, viewer: Viewer, address_id: int) -> list[SavedAddress]:
    """Delete a saved address and return the others as `list_addresses` does.

    If it was the default, the newest one left becomes the default.

    Raises:
        Unauthenticated: the viewer is not logged in.
        NotFound: the viewer has no address with this id.
        Conflict: other requests change the same data.
    """
    saved = _lock_address(viewer, address_id)
    user_id, was_default = saved.user_id, saved.is_default
    saved.delete()
    newest = SavedAddress.objects.filter(user_id=user_id).order_by("-pk").first() if was_default else None
    if newest is not None:
        SavedAddress.objects.filter(pk=newest.pk).update(is_default=True)
    return list_addresses(viewer)


@atomic_or_conflict
def set_default_address(*, viewer: Viewer, address_id: int) -> SavedAddress:
    """Make a saved address the default and return it.

    Raises:
        Unauthenticated: the viewer is not logged in.
        NotFound: the viewer has no address with this id.
        Conflict: other requests change the same data.
    """
    saved = _lock_address(viewer, address_id)
    if not saved.is_default:
        SavedAddress.objects.filter(user_id=saved.user_id, is_default=True).update(is_default=False)
        saved.is_default = True
        saved.save(update_fields=["is_default"])
    return saved


@atomic_or_conflict
def _create(viewer: Viewer, columns: dict[str, str]) -> SavedAddress:
    user_id = _lock_account(viewer)
    count = SavedAddress.objects.filter(user_id=user_id).count()
    if count >= MAX_ADDRESSES:
        raise TooLong(
            _("An address book can have at most %(maximum)s addresses."), params={"maximum": MAX_ADDRESSES}
        )
    return SavedAddress.objects.create(user_id=user_id, is_default=count == 0, **columns)


@atomic_or_conflict
def _update(viewer: Viewer, address_id: int, columns: dict[str, str]) -> SavedAddress:
    saved = _lock_address(viewer, address_id)
    for name, value in columns.items():
        setattr(saved, name, value)
    saved.save(update_fields=list(columns))
    return saved


def _validate(contact: ContactInput, address: Address, label: str) -> dict[str, str]:
    """Return the normalized columns of a saved address."""
    errors: list[ShopError] = []
    columns = validate_delivery_parts(contact, address, errors, is_required=True)
    with collect_errors(errors):
        columns["label"] = validate_text("label", label, MAX_LABEL_LENGTH)
    raise_collected(errors)
    return columns


def _require_account(viewer: Viewer) -> int:
    if viewer.user_id is None:
        raise Unauthenticated(_("Log in first."))
    return viewer.user_id


def _lock_account(viewer: Viewer) -> int:
    """Lock the viewer's account until commit and return its id."""
    accounts = User.objects.select_for_update(no_key=True).filter(pk=_require_account(viewer))
    user_id = accounts.values_list("pk", flat=True).first()
    if user_id is None:
        raise Unauthenticated(_("This account has been deleted."))
    return user_id


def _lock_address(viewer: Viewer, address_id: int) -> SavedAddress:
    """Lock the viewer's account until commit and return its saved address."""
    saved = SavedAddress.objects.filter(user_id=_lock_account(viewer), pk=address_id).first()
    if saved is None:
        raise NotFound(_("You have no address with this id."), field="id")
    return saved
