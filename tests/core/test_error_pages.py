"""Errors outside the REST API: pages for browsers, problem documents for API clients."""

from unittest import mock

from django.conf import settings
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client, TestCase, override_settings

from backend.accounts.models import User

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
CLIENTS = ({}, {"Accept": "*/*"}, {"Accept": "application/json"}, {"Accept": "text/html;q=0, */*"})


class ErrorPagesTest(TestCase):
    def open(self, path: str, status: int, *texts: str, language: str = "en") -> HttpResponse:
        """Open a page in a browser, and check its status and texts."""
        response = self.client.get(path, headers=BROWSER | {"Accept-Language": language})
        assert response.status_code == status
        self.assert_page(response, *texts)
        return response

    def assert_page(self, response: HttpResponse, *texts: str) -> None:
        assert response["Content-Type"] == "text/html; charset=utf-8"
        assert response["Content-Length"] == str(len(response.content))
        assert response["Cache-Control"] == "no-store"
        assert {"Accept", "Accept-Language"} <= set(response["Vary"].split(", "))
        page = response.content.decode()
        for text in texts:
            assert text in page
        # The policy allows the style sheet, and nothing inline.
        assert "style-src 'self';" in response["Content-Security-Policy"]
        assert "<style" not in page
        assert " style=" not in page
        assert "<script" not in page

    def log_in(self, language: str) -> None:
        clerk = User.objects.create_user(email="clerk@shop.example", is_staff=True, language=language)
        self.client.force_login(clerk)

    @override_settings(STOREFRONT_URL="https://shop.example")
    def test_unknown_url_leads_back_to_the_shop_in_the_language_of_the_browser(self) -> None:
        link = 'href="https://shop.example"'
        self.open("/nope", 404, '<html lang="en">', "This URL does not exist.", link, "Back to the shop")
        self.open("/nope", 404, '<html lang="ru">', "Не найдено", link, "Вернуться в магазин", language="ru")

    def test_unknown_url_of_the_admin_leads_back_in_the_language_of_the_account(self) -> None:
        self.log_in("ru")
        self.open("/admin/nope/", 404, '<html lang="ru">', 'href="/admin/"', "Вернуться в админку")

    def test_forbidden_page_of_the_admin_leads_back(self) -> None:
        self.log_in("ru")
        response = self.open("/admin/catalog/product/", 403, "Доступ запрещён", 'href="/admin/"')
        assert "403 Forbidden" not in response.content.decode()

    def test_form_without_a_csrf_token_gets_a_page(self) -> None:
        response = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "a"}, headers=BROWSER)
        assert response.status_code == 403
        self.assert_page(response, "The form has expired", "CSRF", 'href="/admin/"')

    def test_failed_database_gets_a_page(self) -> None:
        self.log_in("en")
        failure = OperationalError("the server is not running")
        with (
            self.assertLogs(level="WARNING"),
            mock.patch("backend.orders.admin.dashboard.read_daily_sales", side_effect=failure),
        ):
            self.client.raise_request_exception = False
            User.objects.update(is_superuser=True)
            response = self.open("/admin/", 503, "Service Unavailable", f'href="{settings.STOREFRONT_URL}"')
        assert response["Retry-After"] == "5"

    def test_bug_shows_the_id_of_the_request(self) -> None:
        self.log_in("en")
        User.objects.update(is_superuser=True)
        self.client.raise_request_exception = False
        with (
            self.assertLogs(level="ERROR"),
            mock.patch("backend.orders.admin.dashboard.read_daily_sales", side_effect=ZeroDivisionError),
        ):
            response = self.open("/admin/", 500, "An internal error occurred.")
        assert response["X-Request-ID"] in response.content.decode()

    def test_api_clients_get_problem_documents(self) -> None:
        self.log_in("en")
        for headers in CLIENTS:
            for path, status in (("/nope", 404), ("/admin/nope/", 404), ("/admin/catalog/product/", 403)):
                with self.subTest(path, headers=headers):
                    response = self.client.get(path, headers=headers)
                    assert (response.status_code, response["Content-Type"]) == (
                        status,
                        "application/problem+json",
                    )
                    assert response.json()["status"] == status
                    assert "Accept" in response["Vary"].split(", ")

    def test_routes_of_the_rest_api_send_problem_documents_to_browsers_too(self) -> None:
        for path, status in (("/product?id=999999", 404), ("/products?limit=x", 422)):
            response = self.client.get(path, headers=BROWSER)
            assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")

    def test_head_has_no_content(self) -> None:
        response = self.client.head("/nope", headers=BROWSER)
        assert (response.status_code, response.content) == (404, b"")
