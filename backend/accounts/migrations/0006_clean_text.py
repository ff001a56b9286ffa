import backend.core.text
from django.db import migrations


def clean_stored_text(apps, schema_editor):
    for name in ['User']:
        backend.core.text.clean_rows(apps.get_model("accounts", name))


# squawk-ignore run-python-in-transaction: no shop was open before the first release.
class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_session_refreshed_at'),
    ]

    operations = [
        migrations.AlterField(
            model_name='user',
            name='name',
            field=backend.core.text.CleanCharField(blank=True, max_length=150),
        ),
        migrations.RunPython(clean_stored_text, migrations.RunPython.noop),
    ]
