from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Let accounts have no language. The column does not change."""

    dependencies = [("accounts", "0007_name_trigrams")]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="language",
            field=models.CharField(
                blank=True,
                choices=settings.LANGUAGES,
                default="",
                help_text="Language of messages and mails. If empty, messages follow the browser.",
                max_length=2,
            ),
        ),
    ]
