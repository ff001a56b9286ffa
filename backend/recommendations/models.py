"""Recommendations as the last build computed them."""

from django.db import models
from django.utils import timezone

from backend.catalog.models import Product


class Recommendation(models.Model):
    """A product to show with another product.

    Rows have no foreign key constraints. Reads join the products and therefore skip deleted ones. The next
    build removes the rows of deleted products.
    """

    class Kind(models.TextChoices):
        SIMILAR = "similar"
        BOUGHT_TOGETHER = "together"
        COMPLEMENT = "complement"

    pk = models.CompositePrimaryKey("kind", "subject_id", "other_id")
    kind = models.CharField(max_length=10, choices=Kind)
    subject_id = models.BigIntegerField(help_text="Id of the product that `other` is shown with.")
    other = models.ForeignKey(
        Product, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="recommended"
    )
    score = models.FloatField()

    def __str__(self) -> str:
        return f"{self.other_id} with {self.subject_id} ({self.kind})"


class ModelVersion(models.Model):
    """The version of the recommendations in the table; a single row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    version = models.PositiveBigIntegerField(default=0)
    built_at = models.DateTimeField(default=timezone.now)
    last_order_id = models.BigIntegerField(
        default=0,
        help_text="Id of the newest order that is included. "
        "Orders placed during the build are included in the next one.",
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_model_version")]

    def __str__(self) -> str:
        return f"Version {self.version}"
