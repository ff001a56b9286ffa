"""Record when sessions were refreshed. Sessions without a time have not been refreshed since."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_session_password_digest")]

    operations = [
        migrations.AddField(
            model_name="session",
            name="refreshed_at",
            field=models.DateTimeField(help_text="Time of the last refresh; null before the first.", null=True),
        ),
    ]
