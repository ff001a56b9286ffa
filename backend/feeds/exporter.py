"""Export of products as feeds. Importing an export changes nothing."""

import gzip
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO, Literal, TextIO, cast
from xml.sax.saxutils import escape

from django.conf import settings
from django.db.models import QuerySet

from backend.catalog.labels import format_label
from backend.catalog.models import Brand, Characteristic, Product, ProductImage
from backend.core.text import clean_text
from backend.feeds.cells import (
    ATTRIBUTES,
    BRAND,
    EXPORTED_COLUMNS,
    SECTION,
    format_details,
    format_list,
    format_path,
    join_path,
)
from backend.feeds.exported_products import ExportedProduct, read_exported_products
from backend.feeds.markup import encode_field
from backend.feeds.yml_export import format_yml

Format = Literal["tsv", "csv", "xml", "yml"]
FORMATS: tuple[Format, ...] = ("tsv", "csv", "xml", "yml")
CONTENT_TYPES: dict[Format, str] = {
    "tsv": "text/tab-separated-values; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "xml": "application/xml; charset=utf-8",
    "yml": "application/xml; charset=utf-8",
}
_ATTRIBUTE_NAMES = tuple(ATTRIBUTES.values())
_XML_START = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0">
<channel>
<title>Products</title>
<link></link>
<description></description>
"""
_XML_END = "</channel>\n</rss>\n"


def export_feed(
    products: QuerySet[Product],
    format: Format = "tsv",
    *,
    link_prefix: str = "",
    image_link: Callable[[ProductImage], str] | None = None,
) -> Iterator[str]:
    """Yield a feed of products, ordered by id, in pieces.

    Args:
        products: a queryset without an order or a slice.
        format: "tsv", "csv", "xml" (RSS 2.0) or "yml" (Yandex Market).
        link_prefix: URL before the slug in `link`. Without it, `link` is the slug alone, which Lavka
            accepts but Google does not.
        image_link: returns the link of a picture; its storage name by default, which an import recognizes.
    """
    exported = read_exported_products(products, image_link or (lambda image: image.file.name or ""))
    if format == "yml":
        yield from format_yml(exported, link_prefix=link_prefix)
        return
    columns = _find_used_columns()
    if format == "xml":
        yield _XML_START
        yield from (_format_item(columns, product, link_prefix) for product in exported)
        yield _XML_END
    else:
        delimiter = "\t" if format == "tsv" else ","
        yield delimiter.join(columns) + "\n"
        yield from (_format_line(columns, product, link_prefix, delimiter) for product in exported)


def _find_used_columns() -> list[str]:
    """Return all columns except attributes that no product has."""
    used = set(Characteristic.objects.filter(unit="").values_list("name", flat=True))
    if Brand.objects.exists():
        used.add(BRAND)
    return [column for column in EXPORTED_COLUMNS if column not in ATTRIBUTES or ATTRIBUTES[column] in used]


def _format_cells(exported: ExportedProduct, link_prefix: str) -> dict[str, str]:
    """Return the cells with a single value, by column."""
    product = exported.product
    price, sale_price = product.price, None
    if product.compare_at_price is not None:
        price, sale_price = product.compare_at_price, product.price
    cells = {
        "id": product.sku,
        "title": product.name,
        "description": product.description,
        "link": link_prefix + product.slug,
        "availability": "in_stock" if product.stock else "out_of_stock",
        "quantity": str(product.stock),
        "price": f"{price} {settings.SHOP_CURRENCY}",
        "sale_price": "" if sale_price is None else f"{sale_price} {settings.SHOP_CURRENCY}",
        "status": "active" if product.is_published else "archived",
    }
    attributes = exported.attributes
    return cells | {column: attributes.get(name, "") for column, name in ATTRIBUTES.items()}


def _format_line(columns: list[str], product: ExportedProduct, link_prefix: str, delimiter: str) -> str:
    cells = _format_cells(product, link_prefix) | {
        "image_link": product.pictures[0] if product.pictures else "",
        "additional_image_link": format_list(product.pictures[1:]),
        "image_alt": format_list(product.alts),
        "product_type": format_path(product.path),
        "product_detail": format_details(product.select_details(_ATTRIBUTE_NAMES)),
    }
    return (
        delimiter.join(_format_cell(encode_field(column, cells[column]), delimiter) for column in columns)
        + "\n"
    )


def _format_cell(text: str, delimiter: str) -> str:
    if delimiter in text or '"' in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def _format_item(columns: Iterable[str], product: ExportedProduct, link_prefix: str) -> str:
    cells = _format_cells(product, link_prefix)
    repeated = {
        "image_link": product.pictures[:1],
        "additional_image_link": product.pictures[1:],
        "image_alt": [format_list(product.alts)],
        "product_type": [join_path(product.path)],
    }
    lines = []
    for column in columns:
        if column == "product_detail":
            elements = [_format_detail(*detail) for detail in product.select_details(_ATTRIBUTE_NAMES)]
        else:
            elements = [
                _format_xml_text(column, text) for text in repeated.get(column, [cells.get(column, "")])
            ]
        # Like an empty cell, an empty element clears the value. A missing element would keep it.
        lines += [f"<g:{column}>{element}</g:{column}>\n" for element in elements or [""]]
    return f"<item>\n{''.join(lines)}</item>\n"


def _format_detail(name: str, unit: str, value: str) -> str:
    parts = (
        ("section_name", SECTION),
        ("attribute_name", format_label(name, unit)),
        ("attribute_value", value),
    )
    return "".join(f"<g:{part}>{_format_xml_text(part, text)}</g:{part}>" for part, text in parts)


def _format_xml_text(name: str, text: str) -> str:
    # XML parsers convert a literal carriage return to a line feed.
    return escape(encode_field(name, clean_text(text)), {"\r": "&#13;"})


class PictureCopier:
    """Copies pictures from the storage into the folder of a feed, under their storage names.

    Attributes:
        problems: the name and reason of every picture that could not be copied.
    """

    def __init__(self, folder: Path) -> None:
        self.problems: list[str] = []
        self._folder = folder.resolve()

    def copy(self, image: ProductImage) -> str:
        """Copy a picture unless the file exists, and return its link. Failures are recorded in `problems`."""
        name = image.file.name or ""
        target = (self._folder / name).resolve()
        try:
            if not target.is_relative_to(self._folder):
                raise OSError("the name leads out of the folder of the feed")
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                with image.file.storage.open(name) as source, target.open("wb") as copy:
                    copyfileobj(source, copy)
        except Exception as error:  # Storages raise errors of their own.
            self.problems.append(f"{name}: {error}")
        return name


@contextmanager
def open_for_writing(path: Path) -> Iterator[TextIO]:
    """Open a feed for writing, gzipped if its name ends with .gz. A complete file replaces the old one."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as raw:
            packed = cast(BinaryIO, gzip.GzipFile("", "wb", fileobj=raw)) if path.suffix == ".gz" else raw
            with io.TextIOWrapper(packed, encoding="utf-8", newline="") as text:
                yield text
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
