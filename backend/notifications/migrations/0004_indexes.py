from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Indexes are created and removed concurrently, so that mails can be written meanwhile.
    atomic = False

    dependencies = [("notifications", "0003_claims")]

    operations = [
        AddIndexConcurrently(
            model_name="outgoingemail",
            index=models.Index(
                condition=models.Q(("status__in", ["queued", "sending", "retrying"])),
                fields=["due_at"],
                name="email_waiting",
            ),
        ),
        AddIndexConcurrently(
            model_name="outgoingemail",
            index=models.Index(
                condition=models.Q(("status", "failed")), fields=["created_at", "id"], name="email_failed"
            ),
        ),
        # The release before this one can use the first index as well.
        RemoveIndexConcurrently(model_name="outgoingemail", name="email_due"),
    ]
