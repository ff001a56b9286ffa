"""Search and sort by folded text: database functions, and the columns and indexes that use them.

`catalog_fold_text` folds text like `backend.core.text.fold_text`. Functions that a generated column calls have
bodies of standard SQL, whose names are resolved at once: a dump is restored with an empty search path.
"""

import re
import sys
import unicodedata
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVectorField
from django.db import migrations, models


def _separators() -> str:
    """Return the characters that are no letters, marks or digits, as ranges of a regular expression.

    The ranges also include unassigned characters between them.
    """
    ranges: list[list[int]] = []
    in_range = False
    for code in range(1, sys.maxunicode + 1):
        category = unicodedata.category(chr(code))
        if category[0] in "LMN":
            in_range = False
        elif category not in ("Cn", "Cs"):
            if not in_range:
                ranges.append([code, code])
            ranges[-1][1] = code
            in_range = True
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


_SEPARATORS = _separators()
_ACCENTS = (
    r"\u0300-\u0305\u0307-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    r"\u0640\u064b-\u065f\u0670"
)
# Characters without a glyph, selectors, joiners and the frames of keycaps.
_IGNORED = (
    r"\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u0488\u0489\u20dd-\u20e0\u20e2-\u20e4\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff"
)

# The letters that the Unicode collation sorts after another letter, and not by their code points.
_LETTERS_AFTER = {
    "a": "ⱥɐɑɒ", "b": "ʙƀɓƃ", "c": "ȼƈɕ", "d": "ȸʣʥʤɖɗƌȡ", "e": "ɇǝəɛɘɚɜɝɞʚɤ", "f": "ʩƒ", "g": "ɡɢǥɠʛɣƣ",
    "h": "ʜƕɦɧ", "i": "ɪɨɩ", "j": "ȷɉʝɟʄ", "k": "ƙʞ", "l": "ʪʫʟƚɫɬɭȴɮƛʎ", "m": "ɱ", "n": "ɴɲƞɳȵŋ", "o": "ɶɔɵɷȣ",
    "p": "ƥɸ", "q": "ȹʠɋĸ", "r": "ʀɍɹɺɻɼɽɾɿʁ", "s": "ʂȿʃƪʅʆ", "t": "ʨƾʦʧⱦƫƭʈȶʇ", "u": "ʉɥʮʯɯɰʊ", "v": "ʋʌ",
    "w": "ʍ", "y": "ʏɏƴȝ", "z": "ƍƶȥʐʑɀʒƹƺʓþ",
    "ε": "ϝͷϛ", "ζ": "ͱ", "ι": "ϳ", "κ": "ϗ", "π": "ϻϟϙ", "ρ": "ϼ", "σ": "ͼͻͽ", "ω": "ϡͳϸϣϥϧϩϫϭϯ",
    "а": "әӕ", "г": "ғӻҕӷ", "д": "ԁђԃҙ", "е": "є", "ж": "ԫҗ", "з": "ԅԑѕӡԇ", "и": "ҋійј", "к": "қӄҡҟҝԟԛ",
    "л": "ӆԯԓԡљԉԕ", "м": "ӎ", "н": "ԩӊңӈԣҥњԋ", "о": "ө", "п": "ԥҧҁ", "р": "ҏԗ", "с": "ԍҫ", "т": "ԏҭћ", "у": "үұѹ",
    "х": "ӽӿҳһԧѡѿѽѻ", "ц": "ҵ", "ч": "ԭҷӌҹҽҿџ", "ь": "ҍѣ", "я": "ԙѥѧѫѩѭѯѱѳѵҩԝӏ",
}  # fmt: skip
_MOVED = "".join(_LETTERS_AFTER.values())
_MOVED_BEHIND = "".join(base * len(letters) for base, letters in _LETTERS_AFTER.items())
# Private characters, which sort after all letters.
_PLACES = "".join(chr(0xE000 + place) for letters in _LETTERS_AFTER.values() for place in range(len(letters)))
_SHORT_I = _PLACES[_MOVED.index("й")]

FUNCTIONS = rf"""
-- In lower case, without accents, with compatibility forms replaced.
CREATE FUNCTION catalog_fold_characters(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN replace(replace(replace(
    translate(
        normalize(
            regexp_replace(
                normalize(lower(normalize(translate(value, '™℠®©№', '     '), NFKC)), NFKD),
                '[{_IGNORED}{_ACCENTS}]|(?<![иу])\u0306', '', 'g'
            ),
            NFC
        ),
        'øđðłħŧıς', 'oddlhtiσ'
    ),
    'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe');

-- Words separated by single spaces.
CREATE FUNCTION catalog_fold_text(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN btrim(regexp_replace(catalog_fold_characters(value), '[{_SEPARATORS}]+', ' ', 'g'));

-- A key that sorts names bytewise in the order of the Unicode collation (UTS 10): letters beside their accented
-- forms, numbers by value, punctuation ignored. A number is written as its length, its digits, its decimals and
-- an exclamation mark. Accents follow at the end: they decide between names that are otherwise equal.
CREATE FUNCTION catalog_name_key(name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT btrim(regexp_replace(coalesce(string_agg(
        CASE
            WHEN part ~ '^[0-9]' THEN
                chr(48 + least(length(ltrim(split_part(part, '.', 1), '0')), 48))
                || ltrim(split_part(part, '.', 1), '0') || split_part(part, '.', 2) || '!'
            WHEN part ~ '[{_MOVED}]' THEN (
                SELECT string_agg(
                    CASE strpos('{_MOVED}', letter)
                        WHEN 0 THEN letter
                        ELSE substr('{_MOVED_BEHIND}', strpos('{_MOVED}', letter), 1)
                             || substr('{_PLACES}', strpos('{_MOVED}', letter), 1)
                    END, '' ORDER BY letters.place
                )
                FROM regexp_split_to_table(part, '') WITH ORDINALITY AS letters(letter, place)
            )
            ELSE part
        END, '' ORDER BY parts.place
    ), ''), ' +', ' ', 'g')) || coalesce(chr(1) || nullif(
        regexp_replace(normalize(replace(lower(name), 'й', ''), NFD), '[^\u0300-\u036f]', '', 'g'), ''
    ), '')
    FROM (
        SELECT matches.place, CASE
            WHEN match[1] ~ '^[0-9]' THEN translate(match[1], ',', '.')
            ELSE replace(regexp_replace(match[1], '(?! )[{_SEPARATORS}]', '', 'g'), 'й', 'и{_SHORT_I}')
        END AS part
        FROM regexp_matches(
            translate(catalog_fold_characters(name), 'ґў', 'гу'), '[0-9]+(?:[.,][0-9]+)?|[^0-9]+', 'g'
        ) WITH ORDINALITY AS matches(match, place)
    ) AS parts;
END;

-- The words of a name, and every word with one letter left out. Words that differ by one wrong, missing, surplus
-- or transposed letter share a key (the symmetric delete algorithm, https://github.com/wolfgarbe/SymSpell).
CREATE FUNCTION catalog_typo_keys(name text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(array_agg(DISTINCT overlay(word PLACING '' FROM place FOR 1)), '{{}}')
    FROM regexp_split_to_table(catalog_fold_text(name), ' ') AS words(word),
         generate_series(1, length(word) + 1) AS places(place)
    WHERE word ~ '^[^0-9]{{4,40}}$';
END;

CREATE FUNCTION catalog_search_vector(name text, sku text, characteristics jsonb, description text)
RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT setweight(to_tsvector('shop_words', catalog_fold_text(name)), 'A')
        || setweight(to_tsvector('simple', folded_sku), 'A')
        -- The SKU without punctuation. Nothing else has the weight D.
        || coalesce('''' || nullif(replace(folded_sku, ' ', ''), '') || ''':1D', '')::tsvector
        || setweight(to_tsvector('shop_words', catalog_fold_text(coalesce((
               SELECT string_agg((entry ->> 1) || ' ' || (entry ->> 2), ' , ')
               FROM jsonb_array_elements(characteristics) AS entries(entry)
           ), ''))), 'B')
        || setweight(to_tsvector('shop', catalog_fold_text(description)), 'C')
    FROM catalog_fold_text(sku) AS folded_sku;
END;

-- The query for all of the words, which `split_words` returns. A word matches its grammatical forms and whatever
-- begins with it; a decimal, such as 1.5, matches adjacent numbers. A stem may be no prefix of its word (happi,
-- happy), so the word itself is an alternative. Stop words are ignored unless there are no other words. All words
-- together also match a SKU that begins with them, whatever its punctuation is.
CREATE FUNCTION catalog_search_query(words text[]) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET client_min_messages = warning AS $$
DECLARE
    word text;
    number text;
    term tsquery;
    terms tsquery;
    stop_words tsquery;
    sku text := translate(array_to_string(words, ''), '.', '');
BEGIN
    FOREACH word IN ARRAY words LOOP
        term := NULL;
        IF strpos(word, '.') > 0 THEN
            FOREACH number IN ARRAY string_to_array(word || ':*', '.') LOOP
                term := coalesce(term <-> to_tsquery('simple', number), to_tsquery('simple', number));
            END LOOP;
        ELSE
            term := to_tsquery('shop', word || ':*');
            IF numnode(term) = 0 THEN
                term := to_tsquery('shop_words', word || ':*');
                stop_words := coalesce(stop_words && term, term);
                CONTINUE;
            END IF;
            IF NOT to_tsvector('simple', word) @@ term THEN
                term := term || to_tsquery('simple', word || ':*');
            END IF;
        END IF;
        terms := coalesce(terms && term, term);
    END LOOP;
    terms := coalesce(terms, stop_words);
    -- The text search parser splits some words with digits, such as 7e3a.
    IF array_length(words, 1) > 1 OR sku ~ '[0-9]' THEN
        terms := terms || ('''' || sku || ''':*D')::tsquery;
    END IF;
    RETURN terms;
END
$$;
"""

DROP_FUNCTIONS = """
DROP FUNCTION catalog_search_query(text[]);
DROP FUNCTION catalog_search_vector(text, text, jsonb, text);
DROP FUNCTION catalog_typo_keys(text);
DROP FUNCTION catalog_name_key(text);
DROP FUNCTION catalog_fold_text(text);
DROP FUNCTION catalog_fold_characters(text);
"""


def create_words_configuration(apps, schema_editor):
    """Create a copy of the search configuration `shop` that keeps stop words, of which names can consist."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("CREATE TEXT SEARCH CONFIGURATION shop_words (COPY = shop)")
        cursor.execute(
            "SELECT DISTINCT dictname, dictinitoption FROM pg_ts_config"
            " JOIN pg_ts_config_map ON mapcfg = pg_ts_config.oid JOIN pg_ts_dict ON mapdict = pg_ts_dict.oid"
            " WHERE cfgname = 'shop' AND dictinitoption ILIKE '%stopwords%' ORDER BY dictname"
        )
        for dictionary, options in cursor.fetchall():
            (language,) = re.findall(r"language = '(\w+)'", options)
            cursor.execute(
                f"CREATE TEXT SEARCH DICTIONARY shop_{dictionary}"
                f" (TEMPLATE = pg_catalog.snowball, LANGUAGE = {language})"
            )
            cursor.execute(
                "ALTER TEXT SEARCH CONFIGURATION shop_words"
                f" ALTER MAPPING REPLACE {dictionary} WITH shop_{dictionary}"
            )


def drop_words_configuration(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT dictname FROM pg_ts_config JOIN pg_ts_config_map ON mapcfg = pg_ts_config.oid"
            " JOIN pg_ts_dict ON mapdict = pg_ts_dict.oid"
            " WHERE cfgname = 'shop_words' AND dictname LIKE 'shop\\_%' ORDER BY dictname"
        )
        dictionaries = [name for (name,) in cursor.fetchall()]
        cursor.execute("DROP TEXT SEARCH CONFIGURATION shop_words")
        for dictionary in dictionaries:
            cursor.execute(f"DROP TEXT SEARCH DICTIONARY {dictionary}")


def sort_by_name_key(apps, schema_editor):
    _replace_name_keys(schema_editor, r"translate\(lower\((\w+\.name)\), 'ё', 'е'\)", r"catalog_name_key(\1)")


def sort_by_lower_case(apps, schema_editor):
    _replace_name_keys(schema_editor, r"catalog_name_key\((\w+\.name)\)", r"translate(lower(\1), 'ё', 'е')")


def _replace_name_keys(schema_editor: Any, pattern: str, replacement: str) -> None:
    """Replace an expression in the functions of migration 0002 that keep the listing index, and rebuild it."""
    with schema_editor.connection.cursor() as cursor:
        for function in ("catalog_list_product", "catalog_move_category", "catalog_expected_listing"):
            cursor.execute("SELECT pg_get_functiondef(%s::regproc)", [function])
            definition, count = re.subn(pattern, replacement, cursor.fetchone()[0])
            assert count, function
            cursor.execute(definition)
        expression = replacement.replace(r"\1", "name")
        # OFFSET computes each key once, not once per entry.
        cursor.execute(
            "UPDATE catalog_listingentry SET name_key = keys.name_key"
            f" FROM (SELECT id, {expression} AS name_key FROM catalog_product OFFSET 0) AS keys"
            " WHERE keys.id = product_id"
        )


# squawk-ignore adding-field-with-default: no shop was open before the first release.
# squawk-ignore ban-drop-column: no shop was open before the first release.
# squawk-ignore changing-column-type: no shop was open before the first release.
# squawk-ignore require-concurrent-index-creation: no shop was open before the first release.
# squawk-ignore require-concurrent-index-deletion: no shop was open before the first release.
# squawk-ignore run-python-in-transaction: no shop was open before the first release.
# squawk-ignore row-changes-in-transaction: no shop was open before the first release.
class Migration(migrations.Migration):
    dependencies = [("catalog", "0005_compare_at_price")]

    operations = [
        migrations.RunPython(create_words_configuration, drop_words_configuration),
        migrations.RunSQL(FUNCTIONS, DROP_FUNCTIONS),
        migrations.RemoveIndex("product", "product_search"),
        migrations.RemoveField("product", "search_vector"),
        migrations.AddField(
            "product",
            "search_vector",
            models.GeneratedField(
                db_persist=True,
                expression=models.Func(
                    "name",
                    "sku",
                    "characteristics",
                    "description",
                    function="catalog_search_vector",
                    output_field=SearchVectorField(),
                ),
                output_field=SearchVectorField(),
            ),
        ),
        migrations.AddIndex("product", GinIndex(fields=["search_vector"], name="product_search")),
        migrations.AddIndex(
            "product",
            GinIndex(
                OpClass(
                    models.Func(
                        "name",
                        function="catalog_typo_keys",
                        output_field=ArrayField(models.TextField()),
                    ),
                    name="array_ops",
                ),
                name="product_name_typos",
            ),
        ),
        migrations.RemoveIndex("listingentry", "listing_by_name"),
        migrations.AlterField(
            "listingentry", "name_key", models.TextField(db_collation="C")
        ),
        migrations.RunPython(sort_by_name_key, sort_by_lower_case),
        migrations.AddIndex(
            "listingentry",
            models.Index(fields=["ancestor_id", "name_key", "product"], name="listing_by_name"),
        ),
    ]
