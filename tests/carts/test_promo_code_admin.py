"""Promo code admin: list, form, validation and deletion."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from backend.carts.models import Cart, PromoCode, PromoCodeUse
from backend.orders.models import Order
from tests.carts.factories import fill_cart, make_promo_code
from tests.catalog.admin.pages import AdminCase
from tests.catalog.factories import make_category, make_product
from tests.orders.factories import make_order
from tests.support.people import make_user

LIST = "/admin/carts/promocode/"
FORM = "promocode_form"


def page_of(promo_code: PromoCode) -> str:
    return f"{LIST}{promo_code.pk}/change/"


class PromoCodeAdminTest(AdminCase):
    def add(self, **fields: Any) -> Any:
        form = self.form(f"{LIST}add/", FORM) | {"code": "sale"}
        return self.client.post(f"{LIST}add/", form | fields)

    def edit(self, promo_code: PromoCode, **fields: Any) -> Any:
        return self.client.post(page_of(promo_code), self.form(page_of(promo_code), FORM) | fields)

    def test_code_is_created_in_upper_case_with_its_categories(self) -> None:
        tea, mugs = make_category("Tea"), make_category("Mugs")
        self.assert_saved(
            self.add(
                code=" sale-10 ",
                percent="15",
                categories=[tea.pk, mugs.pk],
                minimum_total="1000.50",
                starts_at_0="2026-01-01",
                starts_at_1="10:00",
                ends_at_0="2026-02-01",
                ends_at_1="10:00",
                max_uses="100",
                max_uses_per_customer="2",
            )
        )
        promo_code = PromoCode.objects.get()
        assert (promo_code.code, promo_code.percent, promo_code.amount) == ("SALE-10", 15, None)
        assert set(promo_code.categories.all()) == {tea, mugs}
        assert promo_code.has_categories
        assert promo_code.minimum_total == Decimal("1000.50")
        assert promo_code.starts_at is not None
        assert promo_code.starts_at.astimezone(UTC).date() == datetime(2026, 1, 1, tzinfo=UTC).date()
        assert (promo_code.max_uses, promo_code.max_uses_per_customer, promo_code.uses) == (100, 2, 0)
        assert promo_code.is_active

    def test_code_for_everything_has_no_categories(self) -> None:
        self.assert_saved(self.add(amount="250"))
        promo_code = PromoCode.objects.get()
        assert (promo_code.amount, promo_code.has_categories) == (250, False)

    def test_invalid_values_are_refused(self) -> None:
        make_promo_code("TAKEN")
        either = "Enter either a percentage from 1 to 100 or an amount above 0."
        for fields, field, message in (
            ({"code": "two words", "percent": "1"}, "code", "letters, digits, - and _"),
            ({"code": "s" * 33, "percent": "1"}, "code", "at most 32 characters"),
            ({"code": "", "percent": "1"}, "code", "required"),
            ({"code": "taken", "percent": "1"}, "code", "already exists"),
            ({}, "__all__", either),
            ({"percent": "10", "amount": "10"}, "__all__", either),
            ({"percent": "0"}, "percent", "greater than or equal to 1"),
            ({"percent": "101"}, "percent", "less than or equal to 100"),
            ({"amount": "0"}, "__all__", either),
            ({"percent": "1", "minimum_total": "0"}, "__all__", "minimum total must be above 0"),
            ({"percent": "1", "max_uses": "0"}, "__all__", "maximum uses must be at least 1"),
            ({"percent": "1", "max_uses_per_customer": "0"}, "__all__", "per customer must be at least 1"),
            ({"percent": "1", "categories": ["0", "x"]}, "categories", "not a valid value"),
            (
                {
                    "percent": "1",
                    "starts_at_0": "2026-01-01",
                    "starts_at_1": "10:00",
                    "ends_at_0": "2026-01-01",
                    "ends_at_1": "10:00",
                },
                "__all__",
                "The end must be after the start.",
            ),
        ):
            with self.subTest(fields):
                errors = self.errors(self.add(**fields))
                assert any(message in error for error in errors[field]), errors
        assert PromoCode.objects.count() == 1

    def test_edited_fields_only_are_saved(self) -> None:
        promo_code = make_promo_code("SALE", make_category("Tea"))
        form = self.form(page_of(promo_code), FORM)
        PromoCode.objects.update(percent=20)
        self.assert_saved(self.client.post(page_of(promo_code), form | {"max_uses": "5"}))
        promo_code.refresh_from_db()
        assert (promo_code.percent, promo_code.max_uses, promo_code.has_categories) == (20, 5, True)
        assert promo_code.categories.count() == 1

    def test_changed_categories_are_saved(self) -> None:
        promo_code = make_promo_code("SALE", make_category("Tea"))
        mugs = make_category("Mugs")
        before = promo_code.updated_at
        self.assert_saved(self.edit(promo_code, categories=[mugs.pk]))
        promo_code.refresh_from_db()
        assert list(promo_code.categories.all()) == [mugs]
        assert (promo_code.has_categories, promo_code.updated_at > before) == (True, True)
        self.assert_saved(self.edit(promo_code, categories=[]))
        promo_code.refresh_from_db()
        assert not promo_code.has_categories

    def test_categories_are_labelled_by_their_paths(self) -> None:
        promo_code = make_promo_code("SALE", make_category("Tea", make_category("Food")))
        assert "Food › Tea</option>" in self.client.get(page_of(promo_code)).content.decode()

    def test_new_maximum_counts_earlier_uses(self) -> None:
        promo_code = make_promo_code()
        for number in range(3):
            PromoCodeUse.objects.create(promo_code=promo_code, order_number=number)
        self.assert_saved(self.edit(promo_code, max_uses="5"))
        promo_code.refresh_from_db()
        assert (promo_code.max_uses, promo_code.uses) == (5, 3)

    def test_list_shows_discount_validity_and_uses(self) -> None:
        make_promo_code("TENTH", percent=10, max_uses=7)
        fixed = make_promo_code("FIXED", amount=Decimal("99.50"), is_active=False)
        for number in range(3):
            PromoCodeUse.objects.create(promo_code=fixed, order_number=number)
        page = self.client.get(LIST).content.decode()
        for text in ("TENTH", "10%", "FIXED", "99.50 RUB", ">3</td>", ">7</td>", 'alt="False"'):
            assert text in page
        found = self.client.get(LIST, {"q": "fix"}).content.decode()
        assert "FIXED" in found
        assert "TENTH" not in found

    def test_list_takes_as_many_statements_for_1_and_40_codes(self) -> None:
        counts = []
        category = make_category("Tea")
        for number in (1, 39):
            for _ in range(number):
                code = make_promo_code("", category)
                PromoCodeUse.objects.create(promo_code=code, order_number=code.code)
            with CaptureQueriesContext(connection) as queries:
                assert self.client.get(LIST).status_code == 200
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_used_code_is_deactivated_or_deleted_and_its_orders_stay(self) -> None:
        promo_code = make_promo_code("SALE")
        user = make_user()
        cart = fill_cart(user, {})
        Cart.objects.filter(pk=cart.pk).update(promo_code=promo_code)
        order = make_order(user, (make_product(price=Decimal("50.00")), 1))
        assert (order.discount, order.promo_code) == (5, "SALE")
        self.assert_saved(self.edit(promo_code, is_active=""))
        promo_code.refresh_from_db()
        assert not promo_code.is_active
        other = fill_cart(make_user(), {})
        Cart.objects.filter(pk=other.pk).update(promo_code=promo_code)
        before = Order.objects.values().get()
        for response in (
            self.client.get(f"{LIST}{promo_code.pk}/delete/"),
            self.client.post(f"{LIST}{promo_code.pk}/delete/", {"post": "yes"}),
        ):
            assert response.status_code in (200, 302)
        assert not PromoCode.objects.exists()
        assert not PromoCodeUse.objects.exists()
        assert Cart.objects.get(pk=other.pk).promo_code_id is None
        assert Order.objects.values().get() == before

    def test_order_page_shows_the_discount(self) -> None:
        user = make_user()
        cart = fill_cart(user, {})
        plain = make_order(user)
        Cart.objects.filter(pk=cart.pk).update(promo_code=make_promo_code("SALE"))
        order = make_order(user, (make_product(price=Decimal("50.00")), 1))
        page = self.client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
        for text in ("Discount with promo code SALE", "50.00 RUB", "5.00 RUB", "45.00 RUB"):
            assert text in page
        page = self.client.get(f"/admin/orders/order/{plain.pk}/change/").content.decode()
        assert "iscount" not in page

    def test_permissions_are_required(self) -> None:
        promo_code = make_promo_code()
        self.log_in_with("view_promocode")
        assert self.client.get(LIST).status_code == 200
        assert self.client.post(page_of(promo_code), {"code": "OTHER"}).status_code == 403
        assert self.client.get(f"{LIST}add/").status_code == 403
        assert not PromoCode.objects.filter(code="OTHER").exists()
