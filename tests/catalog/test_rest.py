"""REST endpoints of the catalogue: values, caching and documentation."""

from decimal import Decimal
from unittest import mock

from django.contrib.auth import get_user_model
from django.test import TestCase, override_settings

from tests.catalog.factories import make_category, make_image, make_product
from tests.support.clients import RestClient


class ProductsTest(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.category = make_category("Dresses", make_category("Clothes"))
        cls.product = make_product(
            "dress", cls.category, {"Color": "red", "Weight (g)": "250"}, price="28.90"
        )
        make_image(cls.product, alt="front")

    def setUp(self) -> None:
        self.rest = RestClient()

    def test_compare_at_price_is_null_without_a_sale(self) -> None:
        for compare_at_price, expected in [(None, None), (Decimal("34.5"), "34.50")]:
            self.product.compare_at_price = compare_at_price
            self.product.save()
            card = self.rest.get("/product", {"slug": self.product.slug}).json()
            (item,) = self.rest.get("/products").json()["items"]
            assert [card["compare_at_price"], item["compare_at_price"]] == [expected, expected]

    def test_product_card_has_all_fields(self) -> None:
        # The product, the path of its category, the ids of the recommendations, their products with those
        # that staff have chosen, and best sellers since these are short.
        with self.assertNumQueries(5):
            card = self.rest.get("/product", {"slug": self.product.slug}).json()
        assert card["price"] == "28.90"
        assert [part["name"] for part in card["category_path"]] == ["Clothes", "Dresses"]
        assert card["image"] == card["images"][0]
        assert card["characteristics"] == [
            {"name": "Color", "value": "red", "unit": ""},
            {"name": "Weight", "value": "250", "unit": "g"},
        ]

    def test_list_of_any_size_takes_two_queries(self) -> None:
        for _ in range(2):
            with self.assertNumQueries(2):
                assert self.rest.post("/products", {"limit": 100}).json()["items"]
            for number in range(20):
                make_image(make_product("dress", self.category, {"Color": str(number)}))

    def test_characteristic_accepts_a_value_or_a_list(self) -> None:
        for values in ("red", ["red"], ["red", "blue"]):
            body = self.rest.post("/products", {"characteristics": {"Color": values}}).json()
            assert body["total"] == 1
        problem = self.rest.get("/products", {"characteristics": "Color"}).json()
        assert (problem["code"], problem["field"]) == ("INVALID", "characteristics")

    def test_all_validation_errors_are_reported_together(self) -> None:
        problem = self.rest.post("/products", {"limit": "x", "price_min": "y"}).json()
        assert [error["field"] for error in problem["errors"]] == ["price_min", "limit"]
        assert problem["field"] == "price_min"

    def test_body_is_optional(self) -> None:
        response = self.client.generic("POST", "/products")
        assert response.json()["total"] == 1

    def test_response_is_revalidated_by_etag(self) -> None:
        for path in ("/products", f"/product?id={self.product.pk}", "/categories"):
            with self.subTest(path):
                first = self.rest.get(path)
                assert "must-revalidate" in first["Cache-Control"]
                again = self.rest.get(path, **{"If-None-Match": first["ETag"]})
                assert (again.status_code, again.content) == (304, b"")

    def test_changed_price_is_visible_immediately(self) -> None:
        before = self.rest.get("/products")
        self.product.price = 1
        self.product.save()
        after = self.rest.get("/products", **{"If-None-Match": before["ETag"]})
        assert after.json()["items"][0]["price"] == "1.00"

    def test_slug_of_digits_takes_precedence_over_an_id(self) -> None:
        make_product("calendar", make_category("2024", slug="2024"))
        assert self.rest.post("/products", {"category": "2024"}).json()["total"] == 1
        assert self.rest.get("/products", {"category": self.category.pk}).json()["total"] == 1
        assert self.rest.post("/products", {"category": float(self.category.pk)}).json()["total"] == 1
        assert self.rest.post("/products", {"category": 2**70}).json()["code"] == "NOT_FOUND"
        assert self.rest.post("/products", {"category": True}).json()["code"] == "INVALID"

    def test_unknown_parameter_is_refused(self) -> None:
        problem = self.rest.get("/products", {"price_mim": "3"}).json()
        assert (problem["code"], problem["field"]) == ("INVALID", "price_mim")

    def test_unknown_url_is_a_problem(self) -> None:
        for path in (
            "/prodcuts",
            "/media/nothing.jpg",
            "/media/" + "x" * 300,
            "/media/../.env",
            "/media/%00",
        ):
            with self.subTest(path[:30]):
                response = self.rest.get(path)
                assert response.status_code == 404
                assert response["Content-Type"] == "application/problem+json"

    def test_picture_with_a_digest_in_its_name_is_immutable(self) -> None:
        stored = self.product.images.get().file
        for name, kept in [
            ("products/dress-0123456789ab.png", "public, max-age=31536000, immutable"),
            ("renditions/products/dress-0123456789ab.png.160.webp", "public, max-age=31536000, immutable"),
            (stored.name, "public, max-age=3600"),
        ]:
            with self.subTest(name):
                if name != stored.name:
                    stored.storage.save(name, stored.file)
                    self.addCleanup(stored.storage.delete, name)
                response = self.client.get(f"/media/{name}")
                assert (response.status_code, response["Cache-Control"]) == (200, kept)
                assert response["X-Content-Type-Options"] == "nosniff"
                assert response["Content-Type"] == f"image/{name.rpartition('.')[2]}"
                assert b"".join(response)[1:4] == b"PNG"

    def test_head_has_the_headers_of_get(self) -> None:
        for path in ("/products", "/categories", self.product.images.get().file.url):
            with self.subTest(path):
                get, head = self.client.get(path), self.client.head(path)
                assert (head.status_code, b"".join(head)) == (200, b"")
                assert head["Content-Length"] == get["Content-Length"]
        assert self.client.head("/nothing").status_code == 404

    def test_error_names_the_parameter_that_was_passed(self) -> None:
        for name in ("id", "slug", "sku"):
            assert self.rest.get("/product", {name: ""}).json()["field"] == name

    def test_invalid_category_is_refused(self) -> None:
        for category in (1.5, True, [], {}):
            problem = self.rest.post("/products", {"category": category}).json()
            assert (problem["code"], problem["field"]) == ("INVALID", "category")


class DocumentationTest(TestCase):
    def setUp(self) -> None:
        users = get_user_model().objects
        self.customer = users.create_user("customer@example.com", "secret")
        self.staff = users.create_user("staff@example.com", "secret", is_staff=True)

    def statuses(self, permission: str) -> list[int]:
        """Send the requests of a guest, a customer and a member of staff."""
        found = []
        for user in (None, self.customer, self.staff):
            if user:
                self.client.force_login(user)
            with override_settings(SWAGGER_PERMISSION=permission):
                docs, document = self.client.get("/docs"), self.client.get("/openapi.json")
            assert docs.status_code == document.status_code
            found.append(docs.status_code)
        self.client.logout()
        return found

    def test_swagger_permission_is_enforced(self) -> None:
        assert self.statuses("ALL") == [200, 200, 200]
        assert self.statuses("AUTHENTICATED") == [401, 200, 200]
        assert self.statuses("STAFF") == [401, 403, 200]
        assert self.statuses("NONE") == [404, 404, 404]

    def test_document_is_generated_once(self) -> None:
        self.client.get("/openapi.json")
        with mock.patch("ninja.main.get_schema") as generate:
            assert self.client.get("/openapi.json").status_code == 200
        generate.assert_not_called()

    def test_document_lists_every_route_with_its_problems(self) -> None:
        document = self.client.get("/openapi.json").json()
        catalogue = {"/products", "/product", "/brand", "/categories"}
        recommendations = {"/recommendations", "/recommendations/click"}
        accounts = {
            f"/auth/{name}" for name in ("register", "confirm", "resend", "login", "refresh", "logout")
        }
        carts = {"/cart", "/cart/promo-code", "/wishlist"}
        orders = {"/order", "/order/cancel", "/orders", "/addresses", "/addresses/default"}
        assert set(document["paths"]) == catalogue | recommendations | accounts | carts | orders
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                with self.subTest(path=path, method=method):
                    # Routes without parameters cannot refuse one.
                    assert {"422", "401"} & operation["responses"].keys()
                    assert operation["summary"]
