"""The sample catalogue: its feed says what an importer expects, and its pictures draw themselves."""

import os
import re
import shutil
import tempfile
import unittest
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from unittest import mock

import pytest
from PIL import Image

from backend.catalog.sample.drawings import DRAWINGS
from backend.catalog.sample.palette import COLORS
from backend.catalog.sample.pictures import FEED, LAID_FLAT, draw_pictures, picture_names, read_feed

CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
NAME = re.compile(r"(?P<name>[^()]+?)(?: \((?P<unit>[^()]+)\))?")


def characteristics(row: dict[str, str]) -> list[tuple[str, str | None, str]]:
    """Return a product's (name, unit, value) triples as an importer reads them."""
    triples = []
    for part in row["product_detail"].split(","):
        section, label, value = part.split(":")
        match = NAME.fullmatch(label)
        assert match, part
        assert section.strip(), part
        assert value.strip(), part
        triples.append((match["name"], match["unit"], value))
    return triples


class FeedTests(unittest.TestCase):
    rows: list[dict[str, str]]

    @classmethod
    def setUpClass(cls) -> None:
        cls.rows = read_feed()

    def test_every_line_has_every_column_and_needs_no_quoting(self) -> None:
        text = FEED.read_text(encoding="utf-8")
        self.assertNotIn('"', text)
        self.assertEqual({line.count("\t") for line in text.splitlines()}, {len(self.rows[0]) - 1})
        for row in self.rows:
            for column in ("id", "title", "description", "link", "image_link", "brand"):
                self.assertEqual(row[column], row[column].strip())
                self.assertTrue(row[column], (row["id"], column))

    def test_there_are_about_150_products_and_no_two_share_an_identity(self) -> None:
        self.assertGreaterEqual(len(self.rows), 150)
        for column in ("id", "link", "title", "description"):
            repeated = [
                value for value, count in Counter(row[column] for row in self.rows).items() if count > 1
            ]
            self.assertEqual(repeated, [], column)
        for row in self.rows:
            self.assertRegex(row["id"], r"^[A-Z]{3}-\d{3}$")
            self.assertRegex(row["link"], r"^[a-z0-9]+(-[a-z0-9]+)*$")

    def test_categories_are_three_levels_deep_and_speak_one_language(self) -> None:
        languages = Counter[bool]()
        for row in self.rows:
            levels = row["product_type"].split(" > ")
            self.assertEqual(len(levels), 3, row["id"])
            russian = bool(CYRILLIC.search(levels[0]))
            languages[russian] += 1
            for text in (*levels, row["title"], row["description"]):
                self.assertEqual(bool(CYRILLIC.search(text)), russian, (row["id"], text))
        self.assertGreater(min(languages.values()), len(self.rows) * 0.4)

    def test_prices_are_roubles_from_90_to_90000_and_some_are_equal(self) -> None:
        prices = []
        for row in self.rows:
            self.assertRegex(row["price"], r"^\d+\.\d{2} RUB$")
            prices.append(Decimal(row["price"].split()[0]))
        self.assertEqual((min(prices), max(prices)), (Decimal("90.00"), Decimal("90000.00")))
        self.assertGreater(len(prices), len(set(prices)))

    def test_stock_and_availability_agree(self) -> None:
        for row in self.rows:
            expected = "in_stock" if int(row["quantity"]) > 0 else "out_of_stock"
            self.assertEqual(row["availability"], expected, row["id"])
        self.assertEqual({row["availability"] for row in self.rows}, {"in_stock", "out_of_stock"})

    def test_a_product_has_four_to_nine_characteristics_each_named_once(self) -> None:
        for row in self.rows:
            names = [name for name, _, _ in characteristics(row)]
            names += [column for column in ("brand", "color", "material") if row[column]]
            self.assertEqual(len(names), len(set(names)), row["id"])
            self.assertTrue(4 <= len(names) <= 9, (row["id"], names))

    def test_a_characteristic_has_one_unit_and_a_number_where_it_has_one(self) -> None:
        units: defaultdict[str, set[str | None]] = defaultdict(set)
        for row in self.rows:
            for name, unit, value in characteristics(row):
                units[name].add(unit)
                if unit:
                    self.assertRegex(value, r"^\d+(\.\d+)?$", (row["id"], name))
        self.assertEqual({name: found for name, found in units.items() if len(found) > 1}, {})

    def test_facets_repeat_their_values_within_a_branch(self) -> None:
        branches: defaultdict[str, Counter[tuple[str, str | None, str]]] = defaultdict(Counter)
        for row in self.rows:
            root = row["product_type"].split(" > ")[0]
            branches[root].update([("brand", None, row["brand"]), *characteristics(row)])
        for root, counts in branches.items():
            shared = [value for value, count in counts.items() if count >= 3]
            self.assertGreaterEqual(len(shared), 5, root)


class PictureTests(unittest.TestCase):
    rows: list[dict[str, str]]

    @classmethod
    def setUpClass(cls) -> None:
        cls.rows = read_feed()

    @pytest.fixture(autouse=True)
    def use_sample_pictures(self, sample_pictures: Path) -> None:
        self.directory = sample_pictures

    def test_the_feed_uses_every_drawing_and_asks_for_no_unknown_one_nor_colour(self) -> None:
        self.assertEqual({row["custom_label_0"] for row in self.rows}, DRAWINGS.keys())
        for row in self.rows:
            self.assertIn(row["color"], {"", *COLORS}, row["id"])
        self.assertLessEqual(LAID_FLAT, DRAWINGS.keys())

    def test_every_picture_of_the_feed_is_drawn_and_nothing_else(self) -> None:
        wanted = [name for row in self.rows for name in picture_names(row)]
        found = {
            str(path.relative_to(self.directory)) for path in self.directory.rglob("*") if path.is_file()
        }
        self.assertEqual(found, set(wanted))
        self.assertEqual(len(wanted), len(set(wanted)))
        self.assertTrue(any(row["additional_image_link"] for row in self.rows))

    def test_every_picture_opens_as_an_800_pixel_jpeg(self) -> None:
        for path in self.directory.rglob("*.jpg"):
            with Image.open(path) as picture:
                picture.load()
                self.assertEqual((picture.format, picture.mode, picture.size), ("JPEG", "RGB", (800, 800)))

    def test_no_two_pictures_of_a_category_are_the_same(self) -> None:
        owners: defaultdict[tuple[str, bytes], list[str]] = defaultdict(list)
        for row in self.rows:
            for name in picture_names(row):
                owners[row["product_type"], (self.directory / name).read_bytes()].append(name)
        self.assertEqual([names for names in owners.values() if len(names) > 1], [])

    def test_a_second_run_draws_only_what_is_missing_and_the_same_bytes(self) -> None:
        names = [picture_names(row)[-1] for row in self.rows[::10]]
        with tempfile.TemporaryDirectory() as temporary:
            copy = Path(temporary, "sample")
            shutil.copytree(self.directory, copy, copy_function=os.link)
            for name in names:
                (copy / name).unlink()
            self.assertEqual(draw_pictures(copy), len(names))
            for name in names:
                self.assertEqual((copy / name).read_bytes(), (self.directory / name).read_bytes(), name)
            self.assertEqual(draw_pictures(copy), 0)

    def test_the_first_run_makes_the_directory_and_counts_every_picture(self) -> None:
        wanted = sum(len(picture_names(row)) for row in self.rows)
        blank = Image.new("RGB", (1, 1))
        with (
            tempfile.TemporaryDirectory() as temporary,
            mock.patch("backend.catalog.sample.pictures.draw_picture", return_value=blank),
        ):
            directory = Path(temporary) / "absent" / "pictures"
            self.assertEqual(draw_pictures(directory), wanted)
            self.assertEqual(len([path for path in directory.rglob("*") if path.is_file()]), wanted)
