"""Add brands of products."""

import backend.core.text
import django.db.models.deletion
from django.db import migrations, models


# squawk-ignore adding-foreign-key-constraint: the column is new and null, so PostgreSQL does not scan the table.
class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0011_search_engine_texts'),
    ]

    operations = [
        migrations.CreateModel(
            name='Brand',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seo_title', backend.core.text.CleanCharField(blank=True, db_default='', default='', help_text='The title in search engines, which show about 60 characters. If empty, it is the name.', max_length=255, verbose_name='SEO title')),
                ('seo_description', backend.core.text.CleanCharField(blank=True, db_default='', default='', help_text='The text below the title in search engines, which show about 160 characters.', max_length=500, verbose_name='SEO description')),
                ('name', backend.core.text.CleanCharField(max_length=255)),
                ('slug', models.SlugField(max_length=255, unique=True)),
                ('description', backend.core.text.CleanTextField(blank=True, max_length=20000)),
            ],
            options={
                'ordering': ['name', 'id'],
                'indexes': [models.Index(fields=['name', 'id'], name='brand_by_name')],
                'constraints': [models.UniqueConstraint(models.Func('name', function='catalog_fold_text', output_field=models.TextField()), name='brand_name_unique', violation_error_message='Another brand has this name.')],
            },
        ),
        migrations.AddField(
            model_name='product',
            name='brand',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='products', to='catalog.brand'),
        ),
    ]
