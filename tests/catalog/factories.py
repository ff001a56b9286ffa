"""Create categories, products and images with default values."""

import io
from decimal import Decimal
from itertools import count
from typing import Any

from django.core.files.base import ContentFile
from PIL import Image

from backend.catalog.empty_searches import count_empty_search
from backend.catalog.models import Brand, Category, Characteristic, CharacteristicValue, Product, ProductImage
from backend.catalog.services import create_category, find_free_brand_slugs
from backend.core.redis import PREFIX, get_redis_client

_numbers = count(1)


def make_category(name: str, parent: Category | None = None, **fields: Any) -> Category:
    return create_category(name=name, parent_id=parent.pk if parent else None, **fields)


def make_brand(name: str, **fields: Any) -> Brand:
    return Brand.objects.create(**{"name": name, "slug": find_free_brand_slugs([name])[0], **fields})


def make_product(
    name: str = "",
    category: Category | None = None,
    characteristics: dict[str, str] | None = None,
    **fields: Any,
) -> Product:
    """Create a product in stock. Keys of characteristics are "Name" or "Name (unit)"."""
    number = next(_numbers)
    product = Product.objects.create(
        **{
            "name": name or f"Product {number}",
            "sku": f"SKU-{number}",
            "slug": f"product-{number}",
            "price": Decimal("10.00"),
            "stock": 5,
            "category": category,
            **fields,
        }
    )
    for position, (key, value) in enumerate((characteristics or {}).items()):
        title, _, unit = key.partition(" (")
        characteristic, _ = Characteristic.objects.get_or_create(name=title, unit=unit.rstrip(")"))
        CharacteristicValue.objects.create(
            product=product, characteristic=characteristic, value=value, position=position
        )
    return product


def make_image(product: Product, alt: str = "", position: int = 0) -> ProductImage:
    """Create a product image with a tiny file."""
    content = io.BytesIO()
    Image.new("RGB", (4, 3), "teal").save(content, "PNG")
    return ProductImage.objects.create(
        product=product, file=ContentFile(content.getvalue(), "tiny.png"), alt=alt, position=position
    )


def make_empty_searches(text: str, times: int = 1) -> None:
    """Count a search without results as often as if it were sent again and again after a while."""
    redis = get_redis_client()
    for _ in range(times):
        for key in redis.scan_iter(f"{PREFIX}recent-empty-searches:*"):
            redis.delete(key)
        count_empty_search(text)
