"""Django views that answer what the APIs answer, with one row of JSON from PostgreSQL.

They are behind the same middleware as the APIs, and their JSON equals that of the APIs. `NOT_COMPARED` names
the parts that they leave out, because the shop does not compute them for each request.
"""

from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

# Numbers of products, which the shop counts once per CATALOG_CACHE_SECONDS, and the cursor.
NOT_COMPARED = frozenset({"total", "next_cursor", "product_count"})
CONSTANT = b'{"status":"ok"}'


def _global_id(type_name: str, key: str) -> str:
    return f"rtrim(translate(encode(convert_to('{type_name}:' || {key}, 'UTF8'), 'base64'), '+/', '-_'), '=')"


def _characteristics(alias: str = "p") -> str:
    return f"""(SELECT coalesce(json_agg(
        json_build_object('name', v->>0, 'value', v->>1, 'unit', v->>2)), '[]')
        FROM jsonb_array_elements({alias}.characteristics) AS v)"""


def _graphql_image(alias: str) -> str:
    return f"""(SELECT json_build_object('url', '/media/' || file) FROM catalog_productimage
        WHERE product_id = {alias}.id ORDER BY position, id LIMIT 1)"""


_GRAPHQL_CATEGORY = f"'id', {_global_id('Category', 'c.id')}, 'name', c.name, 'slug', c.slug"
_GRAPHQL_PRODUCT = f"""'id', {_global_id("Product", "p.id")}, 'name', p.name, 'slug', p.slug,
    'description', p.description, 'price', p.price::text, 'image', {_graphql_image("p")},
    'characteristics', {_characteristics()}"""

# The ancestors of the category c, and c itself.
_PATH = """(WITH RECURSIVE path AS (
        SELECT c.id, c.parent_id, c.name, c.slug, c.level
        UNION ALL SELECT a.id, a.parent_id, a.name, a.slug, a.level
        FROM path JOIN catalog_category a ON a.id = path.parent_id)
    SELECT json_agg({} ORDER BY level) FROM path WHERE {})"""

_PAGE = """(SELECT product_id, price FROM catalog_listingentry
    WHERE ancestor_id = %(category)s AND price BETWEEN 100 AND 600 ORDER BY price, product_id LIMIT 20) page
    JOIN catalog_product p ON p.id = page.product_id JOIN catalog_category c ON c.id = p.category_id"""

GRAPHQL_LIST = f"""
SELECT json_build_object('data', json_build_object('products', json_build_object('nodes', json_agg(
    json_build_object({_GRAPHQL_PRODUCT}, 'category', json_build_object({_GRAPHQL_CATEGORY}))
    ORDER BY page.price, p.id))))::text
FROM {_PAGE}
"""

_GRAPHQL_ANCESTORS = _PATH.format(
    f"json_build_object('id', {_global_id('Category', 'id')}, 'name', name, 'slug', slug)", "id <> c.id"
)
_GRAPHQL_CARD = f"""{_GRAPHQL_PRODUCT},
    'images', (SELECT json_agg(json_build_object('url', '/media/' || file) ORDER BY position, id)
               FROM catalog_productimage WHERE product_id = p.id),
    'inStock', p.stock > 0, 'availableQuantity', least(p.stock, 50),
    'category', json_build_object({_GRAPHQL_CATEGORY}, 'ancestors', {_GRAPHQL_ANCESTORS})"""
_ONE_PRODUCT = """FROM catalog_product p JOIN catalog_category c ON c.id = p.category_id
WHERE p.id = %(id)s AND p.is_published"""

GRAPHQL_CARD = f"""
SELECT json_build_object('data', json_build_object('product', json_build_object({_GRAPHQL_CARD})))::text
{_ONE_PRODUCT}
"""


def _related(kind: str, item: str) -> str:
    """Return an expression for the products of one recommendation list of the product p."""
    return f"""(SELECT json_agg({item} ORDER BY score DESC, o.id) FROM (
        SELECT o.*, r.score FROM recommendations_recommendation r JOIN catalog_product o ON o.id = r.other_id
        WHERE r.kind = '{kind}' AND r.subject_id = p.id AND o.is_published AND o.stock > 0
        ORDER BY r.score DESC, o.id LIMIT 10) AS o JOIN catalog_category k ON k.id = o.category_id)"""


_GRAPHQL_RELATED = f"""json_build_object('id', {_global_id("Product", "o.id")}, 'name', o.name,
    'slug', o.slug, 'price', o.price::text, 'image', {_graphql_image("o")})"""

GRAPHQL_CARD_AND_LISTS = f"""
SELECT json_build_object('data', json_build_object('product', json_build_object({_GRAPHQL_CARD},
    'similar', {_related("similar", _GRAPHQL_RELATED)},
    'boughtTogether', {_related("together", _GRAPHQL_RELATED)})))::text
{_ONE_PRODUCT}
"""


def _rest_image(alias: str) -> str:
    """Return an expression for a row of catalog_productimage i of a product."""
    prefix = "'/media/renditions/' || i.file || '.' || w"
    return f"""json_build_object('url', '/media/' || i.file, 'alt', coalesce(nullif(i.alt, ''), {alias}.name),
        'width', i.width, 'height', i.height,
        'renditions', (SELECT json_agg(json_build_object('width', least(w, i.width), 'height',
            greatest(round(least(w, i.width)::numeric * i.height / i.width)::int, 1),
            'webp', {prefix} || '.webp', 'jpeg', {prefix} || '.jpeg') ORDER BY w)
            FROM unnest(i.renditions) w),
        'srcset', (SELECT string_agg({prefix} || '.webp ' || least(w, i.width) || 'w', ', ' ORDER BY w)
                   FROM unnest(i.renditions) w))"""


def _rest_product(alias: str, category: str) -> str:
    p = alias
    return f"""'id', {p}.id, 'sku', {p}.sku, 'slug', {p}.slug, 'name', {p}.name,
    'description', {p}.description, 'price', {p}.price::text, 'compare_at_price', {p}.compare_at_price::text,
    'is_on_sale', {p}.compare_at_price IS NOT NULL,
    'is_new', {p}.created_at >= date_trunc('hour', now()) - interval '30 days', 'currency', 'RUB',
    'brand', (SELECT json_build_object('id', b.id, 'name', b.name, 'slug', b.slug)
              FROM catalog_brand b WHERE b.id = {p}.brand_id),
    'category', json_build_object('id', {category}.id, 'name', {category}.name, 'slug', {category}.slug),
    'image', (SELECT {_rest_image(p)} FROM catalog_productimage i
              WHERE i.product_id = {p}.id ORDER BY i.position, i.id LIMIT 1),
    'characteristics', {_characteristics(p)},
    'in_stock', {p}.stock > 0, 'available_quantity', least({p}.stock, 50)"""


REST_LIST = f"""
SELECT json_build_object('items', json_agg(json_build_object({_rest_product("p", "c")})
    ORDER BY page.price, p.id))::text
FROM {_PAGE}
"""

_REST_RELATED = f"json_build_object({_rest_product('o', 'k')})"
_ISO_TIME = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""

REST_CARD = f"""
SELECT json_build_object({_rest_product("p", "c")},
    'images', (SELECT json_agg({_rest_image("p")} ORDER BY i.position, i.id)
               FROM catalog_productimage i WHERE i.product_id = p.id),
    'similar', {_related("similar", _REST_RELATED)},
    'bought_together', {_related("together", _REST_RELATED)},
    'category_path', {_PATH.format("json_build_object('id', id, 'name', name, 'slug', slug)", "true")},
    'seo_title', p.seo_title, 'seo_description', p.seo_description,
    'created_at', {_ISO_TIME.format("p.created_at")},
    'updated_at', {_ISO_TIME.format("p.updated_at")})::text
{_ONE_PRODUCT}
"""


def _tree(node: str, leaf: str) -> str:
    """Return a query for the whole tree of four levels.

    Args:
        node: the pairs of a category c of the first three levels, without its children.
        leaf: the pairs of a category of the last level.
    """
    query = f"""level_3 AS (SELECT parent_id, json_agg(json_build_object({leaf}) ORDER BY c.lft) AS nodes
        FROM catalog_category c WHERE level = 3 GROUP BY parent_id)"""
    for level in (2, 1, 0):
        query += f""", level_{level} AS (SELECT c.parent_id, json_agg(json_build_object({node},
            'children', coalesce(below.nodes, '[]')) ORDER BY c.tree_id, c.lft) AS nodes
            FROM catalog_category c LEFT JOIN level_{level + 1} below ON below.parent_id = c.id
            WHERE c.level = {level} GROUP BY c.parent_id)"""
    return f"WITH {query} SELECT {{}} FROM level_0"


GRAPHQL_TREE = _tree(_GRAPHQL_CATEGORY, _GRAPHQL_CATEGORY).format(
    "json_build_object('data', json_build_object('categories', nodes))::text"
)
_REST_CATEGORY = "'id', c.id, 'name', c.name, 'slug', c.slug, 'image', null"
REST_TREE = _tree(_REST_CATEGORY, f"{_REST_CATEGORY}, 'children', json_build_array()").format("nodes::text")

QUERIES = {
    "list": GRAPHQL_LIST,
    "card": GRAPHQL_CARD,
    "card-and-lists": GRAPHQL_CARD_AND_LISTS,
    "tree": GRAPHQL_TREE,
    "rest-list": REST_LIST,
    "rest-card": REST_CARD,
    "rest-tree": REST_TREE,
}


def run_query(request: HttpRequest, name: str) -> HttpResponse:
    """Respond with the row of a query, whose parameters are those of the URL."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES[name], request.GET.dict())
        (content,) = cursor.fetchone()
    return HttpResponse(content, content_type="application/json")


def send_constant(request: HttpRequest) -> HttpResponse:
    """Respond without any work: what the server, Django and the middleware cost."""
    return HttpResponse(CONSTANT, content_type="application/json")


patterns: list[Any] = [path("baseline/static", send_constant), path("baseline/<name>", run_query)]
