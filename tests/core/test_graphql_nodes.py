"""Global ids, the queries `node` and `nodes`, and arguments that accept ids."""

from typing import Any

import pytest
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from backend.accounts.models import User
from backend.addresses.models import SavedAddress
from backend.carts.models import Cart, CartLine
from backend.core.graphql.node import MAX_NODES
from backend.core.identifiers import decode_global_id, encode_global_id
from backend.orders.models import Order, OrderLine
from backend.wishlists.models import WishlistItem
from tests.carts.factories import fill_cart, make_products
from tests.catalog.factories import make_category, make_image, make_product
from tests.support.clients import GraphQLClient
from tests.support.people import make_user, open_session_token
from tests.support.shopping import GraphQLShopper, RestShopper, order_and_refill

# Every type that implements Node, with its fields that are loaded with it.
NODES = """query($ids: [ID!]!) { nodes(ids: $ids) {
    __typename id
    ... on Product { databaseId name category { name } images { url } }
    ... on Category { databaseId name productCount ancestors { id } }
    ... on Order { number total contact { name } lines { product { images { url } } } history { status } }
    ... on OrderLine { sku quantity sold: product { name category { name } images { url } } }
    ... on Cart { totalQuantity lines { id } }
    ... on CartLine { quantity product { name images { url } } }
    ... on User { email }
    ... on SavedAddress { label isDefault }
    ... on Wishlist { totalCount items { nodes { addedAt } } }
} }"""
# The types whose objects only their owner sees.
PRIVATE = ("Cart", "CartLine", "User", "Order", "OrderLine", "Wishlist", "SavedAddress")
NODE = "query($id: ID!) { node(id: $id) { __typename id } }"


class EncodingTest(TestCase):
    def test_id_is_decoded_to_its_type_and_key(self) -> None:
        for type_name, key in [("Product", "6"), ("CartLine", "guest:6"), ("Order", str(2**63 - 1))]:
            text = encode_global_id(type_name, key)
            assert decode_global_id(text) == (type_name, key)
            assert not text.isdigit()

    def test_other_spellings_are_not_ids(self) -> None:
        text = encode_global_id("Product", 6)
        assert text == "UHJvZHVjdDo2"
        padded = encode_global_id("Product", 16)
        for other in (
            *("", "6", "Product:6", "é", "\0", "%%%", text[:-1], f"{text}=", f" {text}", f"{text}\n"),
            *(f"{padded}==", f"{padded}=", padded[:-1] + chr(ord(padded[-1]) + 1), text * 100),
        ):
            with self.subTest(other):
                assert decode_global_id(other) is None


class NodesTest(TestCase):
    """One object of each type, and another person's."""

    def setUp(self) -> None:
        kitchen = make_category("Kitchen")
        self.mugs = make_category("Mugs", kitchen)
        self.product = make_product("Mug", self.mugs, stock=1000)
        make_image(self.product)
        self.user = make_user()
        self.shopper = GraphQLShopper(self.user)
        self.number = order_and_refill(self.shopper, self.product.pk)
        WishlistItem.objects.create(user=self.user, product=self.product)
        SavedAddress.objects.create(user=self.user, is_default=True)

    def execute(self, shopper: GraphQLShopper, query: str, variables: dict[str, Any]) -> Any:
        body = GraphQLClient(shopper.client).post(query, variables, **shopper.headers).json()
        assert "errors" not in body, body
        return body["data"]

    def own_ids(self) -> dict[str, str]:
        """Return the id of an object of each type as the APIs return it."""
        data = self.execute(
            self.shopper,
            """query($number: String!, $product: ID) {
                product(id: $product) { id category { id } }
                cart { id lines { id } }
                wishlist { id }
                me { id addresses { id } order(number: $number) { id lines { id } } }
            }""",
            {"number": self.number, "product": str(self.product.pk)},
        )
        order = data["me"]["order"]
        return {
            "Product": data["product"]["id"],
            "Category": data["product"]["category"]["id"],
            "Cart": data["cart"]["id"],
            "CartLine": data["cart"]["lines"][0]["id"],
            "User": data["me"]["id"],
            "Order": order["id"],
            "OrderLine": order["lines"][0]["id"],
            "Wishlist": data["wishlist"]["id"],
            "SavedAddress": data["me"]["addresses"][0]["id"],
        }

    def test_every_type_is_refetched_by_its_id(self) -> None:
        ids = self.own_ids()
        assert len(set(ids.values())) == 9
        for type_name, id in ids.items():
            assert self.execute(self.shopper, NODE, {"id": id})["node"] == {"__typename": type_name, "id": id}
        nodes = self.execute(self.shopper, NODES, {"ids": list(ids.values())})["nodes"]
        assert [(node["__typename"], node["id"]) for node in nodes] == list(ids.items())
        product, category, cart, cart_line, user, order, order_line, wishlist, address = nodes
        assert (product["databaseId"], product["name"]) == (self.product.pk, "Mug")
        assert (category["databaseId"], category["productCount"]) == (self.mugs.pk, 1)
        assert (cart["totalQuantity"], cart_line["quantity"]) == (3, 3)
        assert cart["lines"] == [{"id": ids["CartLine"]}]
        assert user["email"] == self.user.email
        assert address["isDefault"]
        assert wishlist["totalCount"] == len(wishlist["items"]["nodes"]) == 1
        assert (order["number"], order["total"]) == (self.number, "20.00")
        assert (order_line["sku"], order_line["quantity"]) == (self.product.sku, 2)

    def test_database_id_is_the_id_in_rest(self) -> None:
        (listed,) = RestShopper().client.get("/products").json()["items"]
        nodes = self.execute(self.shopper, NODES, {"ids": list(self.own_ids().values())[:2]})["nodes"]
        assert [node["databaseId"] for node in nodes] == [listed["id"], listed["category"]["id"]]

    def test_objects_of_other_people_are_null(self) -> None:
        ids = self.own_ids()
        private = [ids[name] for name in PRIVATE]
        other = GraphQLShopper(make_user())
        other.add(self.product.pk)
        staff = GraphQLShopper(make_user(is_staff=True, is_superuser=True))
        guest = GraphQLShopper()
        guest.add(self.product.pk)
        for shopper in (other, staff, guest, GraphQLShopper()):
            assert self.execute(shopper, NODES, {"ids": private})["nodes"] == [None] * len(PRIVATE)
            for id in private:
                assert self.execute(shopper, NODE, {"id": id})["node"] is None

    def test_cart_of_a_guest_is_visible_to_the_holder_of_its_token_only(self) -> None:
        guest = GraphQLShopper()
        guest.add(self.product.pk, 7)
        (cart_id, line_id) = (
            encode_global_id("Cart", "guest"),
            encode_global_id("CartLine", f"guest:{self.product.pk}"),
        )
        quantities = {}
        for name, shopper in [
            ("holder", guest),
            ("other guest", GraphQLShopper()),
            ("account", self.shopper),
        ]:
            cart, line = self.execute(shopper, NODES, {"ids": [cart_id, line_id]})["nodes"]
            quantities[name] = (cart and cart["totalQuantity"], line and line["quantity"])
        assert quantities == {"holder": (7, 7), "other guest": (0, None), "account": (None, None)}

    def test_invalid_access_token_is_refused_only_for_objects_of_a_viewer(self) -> None:
        ids = self.own_ids()
        client = GraphQLClient()
        public = client.post(NODE, {"id": ids["Product"]}, Authorization="Bearer nonsense")
        assert public.json()["data"]["node"]["id"] == ids["Product"]
        for name in PRIVATE:
            refused = client.post(NODE, {"id": ids[name]}, Authorization="Bearer nonsense")
            assert refused.status_code == 401
            assert refused.json()["errors"][0]["extensions"]["code"] == "TOKEN_INVALID"

    def test_unpublished_product_is_null(self) -> None:
        ids = self.own_ids()
        self.product.is_published = False
        self.product.save()
        assert self.execute(self.shopper, NODE, {"id": ids["Product"]})["node"] is None

    def test_unknown_ids_are_null(self) -> None:
        unknown = [
            *("", "6", "nonsense", str(self.product.pk), "\0"),
            *(encode_global_id("Product", key) for key in ("0", "999999999", "9" * 30, "x", "6:6")),
            *(encode_global_id("Category", key) for key in ("0", "999999999", "x")),
            *(encode_global_id("Order", key) for key in ("0", "9" * 30, "x")),
            *(encode_global_id("CartLine", key) for key in ("0", "x", "guest", ":")),
            *(encode_global_id(name, "1") for name in ("Node", "Query", "Image", "ProductFilter", "Unknown")),
        ]
        nodes = self.execute(self.shopper, NODES, {"ids": unknown})["nodes"]
        assert nodes == [None] * len(unknown)
        for id in unknown:
            assert self.execute(self.shopper, NODE, {"id": id})["node"] is None

    def test_order_and_repetitions_are_kept(self) -> None:
        products = [product.global_id for product in make_products(5)]
        ids = [*products[::-1], "unknown", self.mugs.global_id, products[2], products[2]]
        nodes = self.execute(self.shopper, NODES, {"ids": ids})["nodes"]
        assert [node and node["id"] for node in nodes] == [None if id == "unknown" else id for id in ids]

    def test_number_of_ids_is_limited(self) -> None:
        ids = [product.global_id for product in make_products(MAX_NODES)]
        assert len(self.execute(self.shopper, NODES, {"ids": ids})["nodes"]) == MAX_NODES
        error = GraphQLClient().error(NODES, {"ids": [*ids, "unknown"]})
        assert (error["message"], error["extensions"]) == (
            "ids must have at most 100 items, not 101.",
            {"code": "TOO_LONG", "field": ["ids"]},
        )
        assert self.execute(self.shopper, NODES, {"ids": []})["nodes"] == []


class QueryCountTest(TestCase):
    """`nodes` takes the same number of queries for one object and for many."""

    def setUp(self) -> None:
        self.user = make_user()
        self.token = open_session_token(self.user)

    def count_queries(self, ids: list[str]) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            body = GraphQLClient().post(NODES, {"ids": ids}, Authorization=f"Bearer {self.token}").json()
        assert "errors" not in body, body
        assert None not in body["data"]["nodes"]
        assert len(body["data"]["nodes"]) == len(ids)
        return len(queries)

    def assert_constant(self, ids: list[str], expected: int) -> None:
        counts = (self.count_queries(ids[:1]), self.count_queries(ids))
        assert counts == (expected, expected)

    def test_products(self) -> None:
        products = [make_product(category=make_category(f"C{number}")) for number in range(10)]
        for product in products:
            make_image(product)
        self.assert_constant([product.global_id for product in products], 1)

    def test_categories(self) -> None:
        categories = [make_category("Root")]
        for number in range(9):
            categories.append(make_category(f"C{number}", categories[-1]))
        # The categories with their paths, and another query for the product counts.
        self.assert_constant([category.global_id for category in categories[::-1]], 2)

    def test_orders_and_their_lines(self) -> None:
        products = make_products(3)
        shopper = GraphQLShopper(self.user)
        for _ in range(4):
            for product in products:
                make_image(product)
                shopper.add(product.pk)
            assert shopper.order().code is None
        orders = [order.global_id for order in Order.objects.all()]
        lines = [line.global_id for line in OrderLine.objects.all()]
        assert (len(orders), len(lines)) == (4, 12)
        # The viewer, the orders, their lines, the pictures and the history.
        self.assert_constant(orders, 5)
        # The viewer, the lines and the pictures.
        self.assert_constant(lines, 3)

    def test_cart_lines(self) -> None:
        products = make_products(10)
        fill_cart(self.user, dict.fromkeys(products, 1))
        lines = [encode_global_id("CartLine", f"{self.user.pk}:{product.pk}") for product in products]
        # The viewer, and the lines with their products.
        self.assert_constant([*lines, encode_global_id("Cart", self.user.pk)], 2)

    def test_ids_take_no_query(self) -> None:
        make_products(10)
        with CaptureQueriesContext(connection) as without:
            GraphQLClient().data("{ products { nodes { name } } }")
        with CaptureQueriesContext(connection) as with_ids:
            GraphQLClient().data("{ products { nodes { name id databaseId } } }")
        assert len(with_ids) == len(without)


class CartIdTest(TestCase):
    """A client that watches the cart sees every change of it under one id."""

    CART = "cart { id lines { id quantity } token }"

    def setUp(self) -> None:
        self.products = make_products(2)

    def ids(self, shopper: GraphQLShopper) -> list[str]:
        """Return the id of the cart in the response of every operation."""
        first, second = (product.pk for product in self.products)
        seen = []
        for operation in (
            f"{{ {self.CART} }}",
            f"mutation {{ payload: cartLinesAdd(lines: [{{productId: {first}}}]) {{ {self.CART} }} }}",
            f"{{ {self.CART} }}",
            f"mutation {{ payload: cartLinesAdd(lines: [{{productId: {second}}}]) {{ {self.CART} }} }}",
            f"mutation {{ payload: cartLinesUpdate(lines: [{{productId: {first}, quantity: 5}}])"
            f" {{ {self.CART} }} }}",
            f"mutation {{ payload: cartLinesRemove(productIds: [{first}]) {{ {self.CART} }} }}",
            f"mutation {{ payload: cartClear {{ {self.CART} }} }}",
            f"{{ {self.CART} }}",
        ):
            body = GraphQLClient(shopper.client).post(operation, **shopper.headers).json()
            cart = (body["data"].get("payload") or body["data"])["cart"]
            shopper.cart_token = cart["token"] or shopper.cart_token
            seen.append(cart["id"])
        return seen

    def test_cart_of_an_account_keeps_its_id(self) -> None:
        user = make_user()
        shopper = GraphQLShopper(user)
        ids = self.ids(shopper)
        Cart.objects.all().delete()
        shopper.add(self.products[0].pk)
        assert shopper.order().code is None
        assert {*ids, *self.ids(shopper)} == {encode_global_id("Cart", user.pk)}
        assert self.ids(GraphQLShopper(make_user()))[0] != ids[0]

    def test_cart_of_a_guest_keeps_its_id_before_and_after_the_token(self) -> None:
        shopper = GraphQLShopper()
        ids = self.ids(shopper)
        assert shopper.cart_token is not None
        Cart.objects.all().delete()
        assert len({*ids, *self.ids(shopper)}) == 1

    def test_line_keeps_its_id_when_the_product_is_added_again(self) -> None:
        shopper = GraphQLShopper(make_user())
        query = (
            f"mutation {{ cartLinesAdd(lines: [{{productId: {self.products[0].pk}}}]) {{ {self.CART} }} }}"
        )

        def add() -> str:
            body = GraphQLClient(shopper.client).post(query, **shopper.headers).json()
            return str(body["data"]["cartLinesAdd"]["cart"]["lines"][0]["id"])

        first = add()
        row = CartLine.objects.get().pk
        shopper.clear()
        assert add() == first
        assert CartLine.objects.get().pk != row

    def test_login_changes_the_id(self) -> None:
        guest = GraphQLShopper()
        (before,) = set(self.ids(guest))
        (after,) = set(self.ids(GraphQLShopper(make_user(), guest.cart_token)))
        assert before != after


class ArgumentsTest(TestCase):
    """Arguments accept the global id and the primary key, and refuse ids of other types."""

    def setUp(self) -> None:
        self.category = make_category("Mugs")
        self.product = make_product("Mug", self.category)
        self.client_ = GraphQLClient()

    def test_queries_accept_both_forms(self) -> None:
        for id in (str(self.product.pk), self.product.global_id):
            found = self.client_.data("query($id: ID) { product(id: $id) { name } }", {"id": id})
            assert found["product"] == {"name": "Mug"}
        for id in (str(self.category.pk), self.category.global_id):
            found = self.client_.data(
                "query($id: ID) { category(id: $id) { name } products(category: $id) { totalCount } }",
                {"id": id},
            )
            assert found == {"category": {"name": "Mugs"}, "products": {"totalCount": 1}}

    def test_mutations_accept_both_forms(self) -> None:
        shopper = GraphQLShopper()
        for id in (str(self.product.pk), self.product.pk, self.product.global_id):
            shopper.add(id)
        assert shopper.set(self.product.global_id, 2).data["total_quantity"] == 2
        assert shopper.remove(self.product.global_id).data["total_quantity"] == 0

    def test_warnings_have_the_id_of_the_product(self) -> None:
        user = make_user()
        fill_cart(user, {self.product: 999})
        shopper = GraphQLShopper(user)
        body = GraphQLClient(shopper.client).post(
            "{ cart { warnings { productId } lines { product { id } } } }", **shopper.headers
        )
        cart = body.json()["data"]["cart"]
        assert cart["warnings"] == [{"productId": cart["lines"][0]["product"]["id"]}]

    def test_id_of_another_type_is_refused_by_queries(self) -> None:
        for query, field, id, message in [
            (
                "product(id: $id)",
                "id",
                self.category.global_id,
                "id must be an id of type Product, not of type Category.",
            ),
            (
                "category(id: $id)",
                "id",
                self.product.global_id,
                "id must be an id of type Category, not of type Product.",
            ),
            (
                "products(category: $id)",
                "category",
                self.product.global_id,
                "category must be an id of type Category, not of type Product.",
            ),
        ]:
            with self.subTest(query):
                error = self.client_.error(f"query($id: ID) {{ {query} {{ __typename }} }}", {"id": id})
                assert (error["message"], error["extensions"]) == (
                    message,
                    {"code": "INVALID", "field": [field]},
                )

    def test_id_of_another_type_is_refused_by_mutations(self) -> None:
        message = "productId must be an id of type Product, not of type Category."
        shopper = GraphQLShopper()
        good, bad = {"productId": self.product.global_id}, {"productId": self.category.global_id}
        for mutation, kind, line in [
            ("cartLinesAdd", "CartLineInput", {}),
            ("cartLinesUpdate", "CartLineUpdateInput", {"quantity": 1}),
        ]:
            payload = self.client_.data(
                f"mutation($lines: [{kind}!]!) {{ "
                f"{mutation}(lines: $lines) {{ errors {{ code message field }} }} }}",
                {"lines": [good | line, bad | line]},
            )[mutation]
            assert payload["errors"] == [
                {"code": "INVALID", "message": message, "field": ["lines", "1", "productId"]}
            ]
        payload = self.client_.data(
            "mutation($ids: [ID!]!) { cartLinesRemove(productIds: $ids) { errors { code message field } } }",
            {"ids": [self.product.global_id, self.category.global_id]},
        )["cartLinesRemove"]
        assert payload["errors"] == [
            {
                "code": "INVALID",
                "message": "productIds must be an id of type Product, not of type Category.",
                "field": ["productIds", "1"],
            }
        ]
        assert shopper.cart().data["lines"] == []


@pytest.mark.django_db
def test_ids_of_different_types_with_the_same_key_differ() -> None:
    user = User.objects.create(pk=6, email="six@example.com")
    product = make_product(pk=6)
    category = make_category("Six")
    category.pk = 6
    assert len({user.global_id, product.global_id, category.global_id}) == 3
