"""Export of products as feeds. Importing an export changes nothing."""

import gzip
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO, Literal, TextIO, cast
from xml.sax.saxutils import escape

from django.conf import settings
from django.db.models import Prefetch, QuerySet

from backend.catalog.models import Category, Characteristic, Product, ProductImage
from backend.core.text import clean_text
from backend.feeds.cells import (
    ATTRIBUTES,
    COLUMNS,
    SECTION,
    format_details,
    format_label,
    format_list,
    format_path,
    join_path,
)
from backend.feeds.planning import current_characteristics

Format = Literal["tsv", "csv", "xml"]
FORMATS: tuple[Format, ...] = ("tsv", "csv", "xml")
CONTENT_TYPES: dict[Format, str] = {
    "tsv": "text/tab-separated-values; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "xml": "application/xml; charset=utf-8",
}
_BATCH_SIZE = 500
_XML_START = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0">
<channel>
<title>Products</title>
<link></link>
<description></description>
"""
_XML_END = "</channel>\n</rss>\n"


@dataclass(slots=True)
class _ExportedProduct:
    """The cells of a product. Cells with several values are lists, which each format writes differently."""

    cells: dict[str, str]
    pictures: list[str]
    alts: list[str]
    path: list[str]
    details: list[tuple[str, str, str]]


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
        format: "tsv", "csv" or "xml" (RSS 2.0).
        link_prefix: URL before the slug in `link`. Without it, `link` is the slug alone, which Lavka
            accepts but Google does not.
        image_link: returns the link of a picture; its storage name by default, which an import recognizes.
    """
    columns = _used_columns()
    link_of = image_link or (lambda image: image.file.name or "")
    exported = _exported_products(products, link_prefix, link_of)
    if format == "xml":
        yield _XML_START
        yield from (_item(columns, product) for product in exported)
        yield _XML_END
    else:
        delimiter = "\t" if format == "tsv" else ","
        yield delimiter.join(columns) + "\n"
        yield from (_line(columns, product, delimiter) for product in exported)


def _used_columns() -> list[str]:
    """Return all columns except attributes that no product has."""
    used = set(Characteristic.objects.filter(unit="").values_list("name", flat=True))
    return [column for column in COLUMNS if column not in ATTRIBUTES or ATTRIBUTES[column] in used]


def _exported_products(
    products: QuerySet[Product], link_prefix: str, link_of: Callable[[ProductImage], str]
) -> Iterator[_ExportedProduct]:
    paths = _category_paths()
    images = Prefetch("images", ProductImage.objects.order_by("position", "id"))
    # Batches by id keep no transaction open while a slow client downloads.
    query = products.order_by("pk").defer("search_vector").prefetch_related(images)
    last = 0
    while batch := list(query.filter(pk__gt=last)[:_BATCH_SIZE]):
        if any(product.category_id not in paths for product in batch):
            # Staff have edited the tree since it was read. The products can have moved too: read them again.
            paths = _category_paths()
            continue
        for product in batch:
            yield _export(product, paths, link_prefix, link_of)
        last = batch[-1].pk


def _category_paths() -> dict[int | None, list[str]]:
    paths: dict[int | None, list[str]] = {None: []}
    rows = Category.objects.order_by("tree_id", "lft").values_list("id", "parent_id", "name")
    for category_id, parent_id, name in rows:
        paths[category_id] = [*paths.get(parent_id, []), name]
    return paths


def _export(
    product: Product,
    paths: dict[int | None, list[str]],
    link_prefix: str,
    link_of: Callable[[ProductImage], str],
) -> _ExportedProduct:
    images = list(product.images.all())
    entries = current_characteristics(product)
    attributes = {name: value for name, value, unit in entries if not unit}
    cells = {
        "id": product.sku,
        "title": product.name,
        "description": product.description,
        "link": link_prefix + product.slug,
        "availability": "in_stock" if product.stock else "out_of_stock",
        "quantity": str(product.stock),
        "price": f"{product.price} {settings.SHOP_CURRENCY}",
        "status": "active" if product.is_published else "archived",
    }
    cells |= {column: attributes.get(name, "") for column, name in ATTRIBUTES.items()}
    return _ExportedProduct(
        cells=cells,
        pictures=[link_of(image) for image in images],
        alts=[image.alt for image in images] if any(image.alt for image in images) else [],
        path=paths[product.category_id],
        details=_details(entries),
    )


def _details(entries: list[list[str]]) -> list[tuple[str, str, str]]:
    """Return the entries of `product_detail`: those without a column of their own.

    If the product's display order differs from the order in which an import would restore them, all
    entries are returned, because `product_detail` preserves the order.
    """
    names = list(ATTRIBUTES.values())
    in_columns = [entry for entry in entries if not entry[2] and entry[0] in names]
    others = [entry for entry in entries if entry not in in_columns]
    ordered = sorted(in_columns, key=lambda entry: names.index(entry[0])) + others
    return [(name, unit, value) for name, value, unit in (others if ordered == entries else entries)]


def _line(columns: list[str], product: _ExportedProduct, delimiter: str) -> str:
    cells = product.cells | {
        "image_link": product.pictures[0] if product.pictures else "",
        "additional_image_link": format_list(product.pictures[1:]),
        "image_alt": format_list(product.alts),
        "product_type": format_path(product.path),
        "product_detail": format_details(product.details),
    }
    return delimiter.join(_cell(cells[column], delimiter) for column in columns) + "\n"


def _cell(text: str, delimiter: str) -> str:
    if delimiter in text or '"' in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def _item(columns: Iterable[str], product: _ExportedProduct) -> str:
    repeated = {
        "image_link": product.pictures[:1],
        "additional_image_link": product.pictures[1:],
        "image_alt": [format_list(product.alts)],
        "product_type": [join_path(product.path)],
    }
    lines = []
    for column in columns:
        if column == "product_detail":
            elements = [_detail_element(*detail) for detail in product.details]
        else:
            elements = [_xml_text(text) for text in repeated.get(column, [product.cells.get(column, "")])]
        # Like an empty cell, an empty element clears the value. A missing element would keep it.
        lines += [f"<g:{column}>{element}</g:{column}>\n" for element in elements or [""]]
    return f"<item>\n{''.join(lines)}</item>\n"


def _detail_element(name: str, unit: str, value: str) -> str:
    parts = (
        ("section_name", SECTION),
        ("attribute_name", format_label(name, unit)),
        ("attribute_value", value),
    )
    return "".join(f"<g:{part}>{_xml_text(text)}</g:{part}>" for part, text in parts)


def _xml_text(text: str) -> str:
    # XML parsers convert a literal carriage return to a line feed.
    return escape(clean_text(text), {"\r": "&#13;"})


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
