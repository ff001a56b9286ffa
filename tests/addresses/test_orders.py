"""Orders that name a saved address, in both APIs."""

from dataclasses import replace
from typing import Any

from django.test import TestCase, override_settings

from backend.addresses.models import SavedAddress
from backend.addresses.services import create_address, update_address
from backend.orders.models import Order
from tests.carts.factories import make_products
from tests.orders.factories import FULL_DELIVERY
from tests.support.people import make_user, make_viewer
from tests.support.shopping import make_shoppers


class SavedAddressTest(TestCase):
    def setUp(self) -> None:
        assert FULL_DELIVERY.contact is not None
        assert FULL_DELIVERY.address is not None
        self.parts: Any = {"contact": FULL_DELIVERY.contact, "address": FULL_DELIVERY.address}
        self.user = make_user()
        self.saved = create_address(viewer=make_viewer(self.user), **self.parts)
        (self.product,) = make_products(1)
        self.shoppers = make_shoppers(self.user)

    def order(self, shopper: Any, fields: dict[str, Any] | None = None, key: str | None = None) -> Any:
        shopper.add(self.product.pk)
        return shopper.order({"address_id": self.saved.pk, **(fields or {})}, key)

    @override_settings(ORDER_REQUIRE_DELIVERY=True)
    def test_contact_and_address_are_copied_into_the_order(self) -> None:
        for shopper in self.shoppers:
            with self.subTest(shopper.api):
                order = self.order(shopper, {"comment": "Ring twice."}).data
                assert order["contact"] == {
                    "name": "Vera Inber",
                    "phone": "+79215550102",
                    "phone_as_typed": "+7 921 555-01-02",
                }
                assert order["delivery_address"] == vars(FULL_DELIVERY.address)
                assert order["comment"] == "Ring twice."
                assert shopper.read(order["number"]).data == order
        # A later change of the saved address does not change the orders.
        SavedAddress.objects.update(line1="Elsewhere")
        assert shopper.read(order["number"]).data == order

    def test_repeated_key_returns_the_order_even_if_the_address_is_changed_or_deleted(self) -> None:
        for shopper in self.shoppers:
            number = self.order(shopper, key=shopper.api).data["number"]
            SavedAddress.objects.update(line1="Elsewhere")
            assert self.order(shopper, key=shopper.api).data["number"] == number
        for shopper in self.shoppers:
            other = create_address(viewer=make_viewer(self.user), **self.parts)
            reused = self.order(shopper, {"address_id": other.pk}, key=shopper.api)
            assert reused.code == "IDEMPOTENCY_KEY_REUSED"
            assert shopper.order({}, shopper.api).code == "IDEMPOTENCY_KEY_REUSED"
        SavedAddress.objects.all().delete()
        for shopper in self.shoppers:
            assert self.order(shopper, key=shopper.api).code is None

    def test_addresses_of_others_and_unknown_ids_are_not_found(self) -> None:
        others = create_address(viewer=make_viewer(make_user()), **self.parts)
        for shopper in self.shoppers:
            for id in (others.pk, 0, "abc", 2**63):
                with self.subTest(id=id, api=shopper.api):
                    refused = self.order(shopper, {"address_id": id})
                    assert (refused.status, refused.code, refused.field) == (404, "NOT_FOUND", "address_id")
        assert not Order.objects.exists()

    def test_saved_address_beside_a_contact_or_an_address_is_refused(self) -> None:
        for shopper in self.shoppers:
            for part in ("contact", "delivery_address"):
                value = vars(self.parts[part.removeprefix("delivery_")])
                with self.subTest(part, api=shopper.api):
                    refused = self.order(shopper, {part: value})
                    assert (refused.status, refused.code, refused.field) == (422, "INVALID", "address_id")
        assert not Order.objects.exists()

    def test_address_that_is_updated_is_used_as_it_is_now(self) -> None:
        self.parts["address"] = replace(self.parts["address"], line1="Nevsky 2")
        update_address(viewer=make_viewer(self.user), address_id=self.saved.pk, **self.parts)
        for shopper in self.shoppers:
            assert self.order(shopper).data["delivery_address"]["line1"] == "Nevsky 2"
