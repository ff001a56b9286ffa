"""Let the database delete the addresses of an account that is deleted.

The release before this one deletes accounts without knowing of addresses.
"""

from django.db import migrations

NAME = "addresses_savedaddress_user_id_cba7f4c6_fk_accounts_user_id"


def constrain(action: str) -> str:
    return (
        f"ALTER TABLE addresses_savedaddress DROP CONSTRAINT {NAME}, ADD CONSTRAINT {NAME}"
        f" FOREIGN KEY (user_id) REFERENCES accounts_user (id) {action} DEFERRABLE INITIALLY DEFERRED"
    )


# squawk-ignore ban-drop-constraint: the same statement adds it again.
# squawk-ignore adding-foreign-key-constraint: the table is empty.
# squawk-ignore constraint-missing-not-valid: the table is empty.
class Migration(migrations.Migration):
    dependencies = [("addresses", "0001_initial")]

    operations = [migrations.RunSQL(constrain("ON DELETE CASCADE"), constrain(""))]
