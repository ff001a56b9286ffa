"""The admin of brands."""

from typing import Any

from backend.catalog.models import Brand
from tests.catalog.admin.pages import AdminCase
from tests.catalog.factories import make_brand, make_product

ADD = "/admin/catalog/brand/add/"
NEW = {"name": "Acme", "slug": "", "description": "", "seo_title": "", "seo_description": ""}


class BrandAdminTest(AdminCase):
    def path(self, brand: Brand, page: str = "change") -> str:
        return f"/admin/catalog/brand/{brand.pk}/{page}/"

    def post_new(self, **fields: Any) -> Any:
        return self.client.post(ADD, NEW | fields)

    def test_brand_is_added_and_changed(self) -> None:
        self.assert_saved(self.post_new(name=" Acme  Tea ", description="Since 1900.", seo_title="x" * 255))
        brand = Brand.objects.get()
        assert (brand.name, brand.slug, brand.description) == ("Acme Tea", "acme-tea", "Since 1900.")
        page = self.form(self.path(brand), "brand_form")
        self.assert_saved(
            self.client.post(self.path(brand), page | {"slug": "acme", "seo_description": "Tea"})
        )
        brand.refresh_from_db()
        assert (brand.slug, brand.seo_description, brand.seo_title) == ("acme", "Tea", "x" * 255)

    def test_longest_texts_are_accepted(self) -> None:
        for field, length in (
            ("name", 255),
            ("slug", 255),
            ("seo_title", 255),
            ("seo_description", 500),
            ("description", 20_000),
        ):
            with self.subTest(field):
                Brand.objects.all().delete()
                self.assert_saved(self.post_new(**{field: "x" * length}))
                assert getattr(Brand.objects.get(), field) == "x" * length

    def test_invalid_input_is_refused(self) -> None:
        make_brand("Acme", slug="taken")
        for field, value, message in (
            ("name", "", "required"),
            ("name", "x" * 256, "at most 255 characters"),
            ("name", "a\0b", "Null characters"),
            ("slug", "taken", "already exists"),
            ("slug", "x" * 256, "at most 255 characters"),
            ("slug", "чай", "Enter a valid “slug”"),
            ("seo_title", "x" * 256, "at most 255 characters"),
            ("seo_description", "x" * 501, "at most 500 characters"),
            ("description", "x" * 20_001, "at most 20000 characters"),
        ):
            with self.subTest(field, value=value[:9]):
                errors = self.errors(self.post_new(**{"name": "Other", field: value}))
                assert message in "".join(errors[field]), errors
        assert "Another brand has this name." in str(self.errors(self.post_new(name="ACME")))
        assert Brand.objects.count() == 1

    def test_brand_with_products_is_not_deleted(self) -> None:
        used, unused = make_brand("Used"), make_brand("Unused")
        make_product(brand=used)
        self.assertContains(self.client.get(self.path(used, "delete")), "has 1 product")
        for brand in (used, unused):
            self.client.post(self.path(brand, "delete"), {"post": "yes"})
        assert Brand.objects.get() == used

    def test_brands_are_found_by_name(self) -> None:
        make_brand("Acme")
        make_brand("Zen")
        page = self.client.get("/admin/catalog/brand/", {"q": "acm"})
        assert [brand.name for brand in page.context["cl"].result_list] == ["Acme"]
