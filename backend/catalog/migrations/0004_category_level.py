from django.db import migrations, models


# squawk-ignore require-concurrent-index-creation: categories are few, and written by the staff only.
class Migration(migrations.Migration):
    dependencies = [("catalog", "0003_renditions")]

    operations = [
        migrations.AddIndex(
            model_name="category",
            index=models.Index(fields=["level"], name="category_level"),
        ),
    ]
