"""Messages of both APIs in Russian and English, and the catalogue of translations."""

import ast
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from unittest import mock

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.db import IntegrityError, OperationalError
from django.http import HttpResponse
from django.test import Client, SimpleTestCase, TestCase, override_settings
from django.utils import timezone
from django.utils.translation import get_language, gettext
from pydantic import BaseModel, Field, ValidationError

from backend.accounts.models import User
from backend.accounts.services.sessions import log_in
from backend.addresses.delivery import COUNTRY
from backend.catalog.models import Product
from backend.core.errors import ErrorCode, RateLimited
from backend.core.rest import api as rest_api
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order
from tests.accounts.cases import clear_redis
from tests.carts.factories import fill_cart, make_promo_code
from tests.catalog.factories import make_category, make_product
from tests.orders.factories import make_order
from tests.support.clients import GraphQLClient, RestClient
from tests.support.people import make_user, open_session_token
from tests.support.shopping import GraphQLShopper, RestShopper, Shopper

PASSWORD = "correct horse battery"
_numbers = count(1)
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
LOCALE_DIR = settings.LOCALE_PATHS[0] / "ru" / "LC_MESSAGES"

# Codes of requests that only a wrong client sends. Their messages belong to GraphQL or to a protocol.
DEVELOPER_CODES = {
    ErrorCode.METHOD_NOT_ALLOWED,
    ErrorCode.TOO_COMPLEX,
    ErrorCode.PERSISTED_QUERY_NOT_FOUND,
    ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED,
}

Send = Callable[[Shopper], object]


class RecordingClient(Client):
    """A client that keeps its last response."""

    last: HttpResponse

    def request(self, **request: Any) -> HttpResponse:
        self.last = super().request(**request)
        return self.last


def as_user(**fields: Any) -> Callable[[Send], Send]:
    """Decorate a case whose shopper has an account."""

    def decorate(send: Send) -> Send:
        def send_as_user(shopper: Shopper) -> object:
            shopper.access_token = open_session_token(make_user(**fields))
            return send(shopper)

        return send_as_user

    return decorate


def get_user(shopper: Shopper) -> User:
    return User.objects.latest("pk")


def post(shopper: Shopper, query: str, path: str, body: Any, **headers: str) -> None:
    """Send a GraphQL operation or a REST request."""
    headers = shopper.headers | headers
    if shopper.api == "GraphQL":
        GraphQLClient(shopper.client).post(query, **headers)
    else:
        RestClient(shopper.client).post(path, body, **headers)


def list_products(shopper: Shopper, arguments: str = "", **body: Any) -> None:
    post(shopper, f"{{ products{arguments} {{ totalCount }} }}", "/products", body)


def register(shopper: Shopper, email: str, password: str) -> None:
    values = f"email: {json.dumps(email)}, password: {json.dumps(password)}"
    query = f"mutation {{ accountRegister(input: {{{values}}}) {{ errors {{ code message }} }} }}"
    post(shopper, query, "/auth/register", {"email": email, "password": password})


def log_in_with(shopper: Shopper, email: str = "nobody@example.com", password: str = "wrong") -> None:
    values = f'email: "{email}", password: "{password}"'
    query = f"mutation {{ tokenCreate(input: {{{values}}}) {{ errors {{ code message }} }} }}"
    post(shopper, query, "/auth/login", {"email": email, "password": password})


def confirm(shopper: Shopper) -> None:
    values = 'email: "a@example.com", code: "000000"'
    query = f"mutation {{ accountConfirm(input: {{{values}}}) {{ errors {{ code message }} }} }}"
    post(shopper, query, "/auth/confirm", {"email": "a@example.com", "code": "000000"})


def send_raw(shopper: Shopper, body: bytes, content_type: str = "application/json") -> None:
    path = "/graphql" if shopper.api == "GraphQL" else "/auth/login"
    shopper.client.post(path, body, content_type=content_type)


def exceed_request_limit(shopper: Shopper) -> None:
    with override_settings(RATE_LIMIT_PER_ADDRESS=1):
        for _ in range(3):
            shopper.cart()


def send_expired_token(shopper: Shopper) -> None:
    user = make_user(password=PASSWORD)
    with mock.patch("backend.accounts.tokens.datetime") as clock:
        clock.now.return_value = datetime.now(UTC) - timedelta(hours=1)
        shopper.access_token = log_in(email=user.email, password=PASSWORD, address="192.0.2.1").access_token
    shopper.cart()


def send_invalid_token(shopper: Shopper) -> None:
    shopper.access_token = "invalid"
    shopper.cart()


def delete_as_staff(shopper: Shopper) -> None:
    query = f'mutation {{ accountDelete(input: {{password: "{PASSWORD}"}}) {{ errors {{ code message }} }} }}'
    with override_settings(SWAGGER_PERMISSION="STAFF"):
        if shopper.api == "GraphQL":
            post(shopper, query, "", None)
        else:
            # REST has no route of its own that is forbidden.
            User.objects.update(is_staff=False)
            shopper.client.get("/docs", headers=shopper.headers)


def cancel_as_guest(shopper: Shopper) -> None:
    shopper.cancel("1-00000000")


def fail_with(error: Exception, target: str) -> Send:
    def send(shopper: Shopper) -> None:
        with mock.patch(target, side_effect=error):
            list_products(shopper)

    return send


def lose_race(shopper: Shopper) -> None:
    error = IntegrityError("the product has been deleted")
    error.__cause__ = Exception()
    error.__cause__.pgcode = "23503"  # type: ignore[attr-defined]
    with mock.patch("backend.carts.services.lock_or_create_cart", side_effect=error):
        shopper.add(make_product().pk)


def order_unpublished(shopper: Shopper) -> None:
    product = make_product()
    fill_cart(get_user(shopper), {product: 1})
    Product.objects.filter(pk=product.pk).update(is_published=False)
    shopper.order()


def order_with_wrong_total(shopper: Shopper) -> None:
    fill_cart(get_user(shopper), {make_product(price=Decimal(5)): 1})
    shopper.order({"expected_total": "1.00"})


def reuse_key(shopper: Shopper) -> None:
    fill_cart(get_user(shopper), {make_product(): 1})
    shopper.order(key="key")
    shopper.order({"comment": "other"}, key="key")


def cancel_delivered(shopper: Shopper) -> None:
    order = make_order(get_user(shopper))
    Order.objects.filter(pk=order.pk).update(status=Order.Status.DELIVERED)
    shopper.cancel(order.number)


def apply_code(**fields: Any) -> Send:
    def send(shopper: Shopper) -> None:
        shopper.add(make_product(price=Decimal(5)).pk)
        shopper.apply_code(make_promo_code(**fields).code)

    return send


def apply_unknown_code(shopper: Shopper) -> None:
    shopper.add(make_product().pk)
    shopper.apply_code("NONE")


def apply_code_of_other_category(shopper: Shopper) -> None:
    shopper.add(make_product().pk)
    shopper.apply_code(make_promo_code("", make_category(f"Empty {next(_numbers)}")).code)


CASES: dict[ErrorCode, Send] = {
    ErrorCode.MALFORMED: lambda shopper: send_raw(shopper, b"{"),
    ErrorCode.INVALID: lambda shopper: register(shopper, "not an address", PASSWORD),
    ErrorCode.OUT_OF_RANGE: lambda shopper: shopper.add(make_product().pk, 0),
    ErrorCode.TOO_LONG: lambda shopper: register(shopper, f"{'a' * 300}@example.com", PASSWORD),
    ErrorCode.INVALID_CURSOR: lambda shopper: list_products(shopper, '(after: "x")', cursor="x"),
    ErrorCode.NOT_FOUND: lambda shopper: shopper.add(0),
    ErrorCode.UNAUTHENTICATED: cancel_as_guest,
    ErrorCode.FORBIDDEN: as_user(is_staff=True, password=PASSWORD)(delete_as_staff),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: lambda shopper: send_raw(shopper, b"a=1", "text/plain"),
    ErrorCode.TOO_LARGE: lambda shopper: send_raw(shopper, b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)),
    ErrorCode.RATE_LIMITED: exceed_request_limit,
    ErrorCode.TOKEN_INVALID: send_invalid_token,
    ErrorCode.TOKEN_EXPIRED: send_expired_token,
    ErrorCode.WRONG_CREDENTIALS: log_in_with,
    ErrorCode.WRONG_CODE: confirm,
    ErrorCode.WEAK_PASSWORD: lambda shopper: register(shopper, "a@example.com", "1234"),
    ErrorCode.CONFLICT: lose_race,
    ErrorCode.OUT_OF_STOCK: lambda shopper: shopper.add(make_product(stock=0).pk),
    ErrorCode.NO_LONGER_SOLD: as_user()(order_unpublished),
    ErrorCode.CART_EMPTY: as_user()(lambda shopper: shopper.order()),
    ErrorCode.TOTAL_CHANGED: as_user()(order_with_wrong_total),
    ErrorCode.IDEMPOTENCY_KEY_REUSED: as_user()(reuse_key),
    ErrorCode.ORDER_STATUS: as_user()(cancel_delivered),
    ErrorCode.PROMO_CODE_NOT_FOUND: apply_unknown_code,
    ErrorCode.PROMO_CODE_EXPIRED: apply_code(ends_at=timezone.now() - timedelta(days=1)),
    ErrorCode.PROMO_CODE_USED_UP: apply_code(max_uses=1, uses=1),
    ErrorCode.PROMO_CODE_MINIMUM_TOTAL: apply_code(minimum_total=Decimal(1000)),
    ErrorCode.PROMO_CODE_NOT_APPLICABLE: apply_code_of_other_category,
    ErrorCode.UNAVAILABLE: fail_with(OperationalError("down"), "backend.catalog.selectors.list_products"),
    ErrorCode.INTERNAL: fail_with(RuntimeError("bug"), "backend.catalog.selectors.list_products"),
}


def read_error(response: HttpResponse) -> tuple[str, str]:
    """Return the code and the message of a refusal of either API."""
    # A shopper may have changed the parsed body.
    body = json.loads(response.content)
    if response["Content-Type"] == "application/problem+json":
        assert (body["code"], body["detail"]) == tuple(body["errors"][0][name] for name in ("code", "detail"))
        return body["code"], body["detail"]
    if "errors" in body:
        error = body["errors"][0]
        return error["extensions"]["code"], error["message"]
    (payload,) = body["data"].values()
    return payload["errors"][0]["code"], payload["errors"][0]["message"]


class MessageTest(TestCase):
    def send(self, shopper_class: type[Shopper], send: Send, **headers: str) -> HttpResponse:
        clear_redis()
        shopper = shopper_class()
        client = RecordingClient(raise_request_exception=False)
        client.defaults |= shopper.client.defaults | headers
        shopper.client = client
        with mute_logs():
            send(shopper)
        return client.last

    def test_cases_cover_all_codes(self) -> None:
        assert CASES.keys() | DEVELOPER_CODES == set(ErrorCode)
        assert not CASES.keys() & DEVELOPER_CODES

    def test_messages_are_in_the_language_of_the_request(self) -> None:
        for code, send in CASES.items():
            for shopper_class in (GraphQLShopper, RestShopper):
                responses = {
                    header: self.send(
                        shopper_class, send, **({"HTTP_ACCEPT_LANGUAGE": header} if header else {})
                    )
                    for header in ("", "en-GB", "ru-RU,ru;q=0.9,en;q=0.8")
                }
                with self.subTest(code, api=shopper_class.api):
                    for header, response in responses.items():
                        found, message = read_error(response)
                        language = "ru" if header.startswith("ru") else "en"
                        assert found == code, (header, message)
                        assert bool(CYRILLIC.search(message)) == (language == "ru"), message
                        assert "%(" not in message
                        assert response["Content-Language"] == language
                        assert "Accept-Language" in response["Vary"]
                        assert response["Cache-Control"] == "no-store"
                    assert len({response.status_code for response in responses.values()}) == 1
                    if shopper_class is RestShopper:
                        title = responses["ru-RU,ru;q=0.9,en;q=0.8"].json()["title"]
                        assert CYRILLIC.search(title)

    def test_language_of_the_account_precedes_that_of_the_browser(self) -> None:
        for preference, header, expected in (
            ("ru", "en", "ru"),
            ("en", "ru", "en"),
            ("", "ru", "ru"),
            ("", "en", "en"),
        ):
            for shopper_class in (GraphQLShopper, RestShopper):
                with self.subTest(preference, header=header, api=shopper_class.api):
                    send = as_user(language=preference)(lambda shopper: shopper.order())
                    response = self.send(shopper_class, send, HTTP_ACCEPT_LANGUAGE=header)
                    assert response["Content-Language"] == expected
                    assert bool(CYRILLIC.search(read_error(response)[1])) == (expected == "ru")

    def test_default_language_is_a_setting(self) -> None:
        with override_settings(DEFAULT_LANGUAGE="ru"):
            for shopper_class in (GraphQLShopper, RestShopper):
                response = self.send(shopper_class, CASES[ErrorCode.NOT_FOUND])
                assert response["Content-Language"] == "ru"

    def test_warnings_of_carts_are_translated(self) -> None:
        for shopper_class in (GraphQLShopper, RestShopper):
            for language, expected in (
                (
                    "en",
                    [
                        "“Sock”: 1 in stock, 2 requested.",
                        "The price of “Sock” has changed from 5.00 to 6.00.",
                    ],
                ),
                (
                    "ru",
                    [
                        "Товар «Sock»: в наличии 1 шт., а нужно 2.",
                        "Цена товара «Sock» изменилась: было 5.00, стало 6.00.",
                    ],
                ),
            ):

                def read_cart(shopper: Shopper) -> None:
                    product = make_product("Sock", price=Decimal(5))
                    fill_cart(get_user(shopper), {product: 2})
                    Product.objects.filter(pk=product.pk).update(stock=1, price=Decimal(6))
                    shopper.cart()

                response = self.send(shopper_class, as_user()(read_cart), HTTP_ACCEPT_LANGUAGE=language)
                body = json.loads(response.content)
                cart = body["data"]["cart"] if "data" in body else body
                assert [warning["message"] for warning in cart["warnings"]] == expected
                assert response["Content-Language"] == language

    def test_parameters_of_messages_are_translated(self) -> None:
        headers = {"Accept-Language": "ru"}
        for query, expected in (
            ({"price_min": "-1"}, "Минимальная цена: укажите значение от 0 до 9999999999.99."),
            ({"price_max": "1.001"}, "Максимальная цена: не больше двух знаков после запятой."),
        ):
            response = self.client.get("/products", query, headers=headers)
            assert response.json()["detail"] == expected
        shopper = RestShopper()
        shopper.add(make_product().pk)
        body = {"contact": {"name": "", "phone": ""}, "delivery_address": {"line1": "", "country": ""}}
        response = RestClient(shopper.client).post("/order", body, **shopper.headers, **headers)
        details = {error["field"]: error["detail"] for error in response.json()["errors"]}
        assert details == {
            "email": "Чтобы оформить заказ без учётной записи, укажите электронную почту или войдите.",
            "contact.name": "Заполните поле «имя».",
            "contact.phone": "Заполните поле «телефон».",
            "delivery_address.line1": "Заполните поле «улица и дом».",
            "delivery_address.country": "Заполните поле «страна».",
        }

    def test_messages_of_validators_are_translated(self) -> None:
        for path, body, expected in (
            ("/cart", {"product_id": []}, "Идентификатор должен быть целым числом или строкой."),
            ("/products", {"category": []}, "category: нужен идентификатор или слаг."),
        ):
            response = RestClient(self.client).post(path, body, **{"Accept-Language": "ru"})
            assert response.json()["detail"] == expected

    def test_plurals_are_those_of_russian(self) -> None:
        for seconds, text in (
            (1, "через 1 секунду"),
            (2, "через 2 секунды"),
            (5, "через 5 секунд"),
            (21, "через 21 секунду"),
        ):
            with mock.patch("backend.catalog.selectors.list_products", side_effect=RateLimited(seconds)):
                response = self.client.get("/products", headers={"Accept-Language": "ru"})
            assert response.json()["detail"].endswith(f"{text}.")

    def test_responses_without_messages_name_no_language(self) -> None:
        make_product()
        for response in (
            self.client.get("/products", headers={"Accept-Language": "ru"}),
            self.client.get(
                "/graphql", {"query": "{ products { totalCount } }"}, headers={"Accept-Language": "ru"}
            ),
        ):
            assert response.status_code == 200
            assert "Content-Language" not in response
            assert "Accept-Language" not in response["Vary"]

    def test_language_is_chosen_only_for_messages(self) -> None:
        make_product()
        path = "backend.core.request_language.choose_language"
        with mock.patch(path, return_value="en") as choose, override_settings(CATALOG_CACHE_SECONDS=30):
            for _ in range(2):
                self.client.get("/products", headers={"Accept-Language": "ru"})
            assert choose.call_count == 0
            self.client.get("/product", {"slug": "none"}, headers={"Accept-Language": "ru"})
            assert choose.call_count > 0

    def test_no_language_stays_active(self) -> None:
        self.client.get("/product", {"slug": "none"}, headers={"Accept-Language": "ru"})
        assert get_language() == "en"

    def test_pydantic_messages_are_translated(self) -> None:
        class Model(BaseModel):
            number: int = Field(ge=1)

        for value in (0, "x", None, 1.5):
            with self.assertRaises(ValidationError) as raised:
                Model.model_validate({"number": value})
            (problem,) = raised.exception.errors()
            assert rest_api._describe_invalid_input(dict(problem)) == problem["msg"]
        response = RestClient(self.client).post("/cart", {"quantity": "x"}, **{"Accept-Language": "ru"})
        for error in response.json()["errors"]:
            assert CYRILLIC.search(error["detail"]), error


@contextmanager
def mute_logs() -> Iterator[None]:
    with mock.patch("sys.stderr", io.StringIO()), mock.patch("logging.Logger.handle"):
        yield


class AccountTest(TestCase):
    REGISTER = "mutation($input: RegisterInput!) { accountRegister(input: $input) { errors { code } } }"
    UPDATE = """mutation($input: AccountInput!) {
        accountUpdate(input: $input) { user { language } errors { code } }
    }"""

    def setUp(self) -> None:
        clear_redis()

    def test_registration_stores_the_language_of_the_browser(self) -> None:
        for number, (header, chosen, expected) in enumerate(
            (
                ("ru", None, "ru"),
                ("en", None, "en"),
                ("de", None, "en"),
                ("en", "ru", "ru"),
                ("ru", "en", "en"),
            )
        ):
            for api in ("GraphQL", "REST"):
                clear_redis()
                email = f"{api.lower()}{number}@example.com"
                fields = {"email": email, "password": PASSWORD} | ({"language": chosen} if chosen else {})
                if api == "GraphQL":
                    GraphQLClient().post(self.REGISTER, {"input": fields}, **{"Accept-Language": header})
                else:
                    RestClient().post("/auth/register", fields, **{"Accept-Language": header})
                assert User.objects.get(email=email).language == expected
                assert OutgoingEmail.objects.get(recipient=email).language == expected

    def test_language_of_the_account_can_be_changed_and_reset(self) -> None:
        user = make_user(language="en")
        headers = {"Authorization": f"Bearer {open_session_token(user)}"}
        for fields, expected in (
            ({"language": "ru"}, "ru"),
            ({"name": "Vera"}, "ru"),
            ({"language": None}, None),
            ({"name": None}, None),
            ({"language": "en"}, "en"),
        ):
            response = GraphQLClient().post(self.UPDATE, {"input": fields}, **headers)
            assert response.json()["data"]["accountUpdate"] == {"user": {"language": expected}, "errors": []}
        for language in ("", "de"):
            response = GraphQLClient().post(self.UPDATE, {"input": {"language": language}}, **headers)
            assert response.json()["data"]["accountUpdate"]["errors"] == [{"code": "INVALID"}]
        user.refresh_from_db()
        assert (user.language, user.name) == ("en", "Vera")

    def test_mails_follow_the_account_and_then_the_default(self) -> None:
        for language, default, expected in (
            ("ru", "en", "ru"),
            ("en", "ru", "en"),
            ("", "ru", "ru"),
            ("", "en", "en"),
        ):
            with override_settings(DEFAULT_LANGUAGE=default):
                user = make_user(language=language)
                make_order(user)
                assert OutgoingEmail.objects.get(recipient=user.email).language == expected


class AdminTest(TestCase):
    def read(self, language: str, header: str) -> HttpResponse:
        self.client.force_login(
            User.objects.create_superuser(f"boss-{language}@{header}.example", language=language)
        )
        return self.client.get("/admin/orders/order/", headers={"Accept-Language": header})

    def test_language_of_the_account_precedes_that_of_the_browser(self) -> None:
        for language, header, expected in (
            ("ru", "en", "ru"),
            ("en", "ru", "en"),
            ("", "ru", "ru"),
            ("", "de", "en"),
        ):
            response = self.read(language, header)
            assert response["Content-Language"] == expected
            assert "Accept-Language" in response["Vary"]
            self.assertContains(response, "Заказы" if expected == "ru" else "Orders")
            assert get_language() == "en"

    def test_login_page_has_the_language_of_the_browser(self) -> None:
        for header, text in (("ru", "Пароль"), ("en", "Password"), ("de", "Password")):
            self.assertContains(self.client.get("/admin/login/", headers={"Accept-Language": header}), text)

    def test_refusals_of_services_are_in_the_language_of_the_page(self) -> None:
        self.read("ru", "en")
        order = make_order()
        url = f"/admin/orders/order/{order.pk}/status/"
        response = self.client.post(url, {"status": "delivered"}, follow=True)
        self.assertContains(response, "Заказ в статусе «оформлен» нельзя перевести в статус «доставлен».")


PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[srd%]")


class CatalogueTest(SimpleTestCase):
    """`make generated` checks that the catalogue has the texts of the code, and no others."""

    def test_translations_are_complete(self) -> None:
        with (LOCALE_DIR / "django.po").open("rb") as file:
            catalogue = read_po(file, locale="ru", abort_invalid=True)
        assert not catalogue.obsolete
        assert len(catalogue) > 300
        for message in catalogue:
            if not message.id:
                continue
            with self.subTest(message.id):
                assert not message.fuzzy
                forms = message.string if isinstance(message.string, tuple) else (message.string,)
                text = message.id if isinstance(message.id, str) else message.id[-1]
                assert len(forms) == (1 if isinstance(message.id, str) else catalogue.num_plurals)
                for form in forms:
                    assert form.strip()
                    assert sorted(PLACEHOLDER.findall(form)) == sorted(PLACEHOLDER.findall(text))
                    if message.context != COUNTRY:
                        assert form[-1] in ".?!:…" or text[-1] not in ".?!:…"
                    assert form.startswith(" ") == text.startswith(" ")

    def test_no_message_is_in_an_f_string(self) -> None:
        """Babel does not find calls in them."""
        names = {"_", "gettext", "ngettext", "pgettext", "gettext_lazy", "ngettext_lazy", "pgettext_lazy"}
        for path in (settings.LOCALE_PATHS[0].parent).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    calls = {
                        getattr(inner.func, "id", "")
                        for inner in ast.walk(node)
                        if isinstance(inner, ast.Call)
                    }
                    assert not calls & names, path

    def test_compiled_catalogue_is_up_to_date(self) -> None:
        compiled = io.BytesIO()
        with (LOCALE_DIR / "django.po").open("rb") as file:
            write_mo(compiled, read_po(file, locale="ru"))
        assert compiled.getvalue() == (LOCALE_DIR / "django.mo").read_bytes()

    def test_english_is_the_text_of_the_code(self) -> None:
        assert gettext("The cart is empty.") == "The cart is empty."
