import backend.core.text
from django.db import migrations


def clean_stored_text(apps, schema_editor):
    for name in ['Category', 'Characteristic', 'CharacteristicValue', 'Product', 'ProductImage']:
        backend.core.text.clean_rows(apps.get_model("catalog", name))


# squawk-ignore run-python-in-transaction: no shop was open before the first release.
class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0006_fold_text'),
    ]

    operations = [
        migrations.AlterField(
            model_name='category',
            name='image_alt',
            field=backend.core.text.CleanCharField(blank=True, help_text='Describes the picture for screen readers. If empty, the name of the category is used.', max_length=255, verbose_name='alternative text'),
        ),
        migrations.AlterField(
            model_name='category',
            name='name',
            field=backend.core.text.CleanCharField(max_length=200),
        ),
        migrations.AlterField(
            model_name='characteristic',
            name='name',
            field=backend.core.text.CleanCharField(max_length=100),
        ),
        migrations.AlterField(
            model_name='characteristic',
            name='unit',
            field=backend.core.text.CleanCharField(blank=True, max_length=20),
        ),
        migrations.AlterField(
            model_name='characteristicvalue',
            name='value',
            field=backend.core.text.CleanCharField(max_length=255),
        ),
        migrations.AlterField(
            model_name='product',
            name='description',
            field=backend.core.text.CleanTextField(blank=True, max_length=20000),
        ),
        migrations.AlterField(
            model_name='product',
            name='name',
            field=backend.core.text.CleanCharField(max_length=255),
        ),
        migrations.AlterField(
            model_name='product',
            name='sku',
            field=backend.core.text.CleanCharField(max_length=64, unique=True, verbose_name='SKU'),
        ),
        migrations.AlterField(
            model_name='productimage',
            name='alt',
            field=backend.core.text.CleanCharField(blank=True, help_text='Describes the picture for screen readers. If empty, the name of the product is used.', max_length=255, verbose_name='alternative text'),
        ),
        migrations.RunPython(clean_stored_text, migrations.RunPython.noop),
    ]
