"""Categories, products, characteristics, pictures and the listing index.

Database triggers (migration 0002) maintain two derived values: `Product.characteristics`, from the rows of
`CharacteristicValue`, and `ListingEntry`, from products and the category tree. Database functions (migration
0006) compute what search and the sort by name use.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVectorField
from django.core.files.images import ImageFile
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Func, Value
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from mptt.managers import TreeManager
from mptt.models import MPTTModel, TreeForeignKey

from backend.catalog.renditions import Picture
from backend.core.identifiers import encode_global_id
from backend.core.text import CleanCharField, CleanTextField

MAX_PRICE = Decimal("9999999999.99")

# The largest stock that the APIs reveal.
MAX_SHOWN_STOCK = 50

# `ListingEntry.ancestor_id` of the entries that list the whole shop.
WHOLE_SHOP = 0

# The task of a picture without renditions is enqueued again after this time.
RENDITIONS_STALE_AFTER = timedelta(minutes=10)


def renditions_due() -> datetime:
    """Return the time by which a picture stored now should have renditions."""
    return timezone.now() + RENDITIONS_STALE_AFTER


class RenditionState(models.Model):
    """The rendition state of a picture, so that no request has to read the storage."""

    renditions = ArrayField(
        models.PositiveIntegerField(),
        default=list,
        blank=True,
        editable=False,
        help_text=_("Nominal widths (`renditions.WIDTHS`) of the renditions that exist, in every format."),
    )
    renditions_due_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text=_("When to make the renditions or retry; null when there is nothing to do."),
    )
    renditions_attempts = models.PositiveIntegerField(default=0, editable=False)

    COLUMNS = ("renditions", "renditions_due_at", "renditions_attempts")

    class Meta:
        abstract = True

    def reset_renditions(self) -> None:
        """Mark a new picture as waiting for renditions. Does not save."""
        self.renditions, self.renditions_due_at, self.renditions_attempts = [], renditions_due(), 0


def _index_renditions_due(name: str) -> models.Index:
    waiting = models.Q(renditions_due_at__isnull=False)
    return models.Index(fields=["renditions_due_at"], name=f"{name}_renditions_due", condition=waiting)


class SearchEngineTexts(models.Model):
    """Title and description of a page for search engines."""

    seo_title = CleanCharField(
        "SEO title",
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text=_("The title in search engines, which show about 60 characters. If empty, it is the name."),
    )
    seo_description = CleanCharField(
        "SEO description",
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text=_("The text below the title in search engines, which show about 160 characters."),
    )

    class Meta:
        abstract = True


class Category(MPTTModel, RenditionState, SearchEngineTexts):  # type: ignore[django-manager-missing]
    """A node of the category tree. Siblings are in the order chosen by staff."""

    name = CleanCharField(max_length=200)
    slug = models.SlugField(max_length=200, unique=True)
    parent = TreeForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    # Without width_field: Django would open the file of every category whose size is unknown.
    image = models.ImageField(upload_to="categories", blank=True)
    image_alt = CleanCharField(
        "alternative text",
        max_length=255,
        blank=True,
        help_text=_("Describes the picture for screen readers. If empty, the name of the category is used."),
    )
    image_width = models.PositiveIntegerField(default=0, editable=False)
    image_height = models.PositiveIntegerField(default=0, editable=False)

    objects: ClassVar[Any] = TreeManager()

    class Meta:
        verbose_name_plural = _("categories")
        ordering = ["tree_id", "lft"]
        indexes = [
            models.Index(fields=["tree_id", "lft"], name="category_tree"),
            models.Index(fields=["level"], name="category_level"),
            _index_renditions_due("category"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["parent", "name"],
                name="category_name_unique_among_siblings",
                nulls_distinct=False,
                violation_error_message=_("The parent already has a category with this name."),
            ),
            # A trigger refuses longer cycles.
            models.CheckConstraint(
                condition=~models.Q(parent=models.F("id")),
                name="category_not_below_itself",
                violation_error_message=_("A category cannot be its own parent."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def set_image(self, file: ImageFile | None) -> None:
        """Set or remove the image and its size. Does not save."""
        self.image = file
        self.image_width, self.image_height = (file.width, file.height) if file else (0, 0)
        self.reset_renditions()
        if not file:
            self.renditions_due_at = None

    @property
    def global_id(self) -> str:
        """The opaque id in GraphQL."""
        return encode_global_id("Category", self.pk)

    @property
    def picture(self) -> Picture | None:
        """The image as both APIs return it; None without an image or if its size is unknown."""
        if not (self.image and self.image_width):
            return None
        return Picture(
            name=self.image.name or "",
            alt=self.image_alt or self.name,
            width=self.image_width,
            height=self.image_height,
            widths=self.renditions,
        )


def make_folded_text(name: str) -> Func:
    """Return an expression for a column as `fold_text` folds it."""
    return Func(name, function="catalog_fold_text", output_field=models.TextField())


def make_similarity_name(name: str) -> Func:
    """Return an expression for a product name in the form that trigrams compare. It replaces ё by е."""
    return Func(
        F(name), Value("ёЁ-/_"), Value("еЕ   "), function="translate", output_field=models.TextField()
    )


def make_typo_keys(name: str) -> Func:
    """Return an expression for the words of a product name, and these words with one letter left out."""
    return Func(name, function="catalog_typo_keys", output_field=ArrayField(models.TextField()))


def get_new_since() -> datetime:
    """Return the earliest creation time of a new product, by the setting `NEW_PRODUCT_DAYS`.

    It changes once an hour, so that product counts can be cached. With 0 days, no product is new.
    """
    if not settings.NEW_PRODUCT_DAYS:
        return datetime.max.replace(tzinfo=UTC)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    return hour - timedelta(days=settings.NEW_PRODUCT_DAYS)


class Brand(SearchEngineTexts):
    """A brand of products, with a page of its own."""

    name = CleanCharField(max_length=255)
    slug = models.SlugField(max_length=255, unique=True)
    description = CleanTextField(blank=True, max_length=20_000)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                make_folded_text("name"),
                name="brand_name_unique",
                violation_error_message=_("Another brand has this name."),
            )
        ]
        indexes = [models.Index(fields=["name", "id"], name="brand_by_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def global_id(self) -> str:
        """The opaque id in GraphQL."""
        return encode_global_id("Brand", self.pk)


class Product(SearchEngineTexts):
    """A product, priced in the currency of the shop (`SHOP_CURRENCY`)."""

    sku = CleanCharField("SKU", max_length=64, unique=True)
    slug = models.SlugField(max_length=255, unique=True)
    name = CleanCharField(max_length=255)
    description = CleanTextField(blank=True, max_length=20_000)
    category = TreeForeignKey(Category, models.PROTECT, null=True, blank=True, related_name="products")
    brand = models.ForeignKey(
        Brand, models.PROTECT, null=True, blank=True, db_index=False, related_name="products"
    )
    price = models.DecimalField(max_digits=12, decimal_places=2, validators=[MinValueValidator(0)])
    compare_at_price = models.DecimalField(
        "compare-at price",
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("The former price, shown crossed out. It must be above the price."),
    )
    stock = models.PositiveIntegerField(default=0)
    is_published = models.BooleanField("published", default=True)
    popularity = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text=_("Units sold in the last 30 days; the key of the sort by popularity."),
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    # [[name, value, unit], …] in display order, maintained by triggers from CharacteristicValue.
    characteristics = models.JSONField(default=list, db_default=Value([], models.JSONField()), editable=False)
    search_vector = models.GeneratedField(
        expression=Func(
            "name",
            "sku",
            "characteristics",
            "description",
            function="catalog_search_vector",
            output_field=SearchVectorField(),
        ),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(price__gte=0), name="product_price_not_negative"),
            models.CheckConstraint(
                condition=models.Q(compare_at_price__isnull=True)
                | models.Q(compare_at_price__gt=models.F("price")),
                name="product_compare_at_price_above_price",
                violation_error_message=_("The compare-at price must be above the price."),
            ),
            models.CheckConstraint(condition=models.Q(stock__gte=0), name="product_stock_not_negative"),
        ]
        indexes = [
            models.Index(fields=["brand"], name="product_brand"),
            GinIndex(fields=["search_vector"], name="product_search"),
            GinIndex(
                OpClass(make_similarity_name("name"), name="gin_trgm_ops"), name="product_name_trigrams"
            ),
            GinIndex(OpClass(make_typo_keys("name"), name="array_ops"), name="product_name_typos"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def global_id(self) -> str:
        """The opaque id in GraphQL."""
        return encode_global_id("Product", self.pk)

    @property
    def in_stock(self) -> bool:
        """True if the stock is above 0."""
        return self.stock > 0

    @property
    def available_quantity(self) -> int:
        """The stock, capped so that competitors cannot read it."""
        return min(self.stock, MAX_SHOWN_STOCK)

    @property
    def is_on_sale(self) -> bool:
        """True if the price is reduced: the product has a compare-at price."""
        return self.compare_at_price is not None

    @property
    def is_new(self) -> bool:
        """True if the product was created in the last `NEW_PRODUCT_DAYS` days."""
        return self.created_at >= get_new_since()

    @property
    def currency(self) -> str:
        """The ISO 4217 code of the shop's currency."""
        return settings.SHOP_CURRENCY

    @property
    def image(self) -> Picture | None:
        """The first picture, or None. Uses prefetched images."""
        first = next(iter(self.images.all()), None)
        return first.picture if first else None

    @property
    def pictures(self) -> list[Picture]:
        """All pictures in order. Uses prefetched images."""
        return [image.picture for image in self.images.all()]


class Characteristic(models.Model):
    """A property of products, such as "Volume" in ml."""

    name = CleanCharField(max_length=100)
    unit = CleanCharField(max_length=20, blank=True)
    position = models.PositiveIntegerField(default=0, help_text=_("Order among the filters."))
    is_facet = models.BooleanField("offered as a filter", default=True)

    class Meta:
        ordering = ["position", "name", "unit"]
        constraints = [
            models.UniqueConstraint(fields=["name", "unit"], name="characteristic_name_unit_unique")
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.unit}" if self.unit else self.name


class CharacteristicValue(models.Model):
    """The value of a characteristic of a product.

    A transaction that writes values first locks their products with `locks.lock_products`, unless it has
    created these products itself.
    """

    product = models.ForeignKey(Product, models.CASCADE, related_name="characteristic_values")
    characteristic = models.ForeignKey(Characteristic, models.PROTECT, related_name="values")
    value = CleanCharField(max_length=255)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "characteristic__position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["product", "characteristic"], name="characteristic_once_per_product"
            )
        ]
        indexes = [
            models.Index(fields=["characteristic", "value", "product"], name="characteristic_value_product")
        ]

    def __str__(self) -> str:
        return f"{self.characteristic}: {self.value}"


class ProductImage(RenditionState):
    """A picture of a product. Lists show the one with the lowest position."""

    product = models.ForeignKey(Product, models.CASCADE, related_name="images")
    file = models.ImageField(upload_to="products", width_field="width", height_field="height")
    alt = CleanCharField(
        "alternative text",
        max_length=255,
        blank=True,
        help_text=_("Describes the picture for screen readers. If empty, the name of the product is used."),
    )
    position = models.PositiveIntegerField(default=0)
    width = models.PositiveIntegerField(editable=False)
    height = models.PositiveIntegerField(editable=False)
    sha256 = models.CharField(
        max_length=64, editable=False, help_text=_("Hexadecimal SHA-256 digest of the file.")
    )
    renditions_due_at = models.DateTimeField(null=True, default=renditions_due, editable=False)

    class Meta:
        ordering = ["position", "id"]
        indexes = [
            models.Index(fields=["product", "position", "id"], name="image_order"),
            _index_renditions_due("image"),
        ]

    def __str__(self) -> str:
        return self.alt or str(self.file)

    @property
    def picture(self) -> Picture:
        """The picture as both APIs return it. Uses the loaded product."""
        return Picture(
            name=self.file.name or "",
            alt=self.alt or self.product.name,
            width=self.width,
            height=self.height,
            widths=self.renditions,
        )


class ListingEntry(models.Model):
    """An entry of the listing index: a published product, an ancestor category and the sort keys.

    Each product has an entry for its category, for every category above that and for `WHOLE_SHOP`. A page
    of any category is a range scan of one index. Only triggers write entries; foreign key constraints
    would repeat their work.
    """

    pk = models.CompositePrimaryKey("ancestor_id", "product_id")
    ancestor_id = models.BigIntegerField()
    product = models.ForeignKey(Product, models.DO_NOTHING, db_constraint=False, related_name="+")
    price = models.DecimalField(max_digits=12, decimal_places=2)
    # Sorts bytewise in the order of the Unicode collation; see `catalog_name_key` in migration 0006.
    name_key = models.TextField(db_collation="C")
    created_at = models.DateTimeField()
    popularity = models.IntegerField()
    in_stock = models.BooleanField()
    # In hundredths of a percent of the compare-at price, 1 to 10,000; 0 for a product that is not on sale.
    discount_rate = models.SmallIntegerField(db_default=0)

    class Meta:
        indexes = [
            models.Index(fields=["ancestor_id", key, "product"], name=f"listing_by_{name}")
            for key, name in [
                ("price", "price"),
                ("name_key", "name"),
                ("created_at", "date"),
                ("popularity", "sales"),
                ("discount_rate", "discount"),
            ]
        ]

    def __str__(self) -> str:
        return f"{self.product_id} under {self.ancestor_id}"
