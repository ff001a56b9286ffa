"""Recommendations as the last build computed them, related products that staff have chosen, and clicks."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.carts.models import MAX_RECOMMENDED_BY_LENGTH, RecommendationList
from backend.catalog.models import Product

# The number of related products that staff can choose for a product.
MAX_RELATED_PRODUCTS = 20


class Recommendation(models.Model):
    """A product to show with another product.

    Rows have no foreign key constraints. Reads join the products and therefore skip deleted ones. The next
    build removes the rows of deleted products.
    """

    class Kind(models.TextChoices):
        SIMILAR = "similar", _("Similar")
        BOUGHT_TOGETHER = "together", _("Bought Together")
        COMPLEMENT = "complement", _("Complement")

    pk = models.CompositePrimaryKey("kind", "subject_id", "other_id")
    kind = models.CharField(max_length=10, choices=Kind)
    subject_id = models.BigIntegerField(help_text=_("Id of the product that `other` is shown with."))
    other = models.ForeignKey(
        Product, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="recommended"
    )
    score = models.FloatField()

    def __str__(self) -> str:
        return f"{self.other_id} with {self.subject_id} ({self.kind})"


class RelatedProduct(models.Model):
    """A product that staff have chosen to show first among those that are similar to another product.

    A transaction that adds rows first locks the product with `lock_products`, so that concurrent ones do not
    exceed `MAX_RELATED_PRODUCTS` together.
    """

    # The unique constraint has an index by product.
    product = models.ForeignKey(Product, models.CASCADE, db_index=False, related_name="related_products")
    related = models.ForeignKey(Product, models.CASCADE, verbose_name=_("related product"), related_name="+")
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["product", "related"], name="related_product_once"),
            models.CheckConstraint(
                condition=~models.Q(product=models.F("related")),
                name="product_not_related_to_itself",
                violation_error_message=_("A product cannot be related to itself."),
            ),
        ]

    def __str__(self) -> str:
        return str(self.related)


class ClickCount(models.Model):
    """The number of clicks of a day on the products of a kind of list."""

    pk = models.CompositePrimaryKey("day", "recommended_by")
    day = models.DateField()
    recommended_by = models.CharField(max_length=MAX_RECOMMENDED_BY_LENGTH, choices=RecommendationList)
    clicks = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return f"{self.clicks} of {self.recommended_by} on {self.day}"


class ModelVersion(models.Model):
    """The version of the recommendations in the table; a single row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    version = models.PositiveBigIntegerField(default=0)
    built_at = models.DateTimeField(default=timezone.now)
    last_order_id = models.BigIntegerField(
        default=0,
        help_text=_(
            "Id of the newest order that is included. "
            "Orders placed during the build are included in the next one."
        ),
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_model_version")]

    def __str__(self) -> str:
        return f"Version {self.version}"
