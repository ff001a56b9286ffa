"""Parity of GraphQL and REST wishlists: equal responses, and equal errors that write nothing."""

from typing import Any

from django.test import TestCase, override_settings

from backend.carts.models import Cart
from backend.catalog.models import Product
from backend.wishlists.models import MAX_ITEMS, WishlistItem
from tests.carts.factories import forged_token, make_products
from tests.catalog.factories import make_category, make_image, make_product
from tests.support.people import make_user
from tests.wishlists.factories import fill_wishlist
from tests.wishlists.shoppers import list_ids, make_wishlist_shoppers


class EqualResponsesTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_user()
        clothes = make_category("Clothes")
        cls.dress = make_product("Платье “A&B”", clothes, {"Weight (g)": "250"}, price="28.90")
        make_image(cls.dress, alt="Платье")
        cls.sock = make_product("sock", stock=0)
        cls.hat = make_product("hat")

    def get_equal_data(self, action: str, *arguments: Any, **options: Any) -> Any:
        """Perform an action through one API after the other and return the data, which must be equal."""
        graphql, rest = (
            getattr(shopper, action)(*arguments, **options) for shopper in make_wishlist_shoppers(self.user)
        )
        assert graphql == rest
        assert rest.code is None
        return rest.data

    def test_empty_wishlist(self) -> None:
        empty = {"items": [], "total": 0, "next_cursor": None, "token": None}
        assert self.get_equal_data("wishlist") == empty
        for shopper in make_wishlist_shoppers():
            assert shopper.wishlist().data == empty

    def test_products_are_listed_newest_first(self) -> None:
        fill_wishlist(self.user, [self.dress, self.sock])
        items = self.get_equal_data("wishlist")["items"]
        assert [item["product"]["id"] for item in items] == [self.sock.pk, self.dress.pk]
        assert items[1]["product"]["name"] == "Платье “A&B”"
        assert items[1]["product"]["image"]["alt"] == "Платье"
        assert items[1]["product"]["characteristics"] == [{"name": "Weight", "value": "250", "unit": "g"}]
        assert [item["product"]["in_stock"] for item in items] == [False, True]
        added = WishlistItem.objects.get(product=self.dress).added_at
        assert items[1]["added_at"][:26] == added.isoformat()[:26]

    def test_changes_return_the_wishlist(self) -> None:
        for added in (self.dress, self.sock, self.hat):
            data = self.get_equal_data("save", added.pk)
        assert [item["product"]["id"] for item in data["items"]] == [
            self.hat.pk,
            self.sock.pk,
            self.dress.pk,
        ]
        assert self.get_equal_data("unsave", self.sock.pk)["total"] == 2
        # Adding a product again does not move it.
        assert self.get_equal_data("save", str(self.dress.pk))["items"][0]["product"]["id"] == self.hat.pk
        assert WishlistItem.objects.count() == 2

    def test_removing_a_product_that_is_not_on_the_wishlist_is_ignored(self) -> None:
        fill_wishlist(self.user, [self.dress])
        for product_id in (self.sock.pk, 999_999, str(2**63 - 1), 0, -1, 2**63, "x", "", "\0"):
            with self.subTest(product_id):
                assert self.get_equal_data("unsave", product_id)["total"] == 1

    def test_notification_is_requested_and_cancelled(self) -> None:
        def notifies(**fields: Any) -> bool:
            (item,) = self.get_equal_data("save", self.sock.pk, **fields)["items"]
            return bool(item["notify"])

        assert not notifies()
        assert notifies(notify=True)
        assert notifies(notify=None)
        assert notifies()
        assert not notifies(notify=False)
        self.get_equal_data("unsave", self.sock.pk)
        assert notifies(notify=True)

    def test_pages_lead_through_the_whole_wishlist(self) -> None:
        products = make_products(5)
        fill_wishlist(self.user, products)
        walked: list[int] = []
        cursor = None
        while True:
            page = self.get_equal_data("wishlist", limit=2, **({"cursor": cursor} if cursor else {}))
            walked += [item["product"]["id"] for item in page["items"]]
            assert page["total"] == 5
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert walked == [product.pk for product in reversed(products)]

    def test_unpublished_products_are_hidden_but_stored(self) -> None:
        fill_wishlist(self.user, [self.dress, self.sock])
        Product.objects.filter(pk=self.sock.pk).update(is_published=False)
        page = self.get_equal_data("wishlist")
        assert [item["product"]["id"] for item in page["items"]] == [self.dress.pk]
        assert page["total"] == 1
        Product.objects.filter(pk=self.sock.pk).update(is_published=True)
        assert self.get_equal_data("wishlist")["total"] == 2
        Product.objects.filter(pk=self.sock.pk).update(is_published=False)
        self.get_equal_data("unsave", self.sock.pk)
        assert WishlistItem.objects.count() == 1

    def test_wishlist_goes_with_the_account_and_the_product(self) -> None:
        fill_wishlist(self.user, [self.dress, self.sock])
        Product.objects.get(pk=self.sock.pk).delete()
        assert WishlistItem.objects.count() == 1
        self.user.delete()
        assert not WishlistItem.objects.exists()


class EqualErrorsTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_user()
        cls.hidden = make_product("hidden", is_published=False)
        cls.sold_out = make_product("sold out", stock=0)

    def assert_refused(
        self, action: str, *arguments: Any, code: str, field: str, token: str | None = None, **options: Any
    ) -> None:
        """Check that both APIs return this error and that nothing is written."""
        before = self.read_rows()
        responses = []
        for user in (self.user, None):
            for shopper in make_wishlist_shoppers(user, token):
                with self.subTest(action, arguments=arguments, api=shopper.api, guest=user is None):
                    response = getattr(shopper, action)(*arguments, **options)
                    assert (response.code, response.field) == (code, field)
                    assert response.message
                    assert self.read_rows() == before
                    responses.append(response)
        assert len({response.status for response in responses}) == 1

    @staticmethod
    def read_rows() -> list[Any]:
        return [list(model.objects.order_by("pk").values()) for model in (Cart, WishlistItem)]

    def test_unknown_products_are_refused(self) -> None:
        for product_id in (self.hidden.pk, 0, -1, 2**63, 10**25, "", "abc", "9" * 1000, "\0", "٣"):
            self.assert_refused("save", product_id, code="NOT_FOUND", field="product_id")

    def test_guest_cannot_be_notified(self) -> None:
        for shopper in make_wishlist_shoppers():
            refused = shopper.save(self.sold_out.pk, notify=True)
            assert (refused.status, refused.code, refused.field) == (401, "UNAUTHENTICATED", None)
            assert shopper.save(self.sold_out.pk, notify=False).data["items"][0]["notify"] is False
        assert not WishlistItem.objects.exclude(user=None).exists()

    def test_product_in_stock_causes_no_notification(self) -> None:
        product = make_product(stock=1)
        for shopper in make_wishlist_shoppers(self.user):
            refused = shopper.save(product.pk, notify=True)
            assert (refused.status, refused.code, refused.field) == (422, "INVALID", "notify")
            assert refused.message == "The product is in stock."
        assert not WishlistItem.objects.exists()

    @override_settings(PUBLIC_URL="")
    def test_notification_is_refused_without_the_address_of_the_shop(self) -> None:
        for shopper in make_wishlist_shoppers(self.user):
            refused = shopper.save(self.sold_out.pk, notify=True)
            assert (refused.code, refused.field) == ("INVALID", "notify")
        assert not WishlistItem.objects.exists()

    def test_invalid_values_of_notify_are_refused(self) -> None:
        for value in ("yes", 1, [], {}):
            for shopper in make_wishlist_shoppers(self.user):
                refused = shopper.save(self.sold_out.pk, notify=value)
                assert (refused.code, refused.field) == ("INVALID", "notify")
        assert not WishlistItem.objects.exists()

    def test_invalid_pages_are_refused(self) -> None:
        for limit in (0, -1, 101):
            self.assert_refused("wishlist", limit=limit, code="OUT_OF_RANGE", field="limit")
        for cursor in ("nonsense", ""):
            self.assert_refused("wishlist", cursor=cursor, code="INVALID_CURSOR", field="cursor")

    def test_malformed_cart_tokens_are_refused(self) -> None:
        (product,) = make_products(1)
        for token in ("x", f"{forged_token()}x", "=" * 43):
            for action, arguments in {"wishlist": (), "save": (product.pk,), "unsave": (product.pk,)}.items():
                self.assert_refused(action, *arguments, code="INVALID", field="X-Cart-Token", token=token)

    def test_product_500_is_accepted_and_product_501_is_refused(self) -> None:
        products = make_products(MAX_ITEMS + 1)
        fill_wishlist(self.user, products[: MAX_ITEMS - 1])
        last, one_more = products[MAX_ITEMS - 1 :]
        for shopper in make_wishlist_shoppers(self.user):
            with self.subTest(shopper.api):
                assert shopper.save(last.pk).data["total"] == MAX_ITEMS
                refused = shopper.save(one_more.pk)
                assert (refused.code, refused.field) == ("TOO_LONG", "product_id")
                # A product that is on the full wishlist can be added again.
                assert list_ids(shopper.save(last.pk))[0] == last.pk
                assert shopper.unsave(last.pk).data["total"] == MAX_ITEMS - 1

    def test_limit_holds_for_guests(self) -> None:
        products = make_products(MAX_ITEMS + 1)
        for guest in make_wishlist_shoppers():
            with self.subTest(guest.api):
                guest.save(products[0].pk)
                cart = Cart.objects.latest("pk")
                WishlistItem.objects.bulk_create(
                    WishlistItem(cart=cart, product=product) for product in products[1:-1]
                )
                assert guest.wishlist().data["total"] == MAX_ITEMS
                assert guest.save(products[-1].pk).code == "TOO_LONG"
