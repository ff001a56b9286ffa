"""Add the columns of orders without an account. The release before this one leaves them empty."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import backend.accounts.models


# squawk-ignore ban-drop-not-null: the release before this one does not read the column.
class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0007_staff_search"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="email",
            field=backend.accounts.models.LowercaseEmailField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="Address of a guest.",
                max_length=254,
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="language",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="Language of the mails to a guest.",
                max_length=2,
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="token_digest",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="SHA-256 of the token of a guest's order.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="guest_key",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="SHA-256 of the cart's token and the idempotency key of a guest.",
                max_length=64,
            ),
        ),
        migrations.SeparateDatabaseAndState(
            # Django would drop the foreign key and create it again, which checks all rows.
            [
                migrations.RunSQL(
                    "ALTER TABLE orders_ordercontact ALTER COLUMN user_id DROP NOT NULL",
                    "ALTER TABLE orders_ordercontact ALTER COLUMN user_id SET NOT NULL",
                )
            ],
            [
                migrations.AlterField(
                    model_name="ordercontact",
                    name="user",
                    field=models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                )
            ],
        ),
    ]
