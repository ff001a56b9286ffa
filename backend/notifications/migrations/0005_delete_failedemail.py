from django.db import migrations


class Migration(migrations.Migration):
    # A proxy model, which has no table.
    dependencies = [("notifications", "0004_indexes")]

    operations = [migrations.DeleteModel(name="FailedEmail")]
