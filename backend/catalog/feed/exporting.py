"""Writes the catalogue as a product feed that `importing` takes back without changing anything."""

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

from backend.catalog.feed.cells import (
    ATTRIBUTES,
    COLUMNS,
    SECTION,
    clean,
    format_details,
    format_label,
    format_list,
    format_path,
    path_text,
)
from backend.catalog.feed.planning import shown_characteristics
from backend.catalog.models import Category, Characteristic, Product, ProductImage

Format = Literal["tsv", "csv", "xml"]
FORMATS: tuple[Format, ...] = ("tsv", "csv", "xml")
CONTENT_TYPES: dict[Format, str] = {
    "tsv": "text/tab-separated-values; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "xml": "application/xml; charset=utf-8",
}
_CHUNK = 500
_XML_START = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0">
<channel>
<title>Products</title>
<link></link>
<description></description>
"""
_XML_END = "</channel>\n</rss>\n"


@dataclass(slots=True)
class _Exported:
    """One product as the values of its columns; those that hold several are lists here."""

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
    """Yield the feed of some products piece by piece.

    Args:
        products: their own order does not count, they come by id.
        format: "tsv", "csv" or "xml" (RSS 2.0).
        link_prefix: what a product's address has before its slug; without it `link` is the slug alone,
            which this shop reads but Google does not.
        image_link: makes the link of a picture; its name in the storage by default, by which this shop
            knows it again.
    """
    columns = _used_columns()
    link_of = image_link or (lambda image: image.file.name or "")
    exported = _exported(products, link_prefix, link_of)
    if format == "xml":
        yield _XML_START
        yield from (_item(columns, product) for product in exported)
        yield _XML_END
    else:
        delimiter = "\t" if format == "tsv" else ","
        yield delimiter.join(columns) + "\n"
        yield from (_line(columns, product, delimiter) for product in exported)


def _used_columns() -> list[str]:
    """All columns but those of attributes that no product can have."""
    used = set(Characteristic.objects.filter(unit="").values_list("name", flat=True))
    return [column for column in COLUMNS if column not in ATTRIBUTES or ATTRIBUTES[column] in used]


def _exported(
    products: QuerySet[Product], link_prefix: str, link_of: Callable[[ProductImage], str]
) -> Iterator[_Exported]:
    paths = _category_paths()
    images = Prefetch("images", ProductImage.objects.order_by("position", "id"))
    # By id and in pieces: no transaction stays open however long the reader takes.
    query = products.order_by("pk").defer("search_vector").prefetch_related(images)
    last = 0
    while chunk := list(query.filter(pk__gt=last)[:_CHUNK]):
        if any(product.category_id not in paths for product in chunk):
            # Staff have edited the tree. The products are read again too: theirs may be gone by now.
            paths = _category_paths()
            continue
        for product in chunk:
            yield _export(product, paths, link_prefix, link_of)
        last = chunk[-1].pk


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
) -> _Exported:
    images = list(product.images.all())
    entries = shown_characteristics(product)
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
    return _Exported(
        cells=cells,
        pictures=[link_of(image) for image in images],
        alts=[image.alt for image in images] if any(image.alt for image in images) else [],
        path=paths[product.category_id],
        details=_details(entries),
    )


def _details(entries: list[list[str]]) -> list[tuple[str, str, str]]:
    """What `product_detail` has to say: what has no column of its own, or everything where the
    product shows its characteristics in another order than the columns would bring them back in."""
    names = list(ATTRIBUTES.values())
    in_columns = [entry for entry in entries if not entry[2] and entry[0] in names]
    others = [entry for entry in entries if entry not in in_columns]
    ordered = sorted(in_columns, key=lambda entry: names.index(entry[0])) + others
    return [(name, unit, value) for name, value, unit in (others if ordered == entries else entries)]


def _line(columns: list[str], product: _Exported, delimiter: str) -> str:
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


def _item(columns: Iterable[str], product: _Exported) -> str:
    repeated = {
        "image_link": product.pictures[:1],
        "additional_image_link": product.pictures[1:],
        "image_alt": [format_list(product.alts)],
        "product_type": [path_text(product.path)],
    }
    lines = []
    for column in columns:
        if column == "product_detail":
            elements = [_detail_element(*detail) for detail in product.details]
        else:
            elements = [_xml_text(text) for text in repeated.get(column, [product.cells.get(column, "")])]
        # An empty element clears, as an empty cell does; without one the product would keep what it has.
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
    # A parser turns a plain carriage return into a line feed.
    return escape(clean(text), {"\r": "&#13;"})


class PictureCopies:
    """Links pictures by their names in the storage, and copies them there beside a feed.

    Args:
        folder: of the feed.
    """

    def __init__(self, folder: Path) -> None:
        self.problems: list[str] = []
        self._folder = folder.resolve()

    def __call__(self, image: ProductImage) -> str:
        """Copy a picture unless it is there, and return its link. A failure is noted and no more."""
        name = image.file.name or ""
        target = (self._folder / name).resolve()
        try:
            if not target.is_relative_to(self._folder):
                raise OSError("its name leads out of the feed's folder")
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                with image.file.storage.open(name) as source, target.open("wb") as copy:
                    copyfileobj(source, copy)
        except Exception as error:  # each storage has errors of its own
            self.problems.append(f"{name}: {error}")
        return name


@contextmanager
def feed_file(path: Path) -> Iterator[TextIO]:
    """Open a feed for writing, gzipped when its name ends with .gz; what was there before stays until
    the new one is complete."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as raw:
            packed = cast(BinaryIO, gzip.GzipFile("", "wb", fileobj=raw)) if path.suffix == ".gz" else raw
            with io.TextIOWrapper(packed, encoding="utf-8", newline="") as text:
                yield text
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
