import phonenumbers
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Left

BATCH_SIZE = 1000


def read_phone_numbers(apps, schema_editor):
    """Convert phone numbers to E.164 and keep them as typed. A number that cannot be read stays as it is."""
    contacts = apps.get_model("orders", "OrderContact").objects
    batch = []
    for contact in contacts.exclude(phone="").iterator(BATCH_SIZE):
        contact.phone_as_typed = contact.phone
        contact.phone = _to_e164(contact.phone, contact.country)
        batch.append(contact)
        if len(batch) == BATCH_SIZE:
            contacts.bulk_update(batch, ["phone", "phone_as_typed"])
            batch = []
    contacts.bulk_update(batch, ["phone", "phone_as_typed"])


def restore_typed_numbers(apps, schema_editor):
    contacts = apps.get_model("orders", "OrderContact").objects.exclude(phone_as_typed="")
    # The column of the earlier version is shorter.
    contacts.update(phone=Left("phone_as_typed", 32))


def _to_e164(phone: str, country: str) -> str:
    region = country if country in phonenumbers.SUPPORTED_REGIONS else settings.SHOP_COUNTRY
    try:
        number = phonenumbers.parse(phone, region)
    except phonenumbers.NumberParseException:
        return phone
    if not phonenumbers.is_valid_number(number):
        return phone
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


# squawk-ignore run-python-in-transaction: no shop was open before the first release.
class Migration(migrations.Migration):
    dependencies = [("orders", "0002_staff_lists")]

    operations = [
        migrations.AddField(
            model_name="ordercontact",
            name="phone_as_typed",
            # The default in the database lets the previous version run until it is replaced.
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AlterField(
            model_name="ordercontact",
            name="phone",
            field=models.CharField(
                blank=True, help_text="In E.164 format, without extension.", max_length=32
            ),
        ),
        migrations.RunPython(read_phone_numbers, restore_typed_numbers),
    ]
