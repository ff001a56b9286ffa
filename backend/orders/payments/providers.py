"""Payment providers: modules that read the notices of one provider each.

A provider is a module with a function `verify_and_parse(body, headers)`, see `Verify`. The setting
`PAYMENT_PROVIDERS` maps names, which are part of the webhook URLs, to the dotted paths of such modules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from typing import Protocol, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True)
class PaymentNotice:
    """The message of a provider that a customer has paid an order.

    Attributes:
        number: the order number.
        reference: the id of the payment at the provider, the same in each repetition of the notice.
        amount, currency: what the customer has paid.
    """

    number: str
    reference: str
    amount: Decimal
    currency: str


class Verify(Protocol):
    """The function `verify_and_parse` of a provider."""

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> PaymentNotice | None:
        """Return the notice in a request, or None if it is about something other than a payment.

        Args:
            headers: their names are case-insensitive.

        Raises:
            Forbidden: the signature is missing, wrong or too old.
            Malformed: the body of a signed request cannot be parsed.
        """


def get_provider(name: str) -> Verify | None:
    """Return `verify_and_parse` of a provider, or None if the shop has no provider with this name."""
    path = settings.PAYMENT_PROVIDERS.get(name)
    return _load(name, path) if path is not None else None


def check_providers() -> None:
    """Import all providers, so that a wrong path stops the start and not a payment.

    Raises:
        ImproperlyConfigured: a module does not exist or has no `verify_and_parse`.
    """
    for name, path in settings.PAYMENT_PROVIDERS.items():
        _load(name, path)


def _load(name: str, path: str) -> Verify:
    try:
        return cast(Verify, import_module(path).verify_and_parse)
    except (ImportError, AttributeError) as error:
        raise ImproperlyConfigured(
            f"PAYMENT_PROVIDERS: the provider {name} needs a module {path} with a function "
            f"verify_and_parse: {error}"
        ) from error
