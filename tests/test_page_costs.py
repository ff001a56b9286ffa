"""The queries of a storefront's pages stay far below the cost limit, and worse ones are refused."""

from django.conf import settings
from django.test import TestCase

from backend.accounts.models import User
from backend.carts.models import Cart, CartLine
from backend.catalog.models import Category
from backend.orders.models import Order, OrderLine
from backend.recommendations.models import Recommendation
from tests.catalog.factories import make_category, make_product
from tests.clients import GraphQLClient
from tests.people import access_token_of, make_user

IMAGE = "image { url alt width height thumbnail(size: 400) srcset }"
PRODUCT = f"""id sku slug name description price currency category {{ id name slug }} {IMAGE}
    characteristics {{ name value unit }} inStock availableQuantity"""
LIST = f"""{{ products(first: 50, sortBy: PRICE_ASC) {{
    nodes {{ {PRODUCT} }} totalCount pageInfo {{ hasNextPage endCursor }}
    facets {{ characteristics {{ name unit values {{ value count }} }} priceMin priceMax
        categories {{ category {{ id name slug }} count }} }} }} }}"""
CARD = f"""query($id: ID) {{ product(id: $id) {{ {PRODUCT} images {{ url alt width height srcset }}
    category {{ ancestors {{ id name slug }} }}
    similar(first: 20) {{ {PRODUCT} }} boughtTogether(first: 20) {{ {PRODUCT} }} }} }}"""
TREE = "{ categories { ...node children { ...node children { ...node children { ...node } } } } } "
TREE += f"fragment node on Category {{ id name slug productCount {IMAGE} }}"
CART = f"""{{ cart {{ lines {{ product {{ {PRODUCT} }} quantity unitPrice lineTotal isAvailable }}
    totalQuantity total currency warnings {{ code message productId }} suggestions {{ {PRODUCT} }} }} }}"""
ORDERS = """{ me { orders(first: 50) { nodes { number status total currency placedAt isCancellable comment
    contact { name phone } deliveryAddress { line1 line2 city postalCode country }
    lines { sku name unitPrice quantity lineTotal } history { status changedAt } } } } }"""
# What each page may cost at most, of the limit.
SHARE = 0.5


class PageCostsTest(TestCase):
    def assert_affordable(
        self, query: str, variables: dict[str, str] | None = None, *, user: User | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {access_token_of(user)}"} if user else {}
        body = GraphQLClient().post(query, variables, **headers).json()
        self.assertNotIn("errors", body)
        self.assertLess(body["extensions"]["cost"]["requested"], SHARE * settings.GRAPHQL_MAX_COST)

    def test_a_list_with_facets(self) -> None:
        category = make_category("Clothes")
        for number in range(50):
            make_product(category=category, characteristics={f"Property {n}": str(number) for n in range(10)})
        self.assert_affordable(LIST)

    def test_a_card_with_both_recommendation_lists(self) -> None:
        category = make_category("Clothes")
        products = [make_product(category=category) for _ in range(21)]
        Recommendation.objects.bulk_create(
            Recommendation(kind=kind, subject_id=products[0].pk, other=other, score=1)
            for kind in Recommendation.Kind
            for other in products[1:]
        )
        self.assert_affordable(CARD, {"id": str(products[0].pk)})

    def test_a_tree_of_a_thousand_categories(self) -> None:
        with Category.objects.disable_mptt_updates():
            Category.objects.bulk_create(
                Category(name=f"Category {n}", slug=f"category-{n}", lft=0, rght=0, tree_id=0, level=0)
                for n in range(1000)
            )
        Category.objects.rebuild()
        self.assert_affordable(TREE)

    def test_a_cart_of_two_hundred_lines(self) -> None:
        user = make_user()
        cart = Cart.objects.create(user=user)
        category = make_category("Clothes")
        CartLine.objects.bulk_create(
            CartLine(cart=cart, product=product, quantity=1, price_seen=1, name_seen=product.name)
            for product in (make_product(category=category) for _ in range(200))
        )
        self.assert_affordable(CART, user=user)

    def test_a_page_of_orders(self) -> None:
        user = make_user()
        for number in range(50):
            order = Order.objects.create(number=str(number), user=user, total=10, currency="RUB")
            OrderLine.objects.bulk_create(
                OrderLine(order=order, sku=f"{n}", name="Dress", unit_price=1, quantity=1, line_total=1)
                for n in range(10)
            )
        self.assert_affordable(ORDERS, user=user)


class RefusedQueriesTest(TestCase):
    def assert_too_complex(self, query: str) -> None:
        self.assertEqual(GraphQLClient().error(query)["extensions"]["code"], "TOO_COMPLEX")

    def test_recommendations_of_recommendations(self) -> None:
        inner = f"similar(first: 50) {{ {PRODUCT} }}"
        self.assert_too_complex(
            f"{{ products(first: 20) {{ nodes {{ similar(first: 50) {{ {inner} }} }} }} }}"
        )

    def test_aliases_of_a_large_page(self) -> None:
        page = f"products(first: 100) {{ nodes {{ {PRODUCT} }} }}"
        self.assert_too_complex("{" + " ".join(f"p{n}: {page}" for n in range(25)) + "}")

    def test_a_walk_up_and_down_the_tree(self) -> None:
        root = make_category("Root")
        for number in range(40):
            make_category(f"Child {number}", parent=root)
        self.assert_too_complex(
            "{ categories { " + "children { parent { " * 3 + "children { id name }" + " } }" * 3 + " } }"
        )
