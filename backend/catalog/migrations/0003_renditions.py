import backend.catalog.models
import django.contrib.postgres.fields
from django.db import migrations, models


# squawk-ignore ban-drop-default: no shop was open before the first release.
# squawk-ignore require-concurrent-index-creation: no shop was open before the first release.
# squawk-ignore row-changes-in-transaction: no shop was open before the first release.
class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0002_derived_columns'),
    ]

    operations = [
        migrations.AddField(
            model_name='category',
            name='image_alt',
            field=models.CharField(blank=True, help_text="Describes the picture for screen readers. If empty, the name of the category is used.", max_length=255, verbose_name='alternative text'),
        ),
        migrations.AddField(
            model_name='category',
            name='image_height',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='category',
            name='image_width',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='category',
            name='renditions',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.PositiveIntegerField(), blank=True, default=list, editable=False, help_text='Nominal widths (`renditions.WIDTHS`) of the renditions that exist, in every format.', size=None),
        ),
        migrations.AddField(
            model_name='category',
            name='renditions_attempts',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='category',
            name='renditions_due_at',
            field=models.DateTimeField(editable=False, help_text='When to make the renditions or retry; null when there is nothing to do.', null=True),
        ),
        migrations.AddField(
            model_name='productimage',
            name='renditions',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.PositiveIntegerField(), blank=True, default=list, editable=False, help_text='Nominal widths (`renditions.WIDTHS`) of the renditions that exist, in every format.', size=None),
        ),
        migrations.AddField(
            model_name='productimage',
            name='renditions_attempts',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='productimage',
            name='renditions_due_at',
            field=models.DateTimeField(default=backend.catalog.models.renditions_due, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name='productimage',
            name='alt',
            field=models.CharField(blank=True, help_text="Describes the picture for screen readers. If empty, the name of the product is used.", max_length=255, verbose_name='alternative text'),
        ),
        migrations.AddIndex(
            model_name='category',
            index=models.Index(condition=models.Q(('renditions_due_at__isnull', False)), fields=['renditions_due_at'], name='category_renditions_due'),
        ),
        migrations.AddIndex(
            model_name='productimage',
            index=models.Index(condition=models.Q(('renditions_due_at__isnull', False)), fields=['renditions_due_at'], name='image_renditions_due'),
        ),
        # Product images get `renditions_due_at` from the default of the column.
        migrations.RunSQL(
            "UPDATE catalog_category SET renditions_due_at = now() WHERE image <> ''", migrations.RunSQL.noop
        ),
    ]
