"""What goes with what, as the last build of the model worked it out."""

from django.db import models
from django.utils import timezone

from backend.catalog.models import Product


class Recommendation(models.Model):
    """A product to offer with another one.

    The table is the model: one transaction replaces it, so that nobody reads half of one. Without a
    foreign key constraint: what is deleted drops out where the products are read, and at the next build.
    """

    class Kind(models.TextChoices):
        SIMILAR = "similar"
        BOUGHT_TOGETHER = "together"
        COMPLEMENT = "complement"

    pk = models.CompositePrimaryKey("kind", "subject_id", "other_id")
    kind = models.CharField(max_length=10, choices=Kind)
    subject_id = models.BigIntegerField(help_text="The product that it is offered with.")
    other = models.ForeignKey(
        Product, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="recommended"
    )
    score = models.FloatField()

    def __str__(self) -> str:
        return f"{self.other_id} with {self.subject_id} ({self.kind})"


class ModelVersion(models.Model):
    """Which model is in the table, and what it was made from; one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    version = models.PositiveBigIntegerField(default=0)
    built_at = models.DateTimeField(default=timezone.now)
    last_order_id = models.BigIntegerField(
        default=0, help_text="Orders up to this one are in it, save for those placed while it was built."
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_model_version")]

    def __str__(self) -> str:
        return f"Version {self.version}"
