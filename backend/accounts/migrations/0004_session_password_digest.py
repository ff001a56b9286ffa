"""Bind sessions to the current password of their account. Open sessions stay open."""

from django.db import migrations, models

DIGESTS = """
UPDATE accounts_session AS session
SET password_digest = encode(sha256(convert_to(account.password, 'UTF8')), 'hex')
FROM accounts_user AS account
WHERE account.id = session.user_id
"""


# squawk-ignore ban-drop-default: no shop was open before the first release.
# squawk-ignore row-changes-in-transaction: no shop was open before the first release.
class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_statuses")]

    operations = [
        migrations.AddField(
            model_name="session",
            name="password_digest",
            field=models.CharField(default="", help_text="Digest of the password hash at the time of the login.", max_length=64),
            preserve_default=False,
        ),
        migrations.RunSQL(DIGESTS, migrations.RunSQL.noop),
    ]
