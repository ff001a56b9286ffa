"""Draws the pictures of the sample catalogue, so that none has to be stored or fetched."""

import csv
from dataclasses import replace
from pathlib import Path

from PIL import Image

from backend.catalog.sample.canvas import Canvas, View
from backend.catalog.sample.drawings import DRAWINGS
from backend.catalog.sample.palette import Look, Rgb, dark, light, look_for, mix

FEED = Path(__file__).with_name("feed.tsv")

PLANKS: Rgb = (218, 190, 156)
# Seen from above: before a wall they would hover.
LAID_FLAT = frozenset(
    {
        "beanie",
        "cutting-board",
        "frying-pan",
        "guitar",
        "hand-fork",
        "hoodie",
        "keyboard",
        "knife",
        "mouse",
        "paint-box",
        "plate",
        "pruner",
        "puzzle",
        "scarf",
        "seed-packet",
        "shirt",
        "sketchbook",
        "smart-watch",
        "spade",
        "sweater",
        "towel",
        "tshirt",
        "tshirt-print",
        "ukulele",
        "watch",
    }
)

Row = dict[str, str]


def read_feed(feed: Path = FEED) -> list[Row]:
    """Return the rows of a product feed, by column name."""
    with feed.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def draw_pictures(directory: Path) -> int:
    """Draw every picture of the sample catalogue that is missing, always the same bytes for a product.

    directory: what the feed's picture names are relative to; created when absent.
    Returns how many pictures were drawn. A picture that is there is left alone.
    """
    drawn = 0
    for row in read_feed():
        for position, name in enumerate(picture_names(row)):
            target = directory / name
            if target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            # Under another name first: a picture cut short by an interruption must not pass for a drawn one.
            unfinished = target.with_suffix(".part")
            draw_picture(row, position).save(unfinished, "JPEG", quality=88, subsampling=0)
            unfinished.replace(target)
            drawn += 1
    return drawn


def picture_names(row: Row) -> list[str]:
    """Return the file names of a product's pictures, the main one first."""
    return [row["image_link"], *filter(None, row["additional_image_link"].split(","))]


def draw_picture(row: Row, position: int) -> Image.Image:
    """Return one picture of a product: 0 is the main one, 1 shows it in a room, 2 and on from close by."""
    look = look_for(row["id"], row["color"], row["pattern"])
    drawing = row["custom_label_0"]
    if position == 0:
        canvas = _backdrop(look)
    elif position == 1:
        # What the thing stands or lies on is now what its shadow falls on.
        look = replace(look, background=PLANKS)
        canvas = _table_top() if drawing in LAID_FLAT else _room(look)
    else:
        canvas = Canvas(light(look.background, 0.2), View(x=44, y=46, zoom=1.9))
    DRAWINGS[drawing](canvas, look)
    return canvas.finished()


def _backdrop(look: Look) -> Canvas:
    canvas = Canvas(look.background)
    canvas.ellipse(50, 50, 44, 44, light(look.background, 0.35))
    return canvas


def _room(look: Look) -> Canvas:
    canvas = Canvas(light(mix(look.accent, (226, 226, 226), 0.6), 0.35), View(x=50, y=48, zoom=0.8))
    canvas.box(-30, 74, 130, 130, PLANKS)
    canvas.box(-30, 74, 130, 75.2, dark(PLANKS, 0.16))
    return canvas


def _table_top() -> Canvas:
    canvas = Canvas(PLANKS, View(zoom=0.84))
    for index, y in enumerate(range(-12, 120, 16)):
        canvas.box(-20, y, 120, y + 16, (PLANKS, light(PLANKS, 0.1), dark(PLANKS, 0.03))[index % 3])
        canvas.box(-20, y, 120, y + 0.4, dark(PLANKS, 0.2))
    return canvas
