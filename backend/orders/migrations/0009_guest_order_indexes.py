"""Add the indexes and the constraints of orders without an account, while orders can be created."""

from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    ValidateConstraint,
)
from django.db import migrations, models


def add_unique_index(name: str, column: str) -> migrations.SeparateDatabaseAndState:
    """Create a unique index concurrently, which Django's operations cannot do."""
    return migrations.SeparateDatabaseAndState(
        [
            migrations.RunSQL(
                f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON orders_order ({column}) "
                f"WHERE {column} <> ''",
                f"DROP INDEX CONCURRENTLY {name}",
            )
        ],
        [
            migrations.AddConstraint(
                "order",
                models.UniqueConstraint(
                    fields=[column], name=name, condition=models.Q((column, ""), _negated=True)
                ),
            )
        ],
    )


class Migration(migrations.Migration):
    # CREATE INDEX CONCURRENTLY does not run in a transaction.
    atomic = False

    dependencies = [("orders", "0008_guest_orders")]

    operations = [
        add_unique_index("order_once_per_guest_key", "guest_key"),
        add_unique_index("order_of_token", "token_digest"),
        AddIndexConcurrently(
            "order",
            models.Index(
                fields=["email"], name="order_of_guest", condition=models.Q(("email", ""), _negated=True)
            ),
        ),
        AddConstraintNotValid(
            "order",
            models.CheckConstraint(
                condition=models.Q(
                    ("user__isnull", True),
                    models.Q(("email", ""), ("token_digest", "")),
                    _connector="OR",
                ),
                name="order_of_account_or_guest",
            ),
        ),
        ValidateConstraint("order", "order_of_account_or_guest"),
    ]
