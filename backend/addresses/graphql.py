"""The address book in GraphQL. The addresses of a user are fields of `User`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar

import strawberry
import strawberry_django
from strawberry import auto

from backend.addresses import models, selectors, services
from backend.addresses.models import MAX_ADDRESSES, MAX_LABEL_LENGTH
from backend.core.graphql import Info, Node, UserError, parse_object_id, refusals_as_payload
from backend.core.identifiers import parse_id
from backend.orders.graphql import Address, AddressInput, Contact, ContactInput

T = TypeVar("T")

_Id = Annotated[strawberry.ID, strawberry.argument(description="`id` or `databaseId` of the saved address.")]
_Input = Annotated[T, strawberry.argument(description="Input of the mutation.")]


@strawberry_django.type(models.SavedAddress)
class SavedAddress(Node):
    """A contact and a delivery address that the viewer has saved."""

    id: strawberry.ID = strawberry_django.field(
        field_name="global_id", description="Opaque id, unique among all types."
    )
    database_id: int = strawberry_django.field(
        field_name="id", description="Id of the saved address in the REST API."
    )
    label: auto = strawberry_django.field(description="Name of the address, such as Home; may be empty.")
    contact: Contact = strawberry_django.field(description="Person to contact.")
    delivery_address: Address = strawberry_django.field(description="Delivery address.")
    is_default: auto = strawberry_django.field(description="True for the default address of the account.")

    @classmethod
    def load_nodes(cls, info: Info, keys: Sequence[str]) -> Mapping[str, models.SavedAddress]:
        saved = selectors.get_addresses(info.context.viewer, [parse_id(key) for key in keys])
        return {str(address.pk): address for address in saved}


@strawberry.type
class AddressPayload:
    """The address book after the change. If `errors` is not empty, nothing has changed."""

    address: SavedAddress | None = strawberry.field(
        default=None, description="The changed address; null if it was deleted or there are errors."
    )
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="Reasons why the change was refused; empty on success."
    )

    @strawberry.field(
        description="All saved addresses: the default, and then the newest first. Null if there are errors."
    )
    def addresses(self, info: Info) -> list[SavedAddress] | None:
        return None if self.errors else selectors.list_addresses(info.context.viewer)


@strawberry.input
class SavedAddressInput:
    """A contact and a delivery address to save."""

    contact: ContactInput = strawberry.field(description="Person to contact.")
    delivery_address: AddressInput = strawberry.field(description="Delivery address.")
    label: str = strawberry.field(
        default="", description=f"Name of the address, such as Home, up to {MAX_LABEL_LENGTH} characters."
    )


@strawberry.input
class SavedAddressUpdateInput(SavedAddressInput):
    """The new contact, delivery address and label of a saved address."""

    id: strawberry.ID = strawberry.field(description="`id` or `databaseId` of the saved address.")


@strawberry.type
class AddressesMutation:
    @strawberry.mutation(
        description=f"Save an address. An account can have {MAX_ADDRESSES}; the first one becomes the "
        "default."
    )
    @refusals_as_payload("input")
    def address_create(self, info: Info, input: _Input[SavedAddressInput]) -> AddressPayload | None:
        saved = services.create_address(
            viewer=info.context.viewer,
            contact=input.contact,
            address=input.delivery_address,
            label=input.label,
        )
        return AddressPayload(address=saved)

    @strawberry.mutation(description="Replace the contact, address and label of a saved address.")
    @refusals_as_payload("input")
    def address_update(self, info: Info, input: _Input[SavedAddressUpdateInput]) -> AddressPayload | None:
        saved = services.update_address(
            viewer=info.context.viewer,
            address_id=_parse_id(input.id),
            contact=input.contact,
            address=input.delivery_address,
            label=input.label,
        )
        return AddressPayload(address=saved)

    @strawberry.mutation(
        description="Delete a saved address. If it was the default, the newest one left becomes the default."
    )
    @refusals_as_payload()
    def address_delete(self, info: Info, id: _Id) -> AddressPayload | None:
        services.delete_address(viewer=info.context.viewer, address_id=_parse_id(id))
        return AddressPayload()

    @strawberry.mutation(description="Make a saved address the default.")
    @refusals_as_payload()
    def address_set_default(self, info: Info, id: _Id) -> AddressPayload | None:
        saved = services.set_default_address(viewer=info.context.viewer, address_id=_parse_id(id))
        return AddressPayload(address=saved)


def _parse_id(text: str) -> int:
    return parse_object_id(text, "SavedAddress", field="id")
