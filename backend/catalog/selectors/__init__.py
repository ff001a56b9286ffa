"""Read queries of the catalogue.

Everything exported here returns published products only, except `select_products`, which selects the products
of the rows that it is given. The checks in `integrity` cover all products.
"""

from backend.catalog.selectors.brands import (
    MAX_BRANDS,
    get_brand,
    get_brands,
    list_brands,
    read_brand_details,
    read_brand_texts,
)
from backend.catalog.selectors.categories import (
    get_category,
    is_category_slug,
    read_category_children,
    read_category_path,
    read_category_paths,
    read_category_tree,
    read_search_engine_texts,
)
from backend.catalog.selectors.characteristics import (
    MAX_CHARACTERISTIC_VALUES,
    MAX_CHARACTERISTICS,
)
from backend.catalog.selectors.counts import EXACT_COUNT_LIMIT, count_brand_products, count_products
from backend.catalog.selectors.facets import Facets, read_facets
from backend.catalog.selectors.listing import (
    ProductList,
    ProductSort,
    list_products,
)
from backend.catalog.selectors.products import get_product, get_products
from backend.catalog.selectors.rows import (
    BrandRow,
    CategoryRow,
    ProductRow,
    make_product,
    read_available_products,
    select_products,
)
from backend.catalog.selectors.sales import StockedProduct, list_best_sellers, list_low_stock
from backend.catalog.selectors.search import MAX_SEARCH_LENGTH, MAX_SEARCH_WORDS

__all__ = [
    "EXACT_COUNT_LIMIT",
    "MAX_BRANDS",
    "MAX_CHARACTERISTICS",
    "MAX_CHARACTERISTIC_VALUES",
    "MAX_SEARCH_LENGTH",
    "MAX_SEARCH_WORDS",
    "BrandRow",
    "CategoryRow",
    "Facets",
    "ProductList",
    "ProductRow",
    "ProductSort",
    "StockedProduct",
    "count_brand_products",
    "count_products",
    "get_brand",
    "get_brands",
    "get_category",
    "get_product",
    "get_products",
    "is_category_slug",
    "list_best_sellers",
    "list_brands",
    "list_low_stock",
    "list_products",
    "make_product",
    "read_available_products",
    "read_brand_details",
    "read_brand_texts",
    "read_category_children",
    "read_category_path",
    "read_category_paths",
    "read_category_tree",
    "read_facets",
    "read_search_engine_texts",
    "select_products",
]
