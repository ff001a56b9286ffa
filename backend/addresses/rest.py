"""The address book in REST."""

from typing import Annotated, Any

from ninja import Query, Router, Status
from pydantic import ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from backend.addresses import selectors, services
from backend.addresses.delivery import Address, Contact
from backend.addresses.models import MAX_LABEL_LENGTH
from backend.core.rest import (
    LOGIN_REQUIRED,
    ApiRequest,
    ObjectId,
    ResponseModel,
    StrictBody,
    declare_problems,
)
from backend.orders.rest import AddressBody, ContactBody

router = Router(tags=["addresses"])

Label = Annotated[str, WithJsonSchema({"type": "string", "maxLength": MAX_LABEL_LENGTH})]

_PROBLEMS = declare_problems(400, 401, 409, 415, 422, 503)
_EXAMPLE: JsonDict = {
    "label": "Office",
    "contact": {"name": "Anna Petrova", "phone": "+7 812 555-35-35"},
    "delivery_address": {
        "line1": "Nevsky prospekt 28",
        "line2": "office 12",
        "city": "Saint Petersburg",
        "postal_code": "191186",
        "country": "RU",
    },
}


class SavedAddress(ResponseModel):
    """A contact and a delivery address that the viewer has saved."""

    # The fields of `Contact` and `Address` have defaults, but are always present in responses.
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    id: int = Field(description="Id of the saved address.")
    label: str = Field(description="Name of the address, such as Home; may be empty.")
    contact: Contact = Field(description="Person to contact.")
    delivery_address: Address = Field(description="Delivery address.")
    is_default: bool = Field(description="True for the default address of the account.")


class AddressBook(ResponseModel):
    """The saved addresses of the viewer."""

    items: list[SavedAddress] = Field(
        description="All saved addresses: the default, and then the newest first."
    )


class NewAddress(StrictBody):
    """A contact and a delivery address to save."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    contact: ContactBody = Field(description="Person to contact.")
    delivery_address: AddressBody = Field(description="Delivery address.")
    label: Label = Field(
        "", description=f"Name of the address, such as Home, up to {MAX_LABEL_LENGTH} characters."
    )


class ChangedAddress(NewAddress):
    """The new contact, delivery address and label of a saved address."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": 1, **_EXAMPLE}]})

    id: ObjectId = Field(description="Id of the saved address.")


@router.get(
    "/addresses",
    response={200: AddressBook, **declare_problems(401, 503)},
    operation_id="addressesList",
    summary="List saved addresses",
    openapi_extra=LOGIN_REQUIRED,
)
def list_addresses(request: ApiRequest) -> Any:
    """List the saved addresses of the viewer."""
    return {"items": selectors.list_addresses(request.auth)}


@router.post(
    "/addresses",
    response={201: SavedAddress, **_PROBLEMS},
    operation_id="addressesCreate",
    summary="Save an address",
    openapi_extra=LOGIN_REQUIRED,
)
def create_address(request: ApiRequest, payload: NewAddress) -> Any:
    """Save an address. An account can have 20; the first one becomes the default."""
    saved = services.create_address(
        viewer=request.auth,
        contact=payload.contact,
        address=payload.delivery_address,
        label=payload.label,
    )
    return Status(201, saved)


@router.put(
    "/addresses",
    response={200: SavedAddress, **declare_problems(404), **_PROBLEMS},
    operation_id="addressesUpdate",
    summary="Replace a saved address",
    openapi_extra=LOGIN_REQUIRED,
)
def update_address(request: ApiRequest, payload: ChangedAddress) -> Any:
    """Replace the contact, address and label of a saved address."""
    return services.update_address(
        viewer=request.auth,
        address_id=payload.id,
        contact=payload.contact,
        address=payload.delivery_address,
        label=payload.label,
    )


@router.delete(
    "/addresses",
    response={200: AddressBook, **declare_problems(401, 404, 409, 422, 503)},
    operation_id="addressesDelete",
    summary="Delete a saved address",
    openapi_extra=LOGIN_REQUIRED,
)
def delete_address(request: ApiRequest, id: ObjectId = Query(description="Id of the saved address.")) -> Any:
    """Delete a saved address and return the others.

    If it was the default, the newest one left becomes the default.
    """
    return {"items": services.delete_address(viewer=request.auth, address_id=id)}


@router.post(
    "/addresses/default",
    response={200: SavedAddress, **declare_problems(401, 404, 409, 422, 503)},
    operation_id="addressesSetDefault",
    summary="Set the default address",
    openapi_extra=LOGIN_REQUIRED,
)
def set_default_address(
    request: ApiRequest, id: ObjectId = Query(description="Id of the saved address.")
) -> Any:
    """Make a saved address the default."""
    return services.set_default_address(viewer=request.auth, address_id=id)
