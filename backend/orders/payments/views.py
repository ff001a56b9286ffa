"""The webhook that payment providers call."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from backend.core.errors import ErrorCode, ShopError
from backend.core.problems import refuse, refuse_shop_error
from backend.orders.payments.providers import get_provider
from backend.orders.services import WrongPaymentAmount, mark_paid

MAX_BODY_BYTES = 64 * 1024


# The signature of the provider is the authentication.
@csrf_exempt
@require_POST
def receive_payment(request: HttpRequest, provider: str) -> HttpResponse:
    """Record the payment in a signed notice of a provider.

    Providers repeat a notice until the response is 200. A notice that is recorded gets 200, whatever becomes
    of the payment, because a repetition cannot change it.
    """
    verify_and_parse = get_provider(provider)
    if verify_and_parse is None:
        return refuse(ErrorCode.NOT_FOUND, _("There is no payment provider with this name."))
    body = request.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        return refuse(
            ErrorCode.TOO_LARGE,
            _("The request body must have at most %(maximum)s bytes."),
            params={"maximum": MAX_BODY_BYTES},
        )
    try:
        notice = verify_and_parse(body, request.headers)
        if notice is None:
            return JsonResponse({"status": "ignored"})
        mark_paid(
            number=notice.number,
            reference=notice.reference,
            amount=notice.amount,
            currency=notice.currency,
            provider=provider,
        )
    except WrongPaymentAmount:
        # The payment is recorded for staff.
        pass
    except ShopError as error:
        return refuse_shop_error(request, error)
    return JsonResponse({"status": "recorded"})
