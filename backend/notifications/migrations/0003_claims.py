import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0002_finished_emails")]

    operations = [
        migrations.AddField(
            model_name="outgoingemail",
            name="claimed_at",
            field=models.DateTimeField(blank=True, null=True, help_text="Start of the last attempt."),
        ),
        # The others change no column.
        migrations.AlterField(
            model_name="outgoingemail",
            name="status",
            field=models.CharField(
                choices=[
                    ("queued", "Queued"),
                    ("sending", "Sending"),
                    ("retrying", "Retrying"),
                    ("sent", "Sent"),
                    ("failed", "Failed"),
                    ("skipped", "Skipped"),
                ],
                default="queued",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="outgoingemail",
            name="due_at",
            field=models.DateTimeField(
                default=django.utils.timezone.now,
                help_text="Time when the task is published again, if the mail is not finished.",
            ),
        ),
        migrations.AlterField(
            model_name="outgoingemail",
            name="last_error",
            field=models.CharField(
                blank=True,
                help_text="Class of the error, and the code of the mail server's response.",
                max_length=500,
            ),
        ),
        migrations.CreateModel(
            name="FailedEmail",
            fields=[],
            options={"proxy": True, "indexes": [], "constraints": []},
            bases=("notifications.outgoingemail",),
        ),
    ]
