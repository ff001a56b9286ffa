"""Admin pages of the catalogue."""

from backend.catalog.admin.brands import BrandAdmin
from backend.catalog.admin.categories import CategoryAdmin
from backend.catalog.admin.characteristics import CharacteristicAdmin
from backend.catalog.admin.products import ProductAdmin

__all__ = ["BrandAdmin", "CategoryAdmin", "CharacteristicAdmin", "ProductAdmin"]
