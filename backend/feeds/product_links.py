"""Slugs in the links of products."""

import re
from urllib.parse import parse_qsl, urlsplit

from django.core.validators import slug_re

from backend.catalog.models import Product
from backend.core.text import clean_line

_MAX_SLUG = int(Product._meta.get_field("slug").max_length or 0)
# Query parameters that do not change the page: campaigns, click ids, variants and views.
_NEUTRAL = re.compile(
    r"utm_.*|_openstat|.*clid|msclkid|srsltid|mc_[ce]id|_ga|ref|referrer|source|src|from|campaign.*|aff.*|"
    r"frommarket|variant.*|colou?r|size|currency|lang|language|locale|city|region|r1|r2|cm_id",
    re.IGNORECASE,
)
# Query parameters that name the product or page. The path then belongs to many products.
_IDENTIFYING = re.compile(
    r".*id|p|q|sku|upc|ean|art|article|artikel|code|nr|no|num|item|product|prod|goods|tovar|offer|name|slug|"
    r"page|path|route|url|model|show|view",
    re.IGNORECASE,
)


def find_slug(link: str) -> str | None:
    """Return the last step of a link's path, or None if it is not a slug or not the product's own.

    In "https://shop.example/ru/?p=3", the query identifies the product.
    """
    try:
        url = urlsplit(clean_line(link))
        parameters = [name for name, _ in parse_qsl(url.query, keep_blank_values=True, max_num_fields=100)]
    except ValueError:
        return None
    parameters = [name for name in parameters if not _NEUTRAL.fullmatch(name)]
    has_page = url.path.endswith("/") and bool(parameters)
    if has_page or any(map(_IDENTIFYING.fullmatch, parameters)) or url.fragment.startswith(("/", "!")):
        return None
    slug = url.path.rstrip("/").rpartition("/")[2]
    return slug if len(slug) <= _MAX_SLUG and slug_re.fullmatch(slug) else None
