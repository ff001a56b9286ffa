"""Export of products as a feed of Yandex Market (YML), which `yml_offers` reads."""

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape, quoteattr

from django.conf import settings
from django.utils import timezone

from backend.catalog.labels import format_label
from backend.catalog.models import Category
from backend.core.text import clean_text
from backend.feeds.cells import ATTRIBUTES
from backend.feeds.exported_products import ExportedProduct
from backend.feeds.markup import encode_field

# Elements of an offer by characteristic. The other characteristics become <param>.
_ELEMENTS = {ATTRIBUTES["brand"]: "vendor", ATTRIBUTES["gtin"]: "barcode", ATTRIBUTES["mpn"]: "vendorCode"}


def format_yml(products: Iterable[ExportedProduct], *, link_prefix: str) -> Iterator[str]:
    """Yield a YML feed in pieces: the head with all categories, and one piece per product.

    YML has no alternative texts of pictures.
    """
    categories = list(Category.objects.order_by("tree_id", "lft").values_list("id", "parent_id", "name"))
    category_ids = {category_id for category_id, _, _ in categories}
    yield (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<yml_catalog date="{timezone.localtime().isoformat(timespec="minutes")}">\n'
        f"<shop>\n<name>Shop</name>\n<company>Shop</company>\n<url>{_escape_text(settings.PUBLIC_URL)}</url>\n"
        f'<currencies>\n<currency id="{settings.SHOP_CURRENCY}" rate="1"/>\n</currencies>\n'
    )
    yield "<categories>\n"
    for category_id, parent_id, name in categories:
        parent = f' parentId="{parent_id}"' if parent_id else ""
        yield f'<category id="{category_id}"{parent}>{_escape_text(name)}</category>\n'
    yield "</categories>\n<offers>\n"
    for product in products:
        yield _format_offer(product, category_ids, link_prefix)
    yield "</offers>\n</shop>\n</yml_catalog>\n"


def _format_offer(exported: ExportedProduct, category_ids: set[int], link_prefix: str) -> str:
    product = exported.product
    sale = product.compare_at_price is not None
    elements = [
        _format_element("url", link_prefix + product.slug),
        _format_element("price", str(product.price)),
        _format_element("oldprice", str(product.compare_at_price)) if sale else "",
        _format_element("currencyId", settings.SHOP_CURRENCY),
        # A category that staff have added since the head was written has no id in this feed.
        _format_element("categoryId", str(product.category_id))
        if product.category_id in category_ids
        else "",
        *(_format_element("picture", link) for link in exported.pictures),
        _format_element("name", product.name),
        *(
            _format_element(element, exported.attributes[name])
            for name, element in _ELEMENTS.items()
            if name in exported.attributes
        ),
        f"<description>{_format_cdata(product.description)}</description>\n" if product.description else "",
        *(_format_param(*detail) for detail in exported.select_details(tuple(_ELEMENTS))),
        _format_element("count", str(product.stock)),
        "" if product.is_published else _format_element("disabled", "true"),
    ]
    available = "true" if product.stock else "false"
    return (
        f'<offer id={_quote_attribute(product.sku)} available="{available}">\n{"".join(elements)}</offer>\n'
    )


def _format_element(name: str, text: str) -> str:
    return f"<{name}>{_escape_text(text)}</{name}>\n"


def _format_param(name: str, unit: str, value: str) -> str:
    # Without a unit, an import would read parentheses at the end of the name as one.
    label = _quote_attribute(name if unit else format_label(name, ""))
    unit_attribute = f" unit={_quote_attribute(unit)}" if unit else ""
    return f"<param name={label}{unit_attribute}>{_escape_text(value)}</param>\n"


def _quote_attribute(text: str) -> str:
    return quoteattr(encode_field("", clean_text(text)))


def _escape_text(text: str) -> str:
    # XML parsers convert a literal carriage return to a line feed.
    return escape(encode_field("", clean_text(text)), {"\r": "&#13;"})


def _format_cdata(text: str) -> str:
    html = encode_field("description", clean_text(text)).replace("\r", "&#13;")
    return f"<![CDATA[{html.replace(']]>', ']]]]><![CDATA[>')}]]>"
