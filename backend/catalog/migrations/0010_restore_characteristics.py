"""Correct the characteristics of a saved product after the update instead of before it.

PostgreSQL computes all generated columns anew in every update of a table that has a BEFORE UPDATE trigger for
rows, since the trigger could change any column. Without such a trigger, an order that takes stock does not
compute `search_vector`, which takes ten times as long as the update itself.
"""

from django.db import migrations

RESTORE_AFTER = """
DROP TRIGGER characteristics_kept ON catalog_product;

CREATE FUNCTION catalog_restore_characteristics() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM catalog_show_characteristics(ARRAY[NEW.id]);
    RETURN NULL;
END
$$;

CREATE TRIGGER characteristics_kept AFTER UPDATE OF characteristics ON catalog_product
FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND OLD.characteristics <> NEW.characteristics)
EXECUTE FUNCTION catalog_restore_characteristics();
"""

RESTORE_BEFORE = """
DROP TRIGGER characteristics_kept ON catalog_product;
DROP FUNCTION catalog_restore_characteristics();

CREATE TRIGGER characteristics_kept BEFORE UPDATE OF characteristics ON catalog_product
FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND OLD.characteristics <> NEW.characteristics)
EXECUTE FUNCTION catalog_keep_characteristics();
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0009_listing_by_discount")]

    operations = [migrations.RunSQL(RESTORE_AFTER, RESTORE_BEFORE)]
