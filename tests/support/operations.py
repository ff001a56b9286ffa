"""A valid request for every root field of the GraphQL schema and every route of the REST API."""

from typing import Any

from backend.catalog.models import Brand
from backend.core.identifiers import encode_global_id

# A well-formed refresh token of no session.
UNKNOWN_REFRESH_TOKEN = f"{'0' * 32}.{'x' * 43}"
# A well-formed token of no order.
UNKNOWN_ORDER_TOKEN = "z" * 43
# Fields of responses, without those of the public catalogue.
_CART = "cart { lines { product { id } quantity } total promoCode token } errors { code }"
_ORDER = (
    "number comment promoCode trackingNumber trackingUrl contact { name phone } deliveryAddress { line1 } "
    "lines { sku }"
)
_WISHLIST = "wishlist { items { nodes { product { id } addedAt notify } } totalCount token } errors { code }"
_ADDRESS = "id label contact { name phone } deliveryAddress { line1 }"
_USER = f"email name orders {{ nodes {{ {_ORDER} }} }} addresses {{ {_ADDRESS} }}"
_CONTACT = {"name": "A", "phone": "+7 912 345-67-89"}
_PLACE = {"line1": "Nevsky 1", "city": "Moscow", "postal_code": "101000", "country": "RU"}
_SAVED = (
    'contact: { name: "A", phone: "+7 912 345-67-89" }, deliveryAddress: '
    '{ line1: "Nevsky 1", city: "Moscow", postalCode: "101000", country: "RU" }'
)
_ADDRESS_PAYLOAD = f"{{ address {{ {_ADDRESS} }} addresses {{ {_ADDRESS} }} errors {{ code }} }}"
# The id of the address that `tests/test_privacy.py` saves.
ADDRESS_ID = 77
_TOKENS = f"accessToken refreshToken user {{ {_USER} }} errors {{ code }}"


def list_graphql_operations(email: str, product: int, number: str) -> dict[str, str]:
    """Return a document for each root field.

    Args:
        email: of an account whose password and codes are unknown to the caller.
        product: a product's id.
        number: an order's number.
    """
    line = f'[{{ productId: "{product}", quantity: 1 }}]'
    credentials = f'email: "{email}", password: "guessed it"'
    code = f'email: "{email}", code: "000000"'
    return {
        "node": f'{{ node(id: "{encode_global_id("Product", product)}") {{ id }} }}',
        "nodes": f'{{ nodes(ids: ["{encode_global_id("Product", product)}"]) {{ id }} }}',
        "products": "{ products { nodes { id } } }",
        "product": f'{{ product(id: "{product}") {{ id }} }}',
        "categories": "{ categories { id } }",
        "category": '{ category(id: "1") { id } }',
        "brands": "{ brands { nodes { id } } }",
        "brand": '{ brand(id: "1") { id } }',
        "cart": "{ cart { lines { product { id } quantity } total promoCode token } }",
        "wishlist": "{ wishlist { items { nodes { product { id } addedAt notify } } totalCount token } }",
        "recommendations": "{ recommendations(first: 5) { id } }",
        "order": f'{{ order(number: "{number}", token: "{UNKNOWN_ORDER_TOKEN}") {{ {_ORDER} }} }}',
        "me": f'{{ me {{ {_USER} order(number: "{number}") {{ {_ORDER} }} }} }}',
        "accountRegister": f"mutation {{ accountRegister(input: {{ {credentials} }}) "
        "{ errors { code } } }",
        "accountConfirm": f"mutation {{ accountConfirm(input: {{ {code} }}) {{ errors {{ code }} }} }}",
        "accountConfirmationResend": "mutation { accountConfirmationResend(input: "
        f'{{ email: "{email}" }}) {{ errors {{ code }} }} }}',
        "tokenCreate": f"mutation {{ tokenCreate(input: {{ {credentials} }}) {{ {_TOKENS} }} }}",
        "tokenRefresh": "mutation { tokenRefresh(input: { refreshToken: "
        f'"{UNKNOWN_REFRESH_TOKEN}" }}) {{ {_TOKENS} }} }}',
        "tokenRevoke": "mutation { tokenRevoke { errors { code } } }",
        "tokenRevokeAll": "mutation { tokenRevokeAll { errors { code } } }",
        "passwordChange": 'mutation { passwordChange(input: { oldPassword: "correct horse", '
        'newPassword: "an entirely new staple" }) { errors { code } } }',
        "passwordResetRequest": f'mutation {{ passwordResetRequest(input: {{ email: "{email}" }}) '
        "{ errors { code } } }",
        "passwordReset": f'mutation {{ passwordReset(input: {{ {code}, newPassword: "a new staple" }}) '
        "{ errors { code } } }",
        "accountUpdate": f'mutation {{ accountUpdate(input: {{ name: "mine" }}) '
        f"{{ user {{ {_USER} }} errors {{ code }} }} }}",
        "accountDelete": 'mutation { accountDelete(input: { password: "correct horse" }) '
        "{ errors { code } } }",
        "addressCreate": f"mutation {{ addressCreate(input: {{ {_SAVED} }}) {_ADDRESS_PAYLOAD} }}",
        "addressUpdate": f'mutation {{ addressUpdate(input: {{ id: "{ADDRESS_ID}", {_SAVED} }}) '
        f"{_ADDRESS_PAYLOAD} }}",
        "addressDelete": f'mutation {{ addressDelete(id: "{ADDRESS_ID}") {_ADDRESS_PAYLOAD} }}',
        "addressSetDefault": f'mutation {{ addressSetDefault(id: "{ADDRESS_ID}") {_ADDRESS_PAYLOAD} }}',
        "cartLinesAdd": f"mutation {{ cartLinesAdd(lines: {line}) {{ {_CART} }} }}",
        "cartLinesUpdate": f"mutation {{ cartLinesUpdate(lines: {line}) {{ {_CART} }} }}",
        "cartLinesRemove": f'mutation {{ cartLinesRemove(productIds: ["{product}"]) {{ {_CART} }} }}',
        "cartClear": f"mutation {{ cartClear {{ {_CART} }} }}",
        "cartPromoCodeApply": f'mutation {{ cartPromoCodeApply(code: "guess") {{ {_CART} }} }}',
        "cartPromoCodeRemove": f"mutation {{ cartPromoCodeRemove {{ {_CART} }} }}",
        "wishlistAdd": f'mutation {{ wishlistAdd(productId: "{product}", notify: false) {{ {_WISHLIST} }} }}',
        "wishlistRemove": f'mutation {{ wishlistRemove(productId: "{product}") {{ {_WISHLIST} }} }}',
        "orderCreate": 'mutation { orderCreate(input: { idempotencyKey: "the victim\'s key" }) '
        f"{{ order {{ {_ORDER} }} token errors {{ code }} }} }}",
        "orderCancel": f'mutation {{ orderCancel(number: "{number}") '
        f"{{ order {{ {_ORDER} }} errors {{ code }} }} }}",
        "recommendationClick": "mutation { recommendationClick(recommendedBy: SIMILAR) }",
    }


def list_rest_operations(email: str, product: int, number: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the query, body and headers of a request to each route; see `list_graphql_operations`."""
    line = {"body": {"product_id": product, "quantity": 1}}
    saved = {"contact": _CONTACT, "delivery_address": _PLACE}
    credentials = {"body": {"email": email, "password": "guessed it"}}
    brand, _ = Brand.objects.get_or_create(slug="acme", defaults={"name": "Acme"})
    return {
        ("get", "/products"): {},
        ("post", "/products"): {"body": {}},
        ("get", "/product"): {"query": {"id": product}},
        ("get", "/brand"): {"query": {"slug": brand.slug}},
        ("get", "/categories"): {},
        ("get", "/cart"): {},
        ("get", "/recommendations"): {},
        ("post", "/recommendations/click"): {"body": {"recommended_by": "similar"}},
        ("post", "/cart"): line,
        ("put", "/cart"): line,
        ("delete", "/cart"): {},
        ("post", "/cart/promo-code"): {"body": {"code": "guess"}},
        ("delete", "/cart/promo-code"): {},
        ("get", "/wishlist"): {},
        ("post", "/wishlist"): {"body": {"product_id": product, "notify": False}},
        ("delete", "/wishlist"): {"query": {"product_id": product}},
        ("post", "/order"): {"headers": {"Idempotency-Key": "the victim's key"}},
        ("get", "/orders"): {},
        ("get", "/order"): {"query": {"number": number}},
        ("post", "/order/cancel"): {"query": {"number": number}},
        ("get", "/addresses"): {},
        ("post", "/addresses"): {"body": saved},
        ("put", "/addresses"): {"body": saved | {"id": ADDRESS_ID}},
        ("delete", "/addresses"): {"query": {"id": ADDRESS_ID}},
        ("post", "/addresses/default"): {"query": {"id": ADDRESS_ID}},
        ("post", "/auth/register"): credentials,
        ("post", "/auth/confirm"): {"body": {"email": email, "code": "000000"}},
        ("post", "/auth/resend"): {"body": {"email": email}},
        ("post", "/auth/login"): credentials,
        ("post", "/auth/refresh"): {"body": {"refresh_token": UNKNOWN_REFRESH_TOKEN}},
        ("post", "/auth/logout"): {},
    }
