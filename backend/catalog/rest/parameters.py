"""The parameters of the catalogue's routes in REST, with the bounds that the OpenAPI document states."""

import re
from enum import StrEnum
from typing import Annotated, Any

from django.utils.translation import gettext_lazy as _
from ninja import Schema
from pydantic import BeforeValidator, ConfigDict, Field, StrictBool, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from backend.catalog import models, selectors
from backend.core.errors import TooLong
from backend.core.identifiers import MAX_ID, parse_id
from backend.core.rest import Cursor, PageSize, StrictDecimal, make_money_schema, parse_query_text

# The number of `characteristics` parameters. Request lines have a limit too.
MAX_QUERY_PAIRS = 100
# A label and a value. A backslash escapes colons in the label.
PAIR = re.compile(r"((?:[^:\\]|\\.)*):(.*)", re.DOTALL)


class Sort(StrEnum):
    """Sort orders. Without one, a search is sorted by relevance and other lists newest first."""

    PRICE = "price"
    PRICE_DESCENDING = "-price"
    NAME = "name"
    NEWEST = "newest"
    POPULAR = "popular"
    DISCOUNT = "discount"
    RELEVANCE = "relevance"


SORTS = {
    Sort.PRICE: selectors.ProductSort.PRICE_ASC,
    Sort.PRICE_DESCENDING: selectors.ProductSort.PRICE_DESC,
    Sort.NAME: selectors.ProductSort.NAME,
    Sort.NEWEST: selectors.ProductSort.NEWEST,
    Sort.POPULAR: selectors.ProductSort.POPULAR,
    Sort.DISCOUNT: selectors.ProductSort.DISCOUNT,
    Sort.RELEVANCE: selectors.ProductSort.RELEVANCE,
}


def _wrap_single_values(value: Any) -> Any:
    """Accept a single value as a list of one, and refuse long lists before Pydantic reads their items."""
    if not isinstance(value, dict):
        return value
    if len(value) > selectors.MAX_CHARACTERISTICS:
        raise TooLong(
            _("characteristics must have at most %(maximum)s names, not %(length)s."),
            field="characteristics",
            params={"maximum": selectors.MAX_CHARACTERISTICS, "length": len(value)},
        )
    for values in value.values():
        if isinstance(values, list) and len(values) > selectors.MAX_CHARACTERISTIC_VALUES:
            raise TooLong(
                _("A characteristic must have at most %(maximum)s values, not %(length)s."),
                field="characteristics",
                params={"maximum": selectors.MAX_CHARACTERISTIC_VALUES, "length": len(values)},
            )
    return {name: [values] if isinstance(values, str) else values for name, values in value.items()}


def _check_id_or_slug(value: Any, name: str) -> int | str:
    # JSON has one type of numbers, so 5.0 is an integer.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PydanticCustomError("id_or_slug", "{name} must be an id or a slug.", {"name": name})
    return value


def _list_ids_or_slugs(value: Any) -> Any:
    """Accept a single id or slug as a list of one, and null as an empty list."""
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    if len(values) > selectors.MAX_BRANDS:
        raise TooLong(
            _("A list can be filtered by at most %(maximum)s brands, not %(length)s."),
            field="brand",
            params={"maximum": selectors.MAX_BRANDS, "length": len(values)},
        )
    return [_check_id_or_slug(item, "brand") for item in values]


_TEXT = {"type": "string", "pattern": r"^[^\x00]*$"}
_ID_OR_SLUG = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_ID}, {"type": "string"}]}

_IdOrSlug = Annotated[
    str,
    BeforeValidator(lambda value: str(_check_id_or_slug(value, "category"))),
    WithJsonSchema({**_ID_OR_SLUG, "examples": ["electronics"]}),
]
_Brands = Annotated[
    list[int | str],
    BeforeValidator(_list_ids_or_slugs),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": _ID_OR_SLUG, "maxItems": selectors.MAX_BRANDS},
                {"type": "null"},
            ],
            "examples": [["minnowby"]],
        }
    ),
]
_ID_SCHEMA = WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_ID, "examples": [1]})
ProductId = Annotated[str, _ID_SCHEMA]
BrandId = Annotated[str, _ID_SCHEMA]
_Price = Annotated[StrictDecimal, make_money_schema(models.MAX_PRICE)]
_SearchText = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": selectors.MAX_SEARCH_LENGTH,
            "examples": ["bluetooth headphones"],
        }
    ),
]
_Characteristics = Annotated[
    dict[str, list[str]],
    BeforeValidator(_wrap_single_values),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": selectors.MAX_CHARACTERISTICS,
            "propertyNames": _TEXT,
            "additionalProperties": {
                "anyOf": [
                    _TEXT,
                    {
                        "type": "array",
                        "items": _TEXT,
                        "minItems": 1,
                        "maxItems": selectors.MAX_CHARACTERISTIC_VALUES,
                    },
                ]
            },
            "examples": [{"Color": ["black", "white"], "Connection": "Bluetooth"}],
        }
    ),
]
_Pairs = Annotated[
    list[str],
    WithJsonSchema(
        {
            "type": "array",
            "items": {
                "type": "string",
                "pattern": r"^(?:[^\x00:\\]|\\[^\x00])*:[^\x00]*$",
                "examples": ["Color:black", "Color:white"],
            },
            "maxItems": MAX_QUERY_PAIRS,
        }
    ),
]


class Filters(Schema):
    category: _IdOrSlug | None = Field(
        None, description="Id or slug of a category. Without it, the whole shop is listed."
    )
    include_subcategories: StrictBool = Field(True, description="True to list products of subcategories too.")
    price_min: _Price | None = Field(None, description="Lowest price, inclusive.", examples=["1000"])
    price_max: _Price | None = Field(None, description="Highest price, inclusive.", examples=["19999.99"])
    sort: Sort | None = Field(
        None, description="Sort order. Defaults to `relevance` with a search, else to `newest`."
    )
    search: _SearchText | None = Field(
        None,
        description="Words to search for in names, SKUs, brands, characteristics and descriptions, at most "
        f"{selectors.MAX_SEARCH_LENGTH} characters. The first {selectors.MAX_SEARCH_WORDS} words count. If "
        "no product contains all of them, misspelt words match similar words in names.",
    )
    in_stock: StrictBool | None = Field(
        None,
        description="True lists products in stock, false those out of stock. Without it, both are listed.",
    )
    on_sale: StrictBool | None = Field(
        None,
        description="True lists products on sale, with a `compare_at_price`; false those without. Without "
        "it, both are listed.",
    )
    is_new: StrictBool | None = Field(
        None,
        description="True lists new products, with `is_new`; false older ones. Without it, both are listed.",
    )
    brand: _Brands = Field(
        [],
        description="Ids or slugs of brands. Lists the products of any of them; without it, those of all "
        "brands.",
    )
    limit: PageSize = Field(20, description="Page size, 1 to 100.")
    cursor: Cursor | None = Field(None, description="`next_cursor` of the previous page.")


class ProductsBody(Filters):
    """The products to list."""

    model_config = ConfigDict(
        extra="forbid",
        # Swagger UI prefills the example. Without it, it would prefill placeholders that are refused.
        json_schema_extra={"examples": [{"category": "electronics", "price_max": "10000", "sort": "price"}]},
    )

    characteristics: _Characteristics = Field(
        {},
        description="Accepted values, by `Name` or `Name (unit)` of the characteristic. `Name` stands for "
        "the characteristic without a unit or, if there is none, for those with any unit. To filter by a "
        "name that ends with parentheses, add an empty unit: `Size (EU) ()`. In a unit, write parentheses as "
        "`\\(` and `\\)`.",
    )


EMPTY_PRODUCTS_BODY = ProductsBody.model_validate({})


class ProductsQuery(Filters):
    characteristics: _Pairs = Field(
        [],
        description="`Name:value` or `Name (unit):value`; see `POST /products`. Write a colon in a name as "
        "`\\:`. Repeat the parameter for more values.",
    )

    @field_validator("include_subcategories", "in_stock", "on_sale", "is_new", "limit", mode="before")
    @classmethod
    def _parse_text(cls, value: Any) -> Any:
        return parse_query_text(value)


def parse_category(value: str | None) -> int | str | None:
    """Parse an id or slug. Digits are an id, unless a category has them as its slug."""
    if value is not None and parse_id(value) and not selectors.is_category_slug(value):
        return parse_id(value)
    return value
