"""Queries of storefront pages cost less than half of the limit, and excessive queries are refused."""

from django.conf import settings
from django.test import TestCase, override_settings

from backend.accounts.models import User
from backend.carts.models import Cart, CartLine
from backend.catalog.models import Category
from backend.orders.models import Order, OrderLine
from backend.recommendations.models import Recommendation
from tests.catalog.factories import make_category, make_product
from tests.support import shopping
from tests.support.clients import GraphQLClient
from tests.support.people import make_user, open_session_token
from tests.wishlists.factories import fill_wishlist

IMAGE = "image { url alt width height thumbnail(size: 400) srcset }"
PRODUCT = f"{shopping.PRODUCT} image {{ thumbnail(size: 400) }}"
LIST = f"""{{ products(first: 50, sortBy: PRICE_ASC) {{
    nodes {{ {PRODUCT} }} totalCount pageInfo {{ hasNextPage endCursor }}
    facets {{ characteristics {{ name unit values {{ value count }} }} priceMin priceMax
        categories {{ category {{ id name slug }} count }} }} }} }}"""
CARD = f"""query($id: ID) {{ product(id: $id) {{ {PRODUCT} images {{ url alt width height srcset }}
    category {{ ancestors {{ id name slug }} }}
    similar(first: 20) {{ {PRODUCT} }} boughtTogether(first: 20) {{ {PRODUCT} }} }} }}"""
TREE = "{ categories { ...node children { ...node children { ...node children { ...node } } } } } "
TREE += f"fragment node on Category {{ id name slug productCount {IMAGE} }}"
CART = f"""{{ cart {{ lines {{ product {{ {PRODUCT} }} quantity unitPrice lineTotal discount isAvailable }}
    totalQuantity subtotal discount total promoCode currency warnings {{ code message productId }}
    suggestions {{ {PRODUCT} }} }} }}"""
ORDERS = """{ me { orders(first: 50) { nodes { number status subtotal discount total promoCode currency
    placedAt isCancellable comment trackingNumber trackingUrl contact { name phone phoneAsTyped }
    deliveryAddress { line1 line2 city postalCode country }
    lines { sku name unitPrice quantity cancelledQuantity lineTotal discount }
    history { status changedAt } } } } }"""
WISHLIST = (
    f"{{ wishlist {{ items(first: 100) {{ nodes {{ product {{ {PRODUCT} }} addedAt }} }} totalCount }} }}"
)
# Maximum cost of a page as a share of the limit.
SHARE = 0.5


class PageCostsTest(TestCase):
    def assert_affordable(
        self, query: str, variables: dict[str, str] | None = None, *, user: User | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {open_session_token(user)}"} if user else {}
        body = GraphQLClient().post(query, variables, **headers).json()
        assert "errors" not in body
        assert body["extensions"]["cost"]["requested"] < SHARE * settings.GRAPHQL_MAX_COST

    def test_list_with_facets_is_affordable(self) -> None:
        category = make_category("Clothes")
        for number in range(50):
            make_product(category=category, characteristics={f"Property {n}": str(number) for n in range(10)})
        self.assert_affordable(LIST)

    def test_card_with_both_recommendation_lists_is_affordable(self) -> None:
        category = make_category("Clothes")
        products = [make_product(category=category) for _ in range(21)]
        Recommendation.objects.bulk_create(
            Recommendation(kind=kind, subject_id=products[0].pk, other=other, score=1)
            for kind in Recommendation.Kind
            for other in products[1:]
        )
        self.assert_affordable(CARD, {"id": str(products[0].pk)})

    def test_tree_of_a_thousand_categories_is_affordable(self) -> None:
        with Category.objects.disable_mptt_updates():
            Category.objects.bulk_create(
                Category(name=f"Category {n}", slug=f"category-{n}", lft=0, rght=0, tree_id=0, level=0)
                for n in range(1000)
            )
        Category.objects.rebuild()
        self.assert_affordable(TREE)

    def test_cart_of_two_hundred_lines_is_affordable(self) -> None:
        user = make_user()
        cart = Cart.objects.create(user=user)
        category = make_category("Clothes")
        CartLine.objects.bulk_create(
            CartLine(cart=cart, product=product, quantity=1, price_seen=1, name_seen=product.name)
            for product in (make_product(category=category) for _ in range(200))
        )
        self.assert_affordable(CART, user=user)

    def test_page_of_a_wishlist_is_affordable(self) -> None:
        user = make_user()
        category = make_category("Clothes")
        fill_wishlist(user, [make_product(category=category) for _ in range(100)])
        self.assert_affordable(WISHLIST, user=user)

    def test_page_of_orders_is_affordable(self) -> None:
        user = make_user()
        for number in range(50):
            order = Order.objects.create(number=str(number), user=user, total=10, currency="RUB")
            OrderLine.objects.bulk_create(
                OrderLine(order=order, sku=f"{n}", name="Dress", unit_price=1, quantity=1, line_total=1)
                for n in range(10)
            )
        self.assert_affordable(ORDERS, user=user)


class FilterCostsTest(TestCase):
    """Filters and facets are charged for the time that PostgreSQL needs for them."""

    def cost(self, products: str) -> int:
        body = GraphQLClient().post(f"{{ {products} }}").json()
        assert "errors" not in body
        cost: int = body["extensions"]["cost"]["requested"]
        return cost

    def test_search_and_characteristics_are_charged(self) -> None:
        make_product(name="Dress", characteristics={"Color": "red", "Size": "S"})
        color, size = '{name: "Color", values: ["red"]}', '{name: "Size", values: ["S"]}'
        plain = self.cost("products { totalCount }")
        assert self.cost('products(filter: {search: "dress"}) { totalCount }') == plain + 7500
        for filters, count in ((color, 1), (f"{color}, {size}", 2)):
            charged = self.cost(f"products(filter: {{characteristics: [{filters}]}}) {{ totalCount }}")
            assert charged == plain + count * 1250

    def test_search_beyond_the_limit_is_not_run(self) -> None:
        query = '{ products(filter: {search: "dress"}) { totalCount } }'
        cost = 1_700 + 500 + 7_500
        with override_settings(GRAPHQL_MAX_COST=cost):
            GraphQLClient().data(query)
        with override_settings(GRAPHQL_MAX_COST=cost - 1), self.assertNumQueries(0):
            error = GraphQLClient().error(query)
        assert error["extensions"]["code"] == "TOO_COMPLEX"

    def test_four_lists_with_facets_are_accepted_and_five_are_refused(self) -> None:
        def lists(count: int) -> str:
            page = "products(first: 1) { facets { priceMin } }"
            return "{" + " ".join(f"p{n}: {page}" for n in range(count)) + "}"

        GraphQLClient().data(lists(4))
        with self.assertNumQueries(0):
            error = GraphQLClient().error(lists(5))
        assert error["extensions"]["code"] == "TOO_COMPLEX"


class ExpensiveQueriesTest(TestCase):
    """Expensive queries are accepted up to the cost limit and refused beyond it."""

    def assert_limited(self, accepted: str, refused: str, *, user: User | None = None) -> None:
        headers = {"Authorization": f"Bearer {open_session_token(user)}"} if user else {}
        body = GraphQLClient().post(accepted, **headers).json()
        assert "errors" not in body
        cost = body["extensions"]["cost"]
        assert cost["requested"] > 0.6 * cost["maximum"]
        (error,) = GraphQLClient().post(refused, **headers).json()["errors"]
        assert error["extensions"]["code"] == "TOO_COMPLEX"

    def test_nested_recommendations_are_limited(self) -> None:
        def nested(count: int) -> str:
            lists = f"similar(first: {count}) {{ boughtTogether(first: 20) {{ {PRODUCT} }} }}"
            return f"{{ products(first: 1) {{ nodes {{ {lists} }} }} }}"

        self.assert_limited(nested(35), nested(50))

    def test_nested_recommendations_of_a_cart_are_limited(self) -> None:
        user = make_user()
        cart = Cart.objects.create(user=user)
        product = make_product(category=make_category("Clothes"))
        CartLine.objects.create(cart=cart, product=product, quantity=1, price_seen=1, name_seen="Dress")

        def nested(count: int) -> str:
            lists = f"similar(first: 50) {{ similar(first: {count}) {{ {PRODUCT} }} }}"
            return f"{{ cart {{ lines {{ product {{ {lists} }} }} }} }}"

        self.assert_limited(nested(14), nested(50), user=user)

    def test_aliases_of_a_large_page_are_limited(self) -> None:
        def aliased(count: int) -> str:
            page = f"products(first: 100) {{ nodes {{ {PRODUCT} }} }}"
            return "{" + " ".join(f"p{n}: {page}" for n in range(count)) + "}"

        self.assert_limited(aliased(7), aliased(15))

    def test_aliases_at_every_level_are_limited(self) -> None:
        def aliased(count: int) -> str:
            product = PRODUCT.replace("id: ", "")
            nodes = " ".join(f"n{n}: nodes {{ {product} }}" for n in range(5))
            return "{" + " ".join(f"p{n}: products(first: 50) {{ {nodes} }}" for n in range(count)) + "}"

        self.assert_limited(aliased(4), aliased(7))

    def test_aliases_of_renditions_are_limited(self) -> None:
        def aliased(count: int) -> str:
            names = " ".join(f"a{n}: srcset" for n in range(count))
            lists = f"similar(first: 6) {{ image {{ {names} }} }}"
            return f"{{ products(first: 100) {{ nodes {{ {lists} }} }} }}"

        self.assert_limited(aliased(8), aliased(15))

    def test_lists_with_search_and_facets_are_limited(self) -> None:
        def aliased(count: int) -> str:
            page = 'products(filter: {search: "dress"}) { totalCount facets { priceMin } }'
            return "{" + " ".join(f"p{n}: {page}" for n in range(count)) + "}"

        self.assert_limited(aliased(2), aliased(3))

    def test_alternating_parents_and_children_are_limited(self) -> None:
        root = make_category("Root")
        for number in range(40):
            make_category(f"Child {number}", parent=root)

        def walk(selected: str) -> str:
            return "{ categories { " + "children { parent { " * 2 + selected + " } }" * 2 + " } }"

        self.assert_limited(walk(_aliased_names(22)), walk("children { id name }"))

    def test_long_descriptions_are_limited(self) -> None:
        category = make_category("Clothes")
        for _ in range(30):
            make_product(category=category, description="ы" * 20_000)

        def page(aliases: int) -> str:
            names = " ".join(f"d{n}: description" for n in range(aliases))
            return f"{{ products(first: 30) {{ nodes {{ {names} }} }} }}"

        assert len(GraphQLClient().data(page(1))["products"]["nodes"]) == 30
        assert GraphQLClient().error(page(2))["extensions"]["code"] == "TOO_COMPLEX"


def _aliased_names(count: int) -> str:
    return " ".join(f"a{n}: name" for n in range(count))
