"""Read queries of the catalogue.

Everything exported here returns published products only; the checks in `integrity` cover all products.
"""

from backend.catalog.selectors.categories import (
    CategoryTree,
    category_path,
    is_category_slug,
    read_category_tree,
    read_counted_category_tree,
)
from backend.catalog.selectors.facets import Facets, read_facets
from backend.catalog.selectors.listing import (
    MAX_CHARACTERISTIC_VALUES,
    MAX_CHARACTERISTICS,
    ProductList,
    ProductSort,
    list_products,
)
from backend.catalog.selectors.products import get_product, get_products, load_pictures
from backend.catalog.selectors.rows import (
    CategoryRow,
    ProductRow,
    read_available_products,
    read_products,
)
from backend.catalog.selectors.search import MAX_SEARCH_LENGTH, MAX_SEARCH_WORDS

__all__ = [
    "MAX_CHARACTERISTICS",
    "MAX_CHARACTERISTIC_VALUES",
    "MAX_SEARCH_LENGTH",
    "MAX_SEARCH_WORDS",
    "CategoryRow",
    "CategoryTree",
    "Facets",
    "ProductList",
    "ProductRow",
    "ProductSort",
    "category_path",
    "get_product",
    "get_products",
    "is_category_slug",
    "list_products",
    "load_pictures",
    "read_available_products",
    "read_category_tree",
    "read_counted_category_tree",
    "read_facets",
    "read_products",
]
