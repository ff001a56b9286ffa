"""Query counts of wishlists, which do not depend on the number of items."""

from django.test import TestCase

from tests.carts.factories import make_products
from tests.catalog.factories import make_category, make_image
from tests.orders.test_query_counts import count_queries
from tests.support.people import make_user
from tests.wishlists.factories import fill_wishlist
from tests.wishlists.shoppers import make_wishlist_shoppers


class QueryCountsTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.products = make_products(101, category=make_category("Clothes"))
        for product in cls.products[:5]:
            make_image(product)

    def test_wishlist_of_1_and_100_products(self) -> None:
        for items in (1, 100):
            user = make_user()
            fill_wishlist(user, self.products[:items])
            for shopper in make_wishlist_shoppers(user):
                with self.subTest(items=items, api=shopper.api):
                    assert count_queries(lambda: shopper.wishlist(limit=100)) == 3  # noqa: B023

    def test_changes_of_a_wishlist_of_1_and_100_products(self) -> None:
        for items in (1, 100):
            for number in range(2):
                user = make_user()
                fill_wishlist(user, self.products[:items])
                shopper = make_wishlist_shoppers(user)[number]
                with self.subTest(items=items, api=shopper.api):
                    assert count_queries(lambda: shopper.save(self.products[-1].pk)) == 9  # noqa: B023
                    assert count_queries(lambda: shopper.unsave(self.products[-1].pk)) == 6  # noqa: B023
