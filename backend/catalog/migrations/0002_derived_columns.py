"""Create the database functions and triggers that maintain derived data.

They derive the listing index, and the characteristics shown with a product. The data stays correct under
concurrent writers, bulk updates and plain SQL.

Two advisory locks, held until commit, prevent a writer from missing uncommitted changes of another (at READ
COMMITTED, the isolation level of every connection of the shop):

- the listing lock, 7203002: shared to list a product, exclusive to move or delete a category;
- the characteristics lock, 7203003: shared to write products and values, exclusive to rename a
  characteristic.

A transaction waits for locks in this order, which prevents deadlocks: characteristics lock, product rows by
primary key, value rows, listing lock. The characteristics lock is therefore taken before the statement locks
any row. The product of a value is locked after the value, because PostgreSQL locks a row that is changed or
deleted before its BEFORE ROW triggers run. Writers of values therefore lock the products first
(`backend.catalog.locks.lock_products`). A writer that does not can deadlock, but loses no data.

Orders do not take the characteristics lock: an update of `stock` or `popularity` alone locks only its rows,
and takes the shared listing lock if the product runs out of stock or comes back. It waits for writers of the
same product. A new name or unit of a characteristic is written to every product that has it, a new position
only to products whose order changes.

Moving a category locks no product. It takes the listing lock before the row of the category, because the
foreign key check of a product that is being added would wait for that row.
"""

from django.db import migrations

LISTING = """
CREATE FUNCTION catalog_ancestors(category bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE path(id, parent_id) AS (
        SELECT id, parent_id FROM catalog_category WHERE id = category
        UNION
        SELECT c.id, c.parent_id FROM catalog_category c JOIN path ON c.id = path.parent_id
    )
    SELECT id FROM path
$$;

CREATE FUNCTION catalog_list_product() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7203002);
    IF TG_OP = 'UPDATE' AND NEW.is_published AND OLD.is_published
            AND NEW.category_id IS NOT DISTINCT FROM OLD.category_id THEN
        UPDATE catalog_listingentry
        SET price = NEW.price, name_key = translate(lower(NEW.name), 'ё', 'е'),
            created_at = NEW.created_at, popularity = NEW.popularity, in_stock = NEW.stock > 0
        WHERE product_id = NEW.id;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM catalog_listingentry WHERE product_id = OLD.id;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.is_published THEN
        INSERT INTO catalog_listingentry
            (ancestor_id, product_id, price, name_key, created_at, popularity, in_stock)
        SELECT ancestor, NEW.id, NEW.price, translate(lower(NEW.name), 'ё', 'е'),
               NEW.created_at, NEW.popularity, NEW.stock > 0
        FROM (SELECT 0 UNION ALL SELECT catalog_ancestors(NEW.category_id)) AS listed(ancestor);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER product_listed AFTER INSERT OR DELETE ON catalog_product
FOR EACH ROW EXECUTE FUNCTION catalog_list_product();

-- Moving an unpublished product to a category changes no list, but must take the listing lock too, so that
-- `delete_category` waits for the product.
CREATE TRIGGER product_relisted AFTER UPDATE ON catalog_product
FOR EACH ROW WHEN (
    OLD.category_id IS DISTINCT FROM NEW.category_id
    OR (OLD.is_published OR NEW.is_published) AND (
        (OLD.is_published, OLD.price, OLD.name, OLD.created_at, OLD.popularity, OLD.stock > 0)
        IS DISTINCT FROM
        (NEW.is_published, NEW.price, NEW.name, NEW.created_at, NEW.popularity, NEW.stock > 0)
    )
) EXECUTE FUNCTION catalog_list_product();

CREATE FUNCTION catalog_hold_listing() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7203002);
    RETURN NULL;
END
$$;

CREATE TRIGGER category_about_to_move BEFORE UPDATE OF parent_id ON catalog_category
FOR EACH STATEMENT EXECUTE FUNCTION catalog_hold_listing();

-- Inserted rows can form a cycle too, because foreign keys are checked at the end of the transaction.
CREATE FUNCTION catalog_refuse_cycle() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id IN (SELECT catalog_ancestors(NEW.parent_id)) THEN
        RAISE EXCEPTION 'category % would stand below itself', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'category_not_below_itself';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER category_below_itself AFTER INSERT OR UPDATE OF parent_id ON catalog_category
FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL) EXECUTE FUNCTION catalog_refuse_cycle();

-- Compares whole paths, because one statement can move several categories, even a parent below its child.
CREATE FUNCTION catalog_move_category() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    moved bigint[];
BEGIN
    WITH RECURSIVE subtree(id) AS (
        SELECT NEW.id
        UNION
        SELECT c.id FROM catalog_category c JOIN subtree ON c.parent_id = subtree.id
    )
    SELECT array_agg(id) INTO moved FROM subtree;
    WITH RECURSIVE path(category_id, ancestor_id) AS (
        SELECT category.id, category.id FROM unnest(moved) AS category(id)
        UNION
        SELECT path.category_id, c.parent_id
        FROM path JOIN catalog_category c ON c.id = path.ancestor_id
        WHERE c.parent_id IS NOT NULL
    ), left_behind AS (
        DELETE FROM catalog_listingentry l
        USING catalog_product p
        WHERE p.category_id = ANY(moved) AND l.product_id = p.id AND l.ancestor_id <> 0
          AND NOT EXISTS (
              SELECT FROM path WHERE path.category_id = p.category_id AND path.ancestor_id = l.ancestor_id
          )
    )
    INSERT INTO catalog_listingentry
        (ancestor_id, product_id, price, name_key, created_at, popularity, in_stock)
    SELECT path.ancestor_id, p.id, p.price, translate(lower(p.name), 'ё', 'е'),
           p.created_at, p.popularity, p.stock > 0
    FROM catalog_product p JOIN path ON path.category_id = p.category_id
    WHERE p.is_published
    ON CONFLICT (ancestor_id, product_id) DO NOTHING;
    RETURN NULL;
END
$$;

CREATE TRIGGER category_moved AFTER UPDATE ON catalog_category
FOR EACH ROW WHEN (OLD.parent_id IS DISTINCT FROM NEW.parent_id)
EXECUTE FUNCTION catalog_move_category();

-- The expected content of the index, with which `manage.py check_categories` compares it.
CREATE FUNCTION catalog_expected_listing() RETURNS TABLE (
    ancestor_id bigint, product_id bigint, price numeric, name_key text,
    created_at timestamptz, popularity integer, in_stock boolean
)
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE path(category_id, ancestor_id) AS (
        SELECT id, id FROM catalog_category
        UNION
        SELECT path.category_id, c.parent_id
        FROM path JOIN catalog_category c ON c.id = path.ancestor_id
        WHERE c.parent_id IS NOT NULL
    ), listed(ancestor_id, product_id) AS (
        SELECT 0, id FROM catalog_product WHERE is_published
        UNION ALL
        SELECT path.ancestor_id, p.id
        FROM catalog_product p JOIN path ON path.category_id = p.category_id
        WHERE p.is_published
    )
    SELECT listed.ancestor_id, p.id, p.price, translate(lower(p.name), 'ё', 'е'),
           p.created_at, p.popularity, p.stock > 0
    FROM listed JOIN catalog_product p ON p.id = listed.product_id
$$;
"""

DROP_LISTING = """
DROP TRIGGER category_moved ON catalog_category;
DROP TRIGGER category_below_itself ON catalog_category;
DROP TRIGGER category_about_to_move ON catalog_category;
DROP TRIGGER product_relisted ON catalog_product;
DROP TRIGGER product_listed ON catalog_product;
DROP FUNCTION catalog_expected_listing();
DROP FUNCTION catalog_move_category();
DROP FUNCTION catalog_refuse_cycle();
DROP FUNCTION catalog_hold_listing();
DROP FUNCTION catalog_list_product();
DROP FUNCTION catalog_ancestors(bigint);
"""

# The product rows are locked in a separate statement, so that the update after it sees the changes that a
# concurrent writer of the same products has committed.
CHARACTERISTICS = """
CREATE FUNCTION catalog_hold_characteristics() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'catalog_characteristic' THEN
        PERFORM pg_advisory_xact_lock(7203003);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(7203003);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER characteristic_about_to_change BEFORE UPDATE OF name, unit, position ON catalog_characteristic
FOR EACH STATEMENT EXECUTE FUNCTION catalog_hold_characteristics();

CREATE TRIGGER characteristic_values_about_to_change
BEFORE INSERT OR UPDATE OR DELETE ON catalog_characteristicvalue
FOR EACH STATEMENT EXECUTE FUNCTION catalog_hold_characteristics();

CREATE TRIGGER product_about_to_change
BEFORE INSERT OR DELETE
    OR UPDATE OF sku, slug, name, description, category_id, price, is_published, created_at, updated_at
ON catalog_product
FOR EACH STATEMENT EXECUTE FUNCTION catalog_hold_characteristics();

-- The expected characteristics of products, with which `manage.py check_categories` compares them.
CREATE FUNCTION catalog_expected_characteristics(products bigint[])
RETURNS TABLE (product_id bigint, pairs jsonb)
LANGUAGE sql STABLE AS $$
    SELECT wanted.id, coalesce(
        jsonb_agg(jsonb_build_array(c.name, v.value, c.unit) ORDER BY v.position, c.position, v.id)
            FILTER (WHERE v.id IS NOT NULL),
        '[]'
    )
    FROM unnest(products) AS wanted(id)
    LEFT JOIN catalog_characteristicvalue v ON v.product_id = wanted.id
    LEFT JOIN catalog_characteristic c ON c.id = v.characteristic_id
    GROUP BY wanted.id
$$;

-- A writer that saves a whole product also saves the characteristics that it has read, which can be
-- outdated, or those of a product that it copies. These triggers replace them by the correct ones. The
-- triggers below write at a depth above 0, and their values are kept.
CREATE FUNCTION catalog_keep_characteristics() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.characteristics := (SELECT pairs FROM catalog_expected_characteristics(ARRAY[NEW.id]));
    RETURN NEW;
END
$$;

CREATE TRIGGER characteristics_not_copied BEFORE INSERT ON catalog_product
FOR EACH ROW WHEN (NEW.characteristics <> '[]') EXECUTE FUNCTION catalog_keep_characteristics();

CREATE TRIGGER characteristics_kept BEFORE UPDATE OF characteristics ON catalog_product
FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND OLD.characteristics <> NEW.characteristics)
EXECUTE FUNCTION catalog_keep_characteristics();

CREATE FUNCTION catalog_show_characteristics(products bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM catalog_product WHERE id = ANY(products) ORDER BY id FOR NO KEY UPDATE;
    UPDATE catalog_product p
    SET characteristics = shown.pairs
    FROM catalog_expected_characteristics(products) AS shown
    WHERE p.id = shown.product_id AND p.characteristics IS DISTINCT FROM shown.pairs;
END
$$;

CREATE FUNCTION catalog_characteristic_values_written() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM catalog_show_characteristics(ARRAY(SELECT DISTINCT product_id FROM written));
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM catalog_show_characteristics(ARRAY(SELECT DISTINCT product_id FROM removed));
    ELSE
        PERFORM catalog_show_characteristics(
            ARRAY(SELECT product_id FROM written UNION SELECT product_id FROM removed)
        );
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER characteristic_values_inserted AFTER INSERT ON catalog_characteristicvalue
REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION catalog_characteristic_values_written();

CREATE TRIGGER characteristic_values_updated AFTER UPDATE ON catalog_characteristicvalue
REFERENCING NEW TABLE AS written OLD TABLE AS removed
FOR EACH STATEMENT EXECUTE FUNCTION catalog_characteristic_values_written();

CREATE TRIGGER characteristic_values_deleted AFTER DELETE ON catalog_characteristicvalue
REFERENCING OLD TABLE AS removed
FOR EACH STATEMENT EXECUTE FUNCTION catalog_characteristic_values_written();

-- Locks only products whose characteristics change, so that the others can be sold. Triggers of values must
-- lock all products: two writers can each see no change, although both together change the order. Here the
-- characteristics lock excludes such writers. Runs once for all rows of the statement, so that all products
-- are locked in the order of their primary keys.
CREATE FUNCTION catalog_characteristics_renamed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM catalog_show_characteristics(ARRAY(
        SELECT p.id
        FROM catalog_product p JOIN catalog_expected_characteristics(ARRAY(
            SELECT DISTINCT v.product_id
            FROM removed JOIN written USING (id)
            JOIN catalog_characteristicvalue v ON v.characteristic_id = written.id
            WHERE (removed.name, removed.unit, removed.position)
                  IS DISTINCT FROM (written.name, written.unit, written.position)
        )) AS shown ON shown.product_id = p.id
        WHERE p.characteristics IS DISTINCT FROM shown.pairs
    ));
    RETURN NULL;
END
$$;

CREATE TRIGGER characteristics_renamed AFTER UPDATE ON catalog_characteristic
REFERENCING NEW TABLE AS written OLD TABLE AS removed
FOR EACH STATEMENT EXECUTE FUNCTION catalog_characteristics_renamed();
"""

DROP_CHARACTERISTICS = """
DROP TRIGGER characteristics_renamed ON catalog_characteristic;
DROP TRIGGER characteristic_values_deleted ON catalog_characteristicvalue;
DROP TRIGGER characteristic_values_updated ON catalog_characteristicvalue;
DROP TRIGGER characteristic_values_inserted ON catalog_characteristicvalue;
DROP TRIGGER characteristics_kept ON catalog_product;
DROP TRIGGER characteristics_not_copied ON catalog_product;
DROP TRIGGER product_about_to_change ON catalog_product;
DROP TRIGGER characteristic_values_about_to_change ON catalog_characteristicvalue;
DROP TRIGGER characteristic_about_to_change ON catalog_characteristic;
DROP FUNCTION catalog_characteristics_renamed();
DROP FUNCTION catalog_characteristic_values_written();
DROP FUNCTION catalog_show_characteristics(bigint[]);
DROP FUNCTION catalog_keep_characteristics();
DROP FUNCTION catalog_expected_characteristics(bigint[]);
DROP FUNCTION catalog_hold_characteristics();
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]

    operations = [
        migrations.RunSQL(LISTING, DROP_LISTING),
        migrations.RunSQL(CHARACTERISTICS, DROP_CHARACTERISTICS),
    ]
