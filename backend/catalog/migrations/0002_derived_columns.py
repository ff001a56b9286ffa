"""The database functions that keep what is derived: the characteristics shown with a product, and
the listing index. They hold under concurrent writers, bulk updates and plain SQL alike.

Listing a product takes the tree's advisory lock shared and moving a category takes it exclusively
(`backend.catalog.models.TREE_LOCK_KEY`), so neither can miss what the other has not committed yet.
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
    PERFORM pg_advisory_xact_lock_shared(7203001);
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

CREATE TRIGGER product_relisted AFTER UPDATE ON catalog_product
FOR EACH ROW WHEN (
    (OLD.is_published OR NEW.is_published) AND (
        (OLD.is_published, OLD.category_id, OLD.price, OLD.name, OLD.created_at, OLD.popularity, OLD.stock > 0)
        IS DISTINCT FROM
        (NEW.is_published, NEW.category_id, NEW.price, NEW.name, NEW.created_at, NEW.popularity, NEW.stock > 0)
    )
) EXECUTE FUNCTION catalog_list_product();

CREATE FUNCTION catalog_move_category() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    moved bigint[];
BEGIN
    PERFORM pg_advisory_xact_lock(7203001);
    WITH RECURSIVE subtree(id) AS (
        SELECT NEW.id
        UNION
        SELECT c.id FROM catalog_category c JOIN subtree ON c.parent_id = subtree.id
    )
    SELECT array_agg(id) INTO moved FROM subtree;
    DELETE FROM catalog_listingentry l
    USING catalog_product p
    WHERE p.category_id = ANY(moved) AND l.product_id = p.id
      AND l.ancestor_id <> 0 AND l.ancestor_id <> ALL(moved);
    INSERT INTO catalog_listingentry
        (ancestor_id, product_id, price, name_key, created_at, popularity, in_stock)
    SELECT ancestor, p.id, p.price, translate(lower(p.name), 'ё', 'е'),
           p.created_at, p.popularity, p.stock > 0
    FROM catalog_product p
    CROSS JOIN catalog_ancestors(NEW.parent_id) AS ancestor
    WHERE p.category_id = ANY(moved) AND p.is_published
    ON CONFLICT (ancestor_id, product_id) DO NOTHING;
    RETURN NULL;
END
$$;

CREATE TRIGGER category_moved AFTER UPDATE ON catalog_category
FOR EACH ROW WHEN (OLD.parent_id IS DISTINCT FROM NEW.parent_id)
EXECUTE FUNCTION catalog_move_category();
"""

DROP_LISTING = """
DROP TRIGGER category_moved ON catalog_category;
DROP TRIGGER product_relisted ON catalog_product;
DROP TRIGGER product_listed ON catalog_product;
DROP FUNCTION catalog_move_category();
DROP FUNCTION catalog_list_product();
DROP FUNCTION catalog_ancestors(bigint);
"""

# The product rows are locked in their own statement first, so that the update after it sees what
# a concurrent writer of the same products has committed meanwhile.
CHARACTERISTICS = """
CREATE FUNCTION catalog_show_characteristics(products bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM catalog_product WHERE id = ANY(products) ORDER BY id FOR NO KEY UPDATE;
    UPDATE catalog_product p
    SET characteristics = shown.pairs
    FROM (
        SELECT wanted.id, coalesce(
            jsonb_agg(jsonb_build_array(c.name, v.value, c.unit) ORDER BY v.position, c.position, v.id)
                FILTER (WHERE v.id IS NOT NULL),
            '[]'
        ) AS pairs
        FROM unnest(products) AS wanted(id)
        LEFT JOIN catalog_characteristicvalue v ON v.product_id = wanted.id
        LEFT JOIN catalog_characteristic c ON c.id = v.characteristic_id
        GROUP BY wanted.id
    ) AS shown
    WHERE p.id = shown.id AND p.characteristics IS DISTINCT FROM shown.pairs;
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

CREATE FUNCTION catalog_characteristic_renamed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM catalog_show_characteristics(
        ARRAY(SELECT product_id FROM catalog_characteristicvalue WHERE characteristic_id = NEW.id)
    );
    RETURN NULL;
END
$$;

CREATE TRIGGER characteristic_renamed AFTER UPDATE ON catalog_characteristic
FOR EACH ROW WHEN ((OLD.name, OLD.unit, OLD.position) IS DISTINCT FROM (NEW.name, NEW.unit, NEW.position))
EXECUTE FUNCTION catalog_characteristic_renamed();
"""

DROP_CHARACTERISTICS = """
DROP TRIGGER characteristic_renamed ON catalog_characteristic;
DROP TRIGGER characteristic_values_deleted ON catalog_characteristicvalue;
DROP TRIGGER characteristic_values_updated ON catalog_characteristicvalue;
DROP TRIGGER characteristic_values_inserted ON catalog_characteristicvalue;
DROP FUNCTION catalog_characteristic_renamed();
DROP FUNCTION catalog_characteristic_values_written();
DROP FUNCTION catalog_show_characteristics(bigint[]);
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]

    operations = [
        migrations.RunSQL(LISTING, DROP_LISTING),
        migrations.RunSQL(CHARACTERISTICS, DROP_CHARACTERISTICS),
    ]
