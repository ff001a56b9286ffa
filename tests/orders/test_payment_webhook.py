"""The webhook of payment providers, called as the sandbox provider does."""

import hashlib
import hmac
import re
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, SimpleTestCase, TestCase, override_settings

from backend.core.errors import Forbidden, Malformed
from backend.notifications.models import OutgoingEmail
from backend.orders.models import Order, Payment
from backend.orders.payments.providers import PaymentNotice
from backend.orders.payments.signatures import MAX_AGE_SECONDS
from backend.orders.payments.views import MAX_BODY_BYTES
from backend.orders.services import change_order_status
from tests.orders.factories import make_order
from tests.support.people import make_user
from tests.support.sandbox_payments import SECRET, SETTINGS, make_notice, sign

URL = "/payments/sandbox"


@override_settings(**SETTINGS)
class PaymentWebhookTest(TestCase):
    def setUp(self) -> None:
        self.order = make_order(make_user("vera@example.com"))
        self.client = Client(enforce_csrf_checks=True)
        self.client.raise_request_exception = False

    def send(self, body: bytes, headers: dict[str, str] | None = None, url: str = URL) -> Any:
        signed = sign(body) if headers is None else headers
        return self.client.post(url, body, content_type="application/json", headers=signed)

    def notice(self, **fields: Any) -> bytes:
        return make_notice(self.order.number, **{"amount": str(self.order.total)} | fields)

    def status(self) -> str:
        return Order.objects.get(pk=self.order.pk).status

    def assert_refused(self, response: Any, status: int, code: str) -> None:
        assert (response.status_code, response.json()["code"]) == (status, code), response.content
        assert response["Content-Type"] == "application/problem+json"
        assert self.status() == "placed"
        assert not Payment.objects.exists()

    def test_signed_notice_pays_the_order_once(self) -> None:
        body = self.notice()
        for _ in range(2):
            response = self.send(body)
            assert (response.status_code, response.json()) == (200, {"status": "recorded"})
        payment = Payment.objects.get()
        assert (payment.order, payment.provider, payment.reference) == (self.order, "sandbox", "pay-1")
        assert self.status() == "paid"
        assert OutgoingEmail.objects.filter(context__status="paid").count() == 1

    def test_replayed_request_changes_nothing(self) -> None:
        body = self.notice()
        headers = sign(body)
        self.send(body, headers)
        before = list(Payment.objects.values())
        assert self.send(body, headers).status_code == 200
        assert list(Payment.objects.values()) == before

    def test_notice_about_something_else_is_ignored(self) -> None:
        response = self.send(self.notice(type="payment.pending"))
        assert (response.status_code, response.json()) == (200, {"status": "ignored"})
        assert self.status() == "placed"
        assert not Payment.objects.exists()

    def test_unaccepted_payments_are_recorded_so_that_the_provider_stops(self) -> None:
        assert self.send(self.notice(amount="0.01")).json() == {"status": "recorded"}
        change_order_status(
            order_id=self.order.pk, status="cancelled", changed_by=make_user(is_staff=True).pk
        )
        assert self.send(self.notice(reference="pay-2")).json() == {"status": "recorded"}
        assert list(Payment.objects.values_list("status", flat=True)) == ["wrong_amount", "order_cancelled"]
        assert self.status() == "cancelled"

    def test_missing_and_wrong_signatures_are_refused(self) -> None:
        body = self.notice()
        good = sign(body)
        for name, headers in (
            ("none", {}),
            ("no signature", {"X-Sandbox-Timestamp": good["X-Sandbox-Timestamp"]}),
            ("no timestamp", {"X-Sandbox-Signature": good["X-Sandbox-Signature"]}),
            ("other body", sign(body + b" ")),
            ("other secret", sign(body, secret="another secret")),
            ("other time", good | {"X-Sandbox-Timestamp": str(int(time.time()) - 1)}),
            ("upper case", good | {"X-Sandbox-Signature": good["X-Sandbox-Signature"].upper()}),
            ("not ASCII", good | {"X-Sandbox-Signature": "é" * 64}),
        ):
            with self.subTest(name):
                self.assert_refused(self.send(body, headers), 403, "FORBIDDEN")

    def test_timestamp_is_limited_in_both_directions(self) -> None:
        body = self.notice()
        for age in (MAX_AGE_SECONDS + 2, -MAX_AGE_SECONDS - 2):
            with self.subTest(age):
                self.assert_refused(self.send(body, sign(body, age=age)), 403, "FORBIDDEN")
        for number, age in enumerate((MAX_AGE_SECONDS - 5, 5 - MAX_AGE_SECONDS)):
            body = self.notice(reference=f"pay-{number}")
            assert self.send(body, sign(body, age=age)).status_code == 200

    def test_malformed_timestamps_are_refused(self) -> None:
        body = self.notice()
        for timestamp in ("", "now", "1e9", "-1", "9" * 5000, "١٢٣"):
            message = timestamp.encode() + b"." + body
            key = SETTINGS["PAYMENT_SECRETS"]["sandbox"].encode()
            signature = hmac.new(key, message, hashlib.sha256).hexdigest()
            headers = {"X-Sandbox-Timestamp": timestamp, "X-Sandbox-Signature": signature}
            with self.subTest(timestamp[:9]):
                self.assert_refused(self.send(body, headers), 403, "FORBIDDEN")

    def test_malformed_bodies_are_refused(self) -> None:
        for body in (b"", b"{", b"[]", b"1", b"\xff", b"{}", self.notice(amount="ten"), b"[" * 60_000):
            with self.subTest(body[:20]):
                self.assert_refused(self.send(body), 400, "MALFORMED")

    def test_invalid_notices_are_refused(self) -> None:
        for status, code, body in (
            (404, "NOT_FOUND", make_notice("1-0", "1")),
            (422, "OUT_OF_RANGE", self.notice(amount="-1")),
            (422, "INVALID", self.notice(reference="")),
            (422, "INVALID", self.notice(currency="?")),
        ):
            with self.subTest(code):
                self.assert_refused(self.send(body), status, code)

    def test_conflicting_reference_is_refused(self) -> None:
        self.send(self.notice())
        response = self.send(make_notice(make_order().number, "1"))
        assert (response.status_code, response.json()["code"]) == (409, "CONFLICT")

    def test_size_of_the_body_is_limited(self) -> None:
        space = MAX_BODY_BYTES - len(self.notice(padding=""))
        self.assert_refused(self.send(self.notice(padding="x" * (space + 1))), 413, "TOO_LARGE")
        assert self.send(self.notice(padding="x" * space)).status_code == 200

    def test_unknown_providers_and_methods_are_refused(self) -> None:
        body = self.notice()
        for name in ("other", "manual", "Sandbox", "%00"):
            with self.subTest(name):
                self.assert_refused(self.send(body, url=f"/payments/{name}"), 404, "NOT_FOUND")
        for method in ("get", "put", "delete"):
            with self.subTest(method):
                response = self.client.generic(method.upper(), URL, body, headers=sign(body))
                self.assert_refused(response, 405, "METHOD_NOT_ALLOWED")
        with override_settings(PAYMENT_PROVIDERS={}):
            self.assert_refused(self.send(body), 404, "NOT_FOUND")

    def test_login_replaces_no_signature(self) -> None:
        self.client.force_login(make_user(is_staff=True, is_superuser=True))
        self.assert_refused(self.send(self.notice(), {}), 403, "FORBIDDEN")

    def test_response_is_never_cached(self) -> None:
        assert self.send(self.notice())["Cache-Control"] == "no-store"


class DocumentationTest(SimpleTestCase):
    @override_settings(PAYMENT_SECRETS={"acme": SECRET})
    def test_example_of_the_documentation_is_a_provider(self) -> None:
        page = (Path(__file__).resolve().parents[2] / "docs/payments.md").read_text()
        (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        module: dict[str, Any] = {}
        exec(code, module)
        body = make_notice("1-1", "28.99")
        headers = {name.replace("X-Sandbox", "Acme"): value for name, value in sign(body).items()}
        notice = module["verify_and_parse"](body, headers)
        assert notice == PaymentNotice("1-1", "pay-1", Decimal("28.99"), "RUB")
        with pytest.raises(Forbidden):
            module["verify_and_parse"](body + b" ", headers)
        broken = {name.replace("X-Sandbox", "Acme"): value for name, value in sign(b"{").items()}
        with pytest.raises(Malformed):
            module["verify_and_parse"](b"{", broken)
