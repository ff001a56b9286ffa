"""Add the discount to the listing index, for the filter and the facet of products on sale and a sort order.

The triggers write it from here on. The next migration writes that of the products that are on sale already.
"""

from typing import Any

from django.db import migrations, models

# Rounded up, so that no discount is 0.
FUNCTION = """
CREATE FUNCTION catalog_discount_rate(price numeric, compare_at_price numeric) RETURNS smallint
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(ceil(10000 * (1 - price / compare_at_price)), 0)::smallint
$$;
"""

DROP_FUNCTION = "DROP FUNCTION catalog_discount_rate(numeric, numeric);"

_NEW_RATE = "catalog_discount_rate(NEW.price, NEW.compare_at_price)"
_RATE = "catalog_discount_rate(p.price, p.compare_at_price)"
_COLUMNS = ("popularity, in_stock)", "popularity, in_stock, discount_rate)")
_SELECTED = ("p.stock > 0\n    FROM", f"p.stock > 0, {_RATE}\n    FROM")
# By function of migration 0002: parts of it, and what replaces them.
CHANGES = {
    "catalog_list_product": [
        _COLUMNS,
        ("NEW.stock > 0\n        WHERE", f"NEW.stock > 0, discount_rate = {_NEW_RATE}\n        WHERE"),
        ("NEW.stock > 0\n        FROM", f"NEW.stock > 0, {_NEW_RATE}\n        FROM"),
    ],
    "catalog_move_category": [_COLUMNS, _SELECTED],
    "catalog_expected_listing": [
        ("in_stock boolean)", "in_stock boolean, discount_rate smallint)"),
        _SELECTED,
    ],
}

TRIGGER = """
DROP TRIGGER product_relisted ON catalog_product;
CREATE TRIGGER product_relisted AFTER UPDATE ON catalog_product
FOR EACH ROW WHEN (
    OLD.category_id IS DISTINCT FROM NEW.category_id
    OR (OLD.is_published OR NEW.is_published) AND (
        (OLD.is_published, OLD.price, {old}OLD.name, OLD.created_at, OLD.popularity, OLD.stock > 0)
        IS DISTINCT FROM
        (NEW.is_published, NEW.price, {new}NEW.name, NEW.created_at, NEW.popularity, NEW.stock > 0)
    )
) EXECUTE FUNCTION catalog_list_product();
"""


def add_discount_rate(apps: Any, schema_editor: Any) -> None:
    """Let the triggers write the discount."""
    _change_functions(schema_editor, [1, 0])


def remove_discount_rate(apps: Any, schema_editor: Any) -> None:
    """Restore the functions of the previous migrations."""
    _change_functions(schema_editor, [0, 1])


def _change_functions(schema_editor: Any, order: list[int]) -> None:
    new, old = order
    with schema_editor.connection.cursor() as cursor:
        for function, changes in CHANGES.items():
            cursor.execute("SELECT pg_get_functiondef(%s::regproc)", [function])
            definition = cursor.fetchone()[0]
            for change in changes:
                assert change[old] in definition, (function, change[old])
                definition = definition.replace(change[old], change[new])
            if function == "catalog_expected_listing":
                # The columns of a result cannot be replaced.
                cursor.execute("DROP FUNCTION catalog_expected_listing()")
            cursor.execute(definition)


# squawk-ignore ban-drop-function: the function is created again at once, and only `check_categories` calls it.
# squawk-ignore run-python-in-transaction: it replaces functions and changes no rows.
class Migration(migrations.Migration):
    dependencies = [("catalog", "0007_clean_text")]

    operations = [
        migrations.AddField("listingentry", "discount_rate", models.SmallIntegerField(db_default=0)),
        migrations.RunSQL(FUNCTION, DROP_FUNCTION),
        migrations.RunPython(add_discount_rate, remove_discount_rate),
        migrations.RunSQL(
            TRIGGER.format(old="OLD.compare_at_price, ", new="NEW.compare_at_price, "),
            TRIGGER.format(old="", new=""),
        ),
    ]
