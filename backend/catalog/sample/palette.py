"""The colours of the pictures: what the feed's colour names look like, and what stands beside them."""

import math
from dataclasses import dataclass
from random import Random

Rgb = tuple[int, int, int]

WHITE: Rgb = (250, 248, 244)
BLACK: Rgb = (43, 45, 52)
WOOD: Rgb = (196, 146, 96)
STEEL: Rgb = (176, 183, 190)
BRASS: Rgb = (205, 160, 82)
GREEN: Rgb = (82, 138, 92)
PAPER: Rgb = (246, 240, 226)
GLASS: Rgb = (206, 224, 228)

COLORS: dict[str, Rgb] = {
    "белый": (243, 240, 233),
    "чёрный": (52, 54, 61),
    "серый": (146, 151, 157),
    "синий": (58, 92, 150),
    "голубой": (134, 181, 209),
    "бирюзовый": (64, 153, 155),
    "зелёный": (78, 132, 92),
    "оливковый": (130, 133, 78),
    "жёлтый": (236, 188, 74),
    "оранжевый": (226, 132, 64),
    "красный": (196, 66, 60),
    "бордовый": (130, 48, 62),
    "розовый": (226, 154, 160),
    "сиреневый": (164, 144, 196),
    "бежевый": (220, 200, 170),
    "коричневый": (132, 92, 66),
    "терракотовый": (198, 108, 76),
    "медный": (190, 114, 78),
    "латунный": BRASS,
    "стальной": (184, 190, 196),
    "прозрачный": (200, 222, 228),
    "дубовый": (200, 154, 104),
    "ореховый": (126, 84, 58),
    "white": (243, 241, 236),
    "cream": (238, 226, 202),
    "black": (50, 52, 59),
    "charcoal": (78, 82, 90),
    "grey": (150, 155, 161),
    "silver": (196, 201, 207),
    "navy": (46, 66, 112),
    "blue": (72, 118, 180),
    "sky": (140, 186, 214),
    "teal": (58, 142, 146),
    "green": (84, 138, 94),
    "forest": (50, 92, 74),
    "olive": (128, 132, 80),
    "sand": (216, 194, 158),
    "mustard": (216, 168, 62),
    "yellow": (240, 198, 82),
    "orange": (228, 130, 62),
    "rust": (182, 92, 58),
    "red": (198, 66, 62),
    "burgundy": (126, 46, 62),
    "pink": (228, 156, 164),
    "lilac": (168, 148, 200),
    "brown": (130, 92, 66),
    "natural": (206, 164, 114),
    "walnut": (124, 84, 60),
}

# Products without a colour of their own (books, games, sets) take one of these by their sku.
_FREE_COLORS = (
    "синий",
    "бирюзовый",
    "терракотовый",
    "жёлтый",
    "бордовый",
    "зелёный",
    "сиреневый",
    "голубой",
    "розовый",
    "navy",
)

_ACCENTS: tuple[Rgb, ...] = (
    (236, 188, 74),
    (198, 108, 76),
    (58, 92, 150),
    (64, 153, 155),
    (246, 240, 226),
    (226, 154, 160),
    (78, 132, 92),
    (52, 54, 61),
)

_BACKGROUNDS: tuple[Rgb, ...] = (
    (232, 224, 212),
    (216, 228, 224),
    (222, 228, 238),
    (242, 222, 210),
    (236, 230, 204),
    (228, 220, 234),
    (214, 226, 208),
    (240, 218, 218),
    (226, 226, 226),
)


@dataclass(frozen=True)
class Look:
    """What a drawing may vary: the product's colours, its pattern and a choice of details."""

    main: Rgb
    accent: Rgb
    background: Rgb
    pattern: str
    chance: Random


def look_for(sku: str, color: str, pattern: str) -> Look:
    """Return the look of a product: always the same one for the same sku, colour and pattern.

    color: a name from the feed, or "" to have one chosen by the sku. Raises KeyError for an unknown one.
    """
    chance = Random(sku)
    main = COLORS[color or chance.choice(_FREE_COLORS)]
    accent = chance.choice([accent for accent in _ACCENTS if distance(accent, main) > 130])
    clear = sorted(_BACKGROUNDS, key=lambda rgb: distance(rgb, main))[-6:]
    return Look(main=main, accent=accent, background=chance.choice(clear), pattern=pattern, chance=chance)


def mix(one: Rgb, other: Rgb, share: float) -> Rgb:
    """Return the first colour with ``share`` (0 to 1) of the other mixed in."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def dark(color: Rgb, share: float = 0.2) -> Rgb:
    """Return the colour in shadow: darker and a little colder."""
    return mix(color, (28, 24, 48), share)


def light(color: Rgb, share: float = 0.35) -> Rgb:
    """Return the colour in light: paler and a little warmer."""
    return mix(color, (255, 252, 244), share)


def distance(one: Rgb, other: Rgb) -> float:
    """Return how far apart two colours are, 0 for equal ones."""
    return math.dist(one, other)


def is_dark(color: Rgb) -> bool:
    """Tell whether light details read better on the colour than dark ones."""
    return color[0] * 0.3 + color[1] * 0.59 + color[2] * 0.11 < 140
