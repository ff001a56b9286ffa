"""The measured operations: their requests, the checks of their responses, their baselines and their goals."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from benchmarks.catalogues import Shape

# 5,011 categories.
SHAPE: Shape = (10, 10, 49)
CATEGORIES = range(2, 2 + SHAPE[0])
CARDS = range(1, 51)
CART_LINES = range(1, 6)
LONG_CART_LINES = range(1, 201)
# Shoppers with a long cart.
LONG_CARTS = 20

# A request with a cookie is computed, not answered from the response cache.
COMPUTED = {"Cookie": "is=measured"}
# A response to a request with this header has the number of its SQL queries in it.
QUERIES_HEADER = "X-Queries"

_PRODUCT = "id name slug description price image { url } characteristics { name value unit }"
_LIST = f"""query List($category: ID!) {{ products(category: $category,
    filter: {{ price: {{ min: "100", max: "600" }} }}, sortBy: PRICE_ASC) {{
    nodes {{ {_PRODUCT} category {{ id name slug }} }} }} }}"""
_CARD = f"""query Card($id: ID!) {{ product(id: $id) {{ {_PRODUCT} images {{ url }} inStock availableQuantity
    category {{ id name slug ancestors {{ id name slug }} }} %s }} }}"""
_LISTS = "similar { %s } boughtTogether { %s }".replace("%s", "id name slug price image { url }")
_TREE = """{ categories { ...node children { ...node children { ...node children { ...node } } } } }
    fragment node on Category { id name slug }"""
_CART = f"""{{ cart {{ lines {{ product {{ {_PRODUCT} category {{ id name slug }} inStock availableQuantity }}
    quantity unitPrice lineTotal isAvailable }} totalQuantity total warnings {{ code message }} }} }}"""
_ADD = """mutation Add($lines: [CartLineInput!]!) { cartLinesAdd(lines: $lines) {
    cart { lines { product { id name slug price image { url } } quantity unitPrice lineTotal }
    totalQuantity total } errors { code message field } } }"""
_ORDER = """mutation Order($input: OrderInput) { orderCreate(input: $input) {
    order { number status lines { sku name unitPrice quantity lineTotal } total placedAt }
    errors { code message field } } }"""


@dataclass(frozen=True)
class Request:
    """An HTTP request. A body that is not None is sent as JSON."""

    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> str:
        """The body as text."""
        return "" if self.body is None else json.dumps(self.body)

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers with that of the body."""
        return self.headers if self.body is None else {**self.headers, "Content-Type": "application/json"}


@dataclass(frozen=True)
class Operation:
    """Requests that are measured together.

    Attributes:
        requests: sent in turn.
        status: of every response.
        parts: texts in every response; if empty, a response must equal the one to one of `requests` before
            the measurement.
        prepare: called before each measurement.
        count_written: returns the number of writes so far; every response must have caused one.
        baseline: the operation whose cost, and whose JSON if it is a query, this one is compared with.
        compared_with: what the baseline is, in words.
        max_ratio: maximum of the CPU time relative to the baseline.
        max_ms: maximum of the scaled CPU milliseconds per request; see `Result`.
        min_rate: minimum of the requests per second relative to the baseline.
    """

    name: str
    requests: list[Request]
    status: int = 200
    parts: tuple[str, ...] = ()
    prepare: Callable[[], None] | None = None
    count_written: Callable[[], int] | None = None
    baseline: "Operation | None" = None
    compared_with: str = "raw SQL"
    max_ratio: float | None = None
    max_ms: float | None = None
    min_rate: float | None = None

    @property
    def is_compared(self) -> bool:
        """True if the JSON must equal that of the baseline."""
        return self.baseline is not None and self.min_rate is None


def _graphql(query: str, variables: list[dict[str, Any]], headers: dict[str, str]) -> list[Request]:
    return [
        Request("POST", "/graphql", {"query": query, "variables": values}, headers) for values in variables
    ]


def _get(paths: list[str], headers: dict[str, str]) -> list[Request]:
    return [Request("GET", path, None, headers) for path in paths]


def _baseline(name: str, parameters: list[str]) -> Operation:
    paths = [f"/baseline/{name}?{parameter}" for parameter in parameters]
    return Operation(f"baseline {name}", _get(paths, COMPUTED))


BARE_PATH = "/baseline/bare"
# Limits what is done for every request, which the limits relative to the static view do not show.
STATIC = Operation(
    "static view",
    _get(["/baseline/static"], {}),
    baseline=Operation("bare application", _get([BARE_PATH], {})),
    compared_with="a bare WSGI application",
    max_ratio=2.5,
)
# CPU milliseconds of the static view on the machine for which the limits in milliseconds were set. Others are
# faster or slower, and virtual machines change their speed within minutes.
STATIC_MS = 0.56


def reads() -> list[Operation]:
    """Return the reads that are computed for every request, without the trees."""
    by_category = [f"category={category}" for category in CATEGORIES]
    by_id = [f"id={product}" for product in CARDS]
    categories = [{"category": str(category)} for category in CATEGORIES]
    ids = [{"id": str(product)} for product in CARDS]
    return [
        Operation(
            "GraphQL list",
            _graphql(_LIST, categories, COMPUTED),
            baseline=_baseline("list", by_category),
            max_ratio=3,
            max_ms=4.9,
        ),
        Operation(
            "GraphQL card",
            _graphql(_CARD % "", ids, COMPUTED),
            baseline=_baseline("card", by_id),
            max_ratio=3,
        ),
        Operation(
            "GraphQL card with both lists",
            _graphql(_CARD % _LISTS, ids, COMPUTED),
            baseline=_baseline("card-and-lists", by_id),
            max_ratio=5,
        ),
        Operation(
            "REST list",
            _get([_rest_list(category) for category in CATEGORIES], COMPUTED),
            baseline=_baseline("rest-list", by_category),
            max_ratio=2.5,
        ),
        Operation(
            "REST card",
            _get([f"/product?id={product}" for product in CARDS], COMPUTED),
            baseline=_baseline("rest-card", by_id),
        ),
    ]


def trees() -> list[Operation]:
    """Return the reads of the whole category tree, whose cost does not depend on the number of products."""
    return [
        Operation(
            "GraphQL tree",
            _graphql(_TREE, [{}], COMPUTED),
            baseline=_baseline("tree", [""]),
            max_ratio=3,
        ),
        Operation(
            "REST tree",
            _get(["/categories"], COMPUTED),
            baseline=_baseline("rest-tree", [""]),
            max_ratio=3,
        ),
    ]


def _rest_list(category: int) -> str:
    return f"/products?category={category}&price_min=100&price_max=600&sort=price"


def cached_reads(read_etag: Callable[[str], str]) -> list[Operation]:
    """Return the reads that are answered from the response cache.

    Args:
        read_etag: returns the ETag of the response to GET of a path.
    """
    paths = [_rest_list(category) for category in CATEGORIES]
    categories = [{"category": str(category)} for category in CATEGORIES]
    not_modified = [Request("GET", path, None, {"If-None-Match": read_etag(path)}) for path in paths]
    return [
        STATIC,
        _cached("GraphQL list, cached", _graphql(_LIST, categories, {}), min_rate=0.5),
        _cached("REST list, cached", _get(paths, {}), min_rate=0.5),
        _cached("REST list, 304", not_modified, status=304, min_rate=0.7),
    ]


def _cached(name: str, requests: list[Request], *, min_rate: float, status: int = 200) -> Operation:
    return Operation(
        name, requests, status, baseline=STATIC, compared_with="the static view", min_rate=min_rate
    )


@dataclass(frozen=True)
class Shopper:
    """An account with an open session."""

    user_id: int
    access_token: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request of this account."""
        return {"Authorization": f"Bearer {self.access_token}"}


def create_shoppers(count: int) -> list[Shopper]:
    """Replace all accounts by new ones that are logged in."""
    from django.db import connection
    from django.test import override_settings

    from backend.accounts.models import User
    from backend.accounts.services.sessions import open_session

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE accounts_user CASCADE")
    users = [User.objects.create_user(f"shopper-{number}@example.com") for number in range(count)]
    # Longer than a run.
    with override_settings(ACCESS_TOKEN_LIFETIME=timedelta(hours=6)):
        return [Shopper(user.pk, open_session(user).access_token) for user in users]


def cart_reads(shoppers: list[Shopper]) -> list[Operation]:
    """Return the read of a cart with the maximum number of lines."""
    owners = shoppers[:LONG_CARTS]
    return [
        Operation(
            "cart of 200 lines",
            [request for owner in owners for request in _graphql(_CART, [{}], owner.headers)],
            prepare=lambda: fill_carts(owners, LONG_CART_LINES),
            max_ms=15,
        )
    ]


def writes(shoppers: list[Shopper]) -> list[Operation]:
    """Return adding to a cart of five lines, and ordering such a cart."""
    from django.db.models import Sum

    from backend.carts.models import CartLine
    from backend.orders.models import Order

    line = {"lines": [{"productId": str(CART_LINES[-1]), "quantity": 1}]}

    def send_as_each(query: str, variables: dict[str, Any]) -> list[Request]:
        return [request for shopper in shoppers for request in _graphql(query, [variables], shopper.headers)]

    return [
        Operation(
            "add to a cart of 5 lines",
            send_as_each(_ADD, line),
            parts=('{"data":{"cartLinesAdd":{"cart":{"lines":[{', '"errors":[]'),
            prepare=lambda: fill_carts(shoppers),
            count_written=lambda: CartLine.objects.aggregate(units=Sum("quantity"))["units"],
            max_ms=5,
        ),
        Operation(
            "order of 5 lines",
            send_as_each(_ORDER, {"input": {"comment": "-"}}),
            parts=('{"data":{"orderCreate":{"order":{"number":', '"errors":[]'),
            prepare=lambda: fill_carts(shoppers),
            count_written=Order.objects.count,
            max_ms=12,
        ),
    ]


def fill_catalogue(products: int, shape: Shape = SHAPE) -> None:
    """Replace the catalogue by one with this number of products and these categories."""
    from django.db import connection

    from backend.catalog.models import Product
    from backend.core.redis import get_redis_client
    from benchmarks.catalogues import fill

    fill(products, shape)
    # Cached responses, counts and recommendations of the catalogue before.
    get_redis_client().flushdb()
    # Orders do not change what the APIs show of a stock as large as this.
    Product.objects.filter(pk__in=CART_LINES).update(stock=1_000_000)
    # Writing the new rows to the disk, and vacuuming them, would be charged to the requests.
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        for _ in range(600):
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'")
            if cursor.fetchone() == (0,):
                break
            time.sleep(1)


def fill_carts(shoppers: list[Shopper], products: Sequence[int] = CART_LINES) -> None:
    """Replace all carts with one for each shopper, with one unit of each product."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE carts_cart CASCADE")
        cursor.execute(
            "INSERT INTO carts_cart (user_id, created_at, touched_at) SELECT unnest(%s), now(), now()",
            [[shopper.user_id for shopper in shoppers]],
        )
        cursor.execute(
            "INSERT INTO carts_cartline (cart_id, product_id, quantity, name_seen, price_seen) "
            "SELECT c.id, p.id, 1, p.name, p.price FROM carts_cart c CROSS JOIN catalog_product p "
            "WHERE p.id = ANY(%s) ORDER BY c.id, p.id",
            [list(products)],
        )


def mixed_requests(products: int, shoppers: list[Shopper]) -> Operation:
    """Return a mixture of many different reads, seven of eight by guests, and of adding to carts."""
    ids = [1 + 7 * number % products for number in range(250)]
    categories = range(2, 2 + SHAPE[0] + SHAPE[0] * SHAPE[1])
    requests = []
    for headers in (COMPUTED, *[{}] * 7):
        requests += _graphql(_CARD % _LISTS, [{"id": str(product)} for product in ids], headers)
        requests += _graphql(_LIST, [{"category": str(category)} for category in categories], headers)
        requests += _get([f"/product?id={product}" for product in ids], headers)
        requests += _get([_rest_list(category) for category in categories], headers)
        requests += [*_graphql(_TREE, [{}], headers), *_get(["/categories"], headers)] * 2
    add, _ = writes(shoppers[:100])
    # In an order that is the same in each run, and without long runs of one kind.
    requests = [request for start in range(97) for request in (requests + add.requests)[start::97]]
    return Operation("mixed requests", requests, parts=('"errors":[]',), prepare=add.prepare)
