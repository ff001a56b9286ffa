"""The bodies of the catalogue's responses in REST."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from backend.catalog import models, selectors
from backend.catalog.renditions import WIDTHS
from backend.core.rest import ResponseModel


class Rendition(ResponseModel):
    """A resized copy of a picture."""

    width: int = Field(description="Width in pixels.")
    height: int = Field(description="Height in pixels.")
    webp: str = Field(description="URL of the WebP file.")
    jpeg: str = Field(description="URL of the JPEG file.")


class Image(ResponseModel):
    """A picture. URLs are immutable and can be cached indefinitely."""

    url: str = Field(description="URL of the original.")
    alt: str = Field(description="Alternative text. Falls back to the name of the product or category.")
    width: int = Field(description="Width of the original, in pixels.")
    height: int = Field(description="Height of the original, in pixels.")
    renditions: list[Rendition] = Field(
        description=f"Resized copies, smallest first: {', '.join(map(str, WIDTHS[:-1]))} and {WIDTHS[-1]} "
        "pixels wide, never wider than the original. Empty for a few seconds after an upload."
    )
    srcset: Annotated[str, BeforeValidator(lambda srcset: srcset())] = Field(
        description="WebP copies for the `srcset` attribute of `<img>`. Only the original until they exist."
    )


class Characteristic(ResponseModel):
    """A characteristic of a product, such as Volume: 350 ml."""

    name: str = Field(description="Name of the characteristic.")
    value: str = Field(description="Value, without the unit.")
    unit: str = Field(description="Unit of the value; empty if it has none.")


def _convert_characteristics(characteristics: list[tuple[str, str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value, "unit": unit} for name, value, unit in characteristics]


class CategoryName(ResponseModel):
    """A reference to a category."""

    id: int = Field(description="Id of the category.")
    name: str = Field(description="Name of the category.")
    slug: str = Field(description="Unique name for URLs.")


class BrandName(ResponseModel):
    """A reference to a brand."""

    id: int = Field(description="Id of the brand.")
    name: str = Field(description="Unique name.")
    slug: str = Field(description="Unique name for URLs.")


class Brand(BrandName):
    """A brand with the texts of its page."""

    description: str = Field(description="Description as plain text; may be empty.")
    seo_title: str = Field(
        description="Title of the page for search engines; empty if staff have not written one."
    )
    seo_description: str = Field(
        description="Description of the page for search engines; empty if staff have not written one."
    )
    product_count: int = Field(
        description="Number of published products of the brand. Exact up to "
        f"{selectors.EXACT_COUNT_LIMIT}; a larger number may be up to twice `CATALOG_CACHE_SECONDS` old, 60 "
        "seconds by default."
    )


class Product(ResponseModel):
    """A product in a list."""

    id: int = Field(description="Id of the product.")
    sku: str = Field(description="Unique stock keeping unit.")
    slug: str = Field(description="Unique name for URLs.")
    name: str = Field(description="Name of the product.")
    description: str = Field(description="Description as plain text; may be empty.")
    price: Decimal = Field(
        description="Current price of one unit, with two decimals, in `currency`.", examples=["28.99"]
    )
    compare_at_price: Decimal | None = Field(
        description="Former price in `currency`, shown crossed out; null if the product is not on sale.",
        examples=["34.99"],
    )
    is_on_sale: bool = Field(
        description="True if the product has a `compare_at_price`, so that its price is reduced."
    )
    is_new: bool = Field(
        description="True if the product was created within the last `NEW_PRODUCT_DAYS` days, 30 by default."
    )
    currency: str = Field(description="ISO 4217 code of the currency of the shop.", examples=["RUB"])
    brand: BrandName | None = Field(description="Brand of the product; null if it has none.")
    category: CategoryName | None = Field(description="Category of the product; null if it has none.")
    image: Image | None = Field(description="Main picture; null if there is none.")
    characteristics: Annotated[list[Characteristic], BeforeValidator(_convert_characteristics)] = Field(
        description="Characteristics in display order."
    )
    in_stock: bool = Field(description="True if at least one unit is in stock.")
    available_quantity: int = Field(
        description=f"Number of units in stock, reported as {models.MAX_SHOWN_STOCK} if there are more."
    )


class ProductCard(Product):
    """A product with all its details."""

    images: list[Image] = Field(
        validation_alias="pictures", description="All pictures in order; `image` is the first."
    )
    similar: list[Product] = Field(
        description="Related products that staff have chosen, then products with similar content, most "
        "similar first."
    )
    bought_together: list[Product] = Field(
        description="Products that customers often buy together with this one."
    )
    category_path: list[CategoryName] = Field(
        description="Path from the root category to the category of the product, for breadcrumbs."
    )
    seo_title: str = Field(
        description="Title of the page for search engines; empty if staff have not written one."
    )
    seo_description: str = Field(
        description="Description of the page for search engines; empty if staff have not written one."
    )
    created_at: datetime = Field(description="Creation time of the product.")
    updated_at: datetime = Field(description="Time of the last change.")


@dataclass(frozen=True, slots=True)
class Card:
    """A product with the lists of its card, whose other attributes are those of the product."""

    product: selectors.ProductRow
    category_path: Sequence[selectors.CategoryRow]
    similar: Sequence[selectors.ProductRow]
    bought_together: Sequence[selectors.ProductRow]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.product, name)


class ProductPage(ResponseModel):
    """A page of products."""

    items: list[Product] = Field(description="Products of the page.")
    total: int = Field(
        description="Number of matching products on all pages. Exact up to "
        f"{selectors.EXACT_COUNT_LIMIT}; a larger number may be up to twice `CATALOG_CACHE_SECONDS` old, 60 "
        "seconds by default."
    )
    next_cursor: str | None = Field(description="Value of `cursor` for the next page; null on the last page.")


class CategoryNode(CategoryName):
    """A category with its subtree."""

    image: Image | None = Field(
        validation_alias="picture", description="Picture of the category; null if it has none."
    )
    product_count: int = Field(
        description="Number of published products in the category and all its subcategories. Exact if all "
        f"numbers add up to at most {selectors.EXACT_COUNT_LIMIT}; otherwise they may be up to "
        "twice `CATALOG_CACHE_SECONDS` old, 60 seconds by default."
    )
    children: list["CategoryNode"] = Field(description="Direct subcategories, in the order chosen by staff.")
