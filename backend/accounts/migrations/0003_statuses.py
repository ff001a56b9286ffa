"""Confirm the accounts that existed before confirmations were introduced; staff created them."""

from django.db import migrations


def confirm_existing(apps, schema_editor):
    User = apps.get_model("accounts", "User")
    UserStatus = apps.get_model("gqlauth", "UserStatus")
    missing = User.objects.filter(status__isnull=True)
    UserStatus.objects.bulk_create(UserStatus(user=user, verified=True) for user in missing)


# squawk-ignore run-python-in-transaction: no shop was open before the first release.
class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_sessions"), ("gqlauth", "0004_captcha")]

    operations = [migrations.RunPython(confirm_existing, migrations.RunPython.noop)]
