"""Read the address books of accounts."""

from collections.abc import Collection
from dataclasses import fields

from django.utils.translation import gettext_lazy as _

from backend.addresses.delivery import Address, Contact
from backend.addresses.models import SavedAddress
from backend.core.errors import NotFound, Unauthenticated
from backend.core.viewer import Viewer


def list_addresses(viewer: Viewer) -> list[SavedAddress]:
    """Return the viewer's saved addresses: the default, and then the newest first.

    Raises:
        Unauthenticated: the viewer is not logged in.
    """
    if viewer.user_id is None:
        raise Unauthenticated(_("Log in first."))
    return list(SavedAddress.objects.filter(user_id=viewer.user_id))


def get_addresses(viewer: Viewer, ids: Collection[int]) -> list[SavedAddress]:
    """Return the viewer's saved addresses among these ids; none for a guest."""
    if viewer.user_id is None:
        return []
    return list(SavedAddress.objects.filter(user_id=viewer.user_id, pk__in=ids))


def read_delivery_columns(user_id: int, address_id: int) -> dict[str, str]:
    """Return the columns of the contact and the address of an account's saved address.

    Raises:
        NotFound: the account has no address with this id.
    """
    names = [item.name for part in (Contact, Address) for item in fields(part)]
    columns = SavedAddress.objects.filter(user_id=user_id, pk=address_id).values(*names).first()
    if columns is None:
        raise NotFound(_("You have no address with this id."), field="address_id")
    return dict(columns)
