"""Concurrent edits of the related products of a product keep to their limit."""

from typing import Any
from unittest import mock

from django.http import HttpResponse
from django.test import Client, TransactionTestCase

from backend.accounts.models import User
from backend.recommendations.models import MAX_RELATED_PRODUCTS, RelatedProduct
from tests.catalog.admin.pages import Form
from tests.catalog.factories import make_product
from tests.concurrency.actors import MAX_SECONDS, Actor


class LimitTest(TransactionTestCase):
    def setUp(self) -> None:
        self.product = make_product()
        self.path = f"/admin/catalog/product/{self.product.pk}/change/"
        boss = User.objects.create_superuser(email="boss@shop.example")
        self.clients = [Client(), Client()]
        for client in self.clients:
            client.force_login(boss)

    def fill_in(self, client: Client) -> dict[str, Any]:
        """Open the page and return its data with the maximum of new related products."""
        page = Form(client.get(self.path).content.decode(), "product_form").data
        for number in range(MAX_RELATED_PRODUCTS):
            page[f"related_products-{number}-related"] = make_product().pk
            page[f"related_products-{number}-position"] = number
        return page | {"related_products-TOTAL_FORMS": MAX_RELATED_PRODUCTS}

    def edit_at_once(self, waits: bool) -> HttpResponse:
        """Save two pages that were opened at the same time. Return the response to the second."""
        pages = [self.fill_in(client) for client in self.clients]
        with Actor() as first, Actor() as second:
            saved = first.do(self.clients[0].post, self.path, pages[0])
            assert saved.status_code == 302
            answer = second.start(self.clients[1].post, self.path, pages[1])
            assert answer.done() is not waits
            first.commit()
            response: HttpResponse = answer.result(MAX_SECONDS)
            second.commit()
        return response

    def test_second_edit_is_refused(self) -> None:
        response = self.edit_at_once(waits=True)
        self.assertContains(response, "at most 20 related products, not 40")
        assert RelatedProduct.objects.count() == MAX_RELATED_PRODUCTS

    def test_without_the_lock_both_are_saved(self) -> None:
        with mock.patch("backend.catalog.admin.products.lock_products"):
            response = self.edit_at_once(waits=False)
        assert response.status_code == 302
        assert RelatedProduct.objects.count() == 2 * MAX_RELATED_PRODUCTS
