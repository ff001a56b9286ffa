"""Clothes, shoes and bags, laid flat."""

from collections.abc import Sequence

from backend.catalog.sample import paths
from backend.catalog.sample.canvas import Canvas
from backend.catalog.sample.drawings.patterns import decorate
from backend.catalog.sample.palette import (
    BLACK,
    BRASS,
    WHITE,
    WOOD,
    Look,
    dark,
    distance,
    is_dark,
    light,
    mix,
)

SHADOW = (1.6, 2.0)


def _laid(canvas: Canvas, look: Look, path: Sequence[paths.Point]) -> None:
    canvas.fill(paths.moved(path, *SHADOW), dark(look.background, 0.16))


def tshirt(canvas: Canvas, look: Look) -> None:
    """A T-shirt with a round neck."""
    right = [
        (58, 17),
        (64, 18),
        (74, 23),
        (90, 42),
        (78, 51),
        (72, 45),
        (71, 62),
        (72, 86),
        (72, 86),
        (50, 87),
    ]
    body = paths.mirrored(50, right)
    _laid(canvas, look, body)
    canvas.solid(body, look.main, shade=0.1, depth=0.05)
    decorate(canvas, body, look)
    _folds(canvas, look)
    canvas.fill(paths.arc(50, 16.6, 9, 9, 0, 180), dark(look.main, 0.32))
    canvas.line(paths.arc(50, 16.8, 9, 9.4, 4, 176), light(look.main, 0.18), 1.7)
    for mirror in (1, -1):
        canvas.line([(50 + mirror * 39, 41), (50 + mirror * 27.4, 50)], dark(look.main, 0.18), 0.7)
    canvas.line([(29, 84), (71, 84)], dark(look.main, 0.16), 0.5)


def tshirt_print(canvas: Canvas, look: Look) -> None:
    """A T-shirt with a round print on the chest."""
    tshirt(canvas, look)
    disc = paths.ellipse(50, 46, 12, 12)
    canvas.fill(disc, look.accent)
    with canvas.clip(disc):
        canvas.ellipse(50 + look.chance.uniform(-4, 4), 42, 5, 5, light(look.accent, 0.6))
        for index in range(3):
            y = 49 + index * 3.4
            ridge = paths.smooth([(36, y), (43, y - 3), (50, y), (57, y - 4), (66, y)], closed=False)
            canvas.fill([*ridge, (66, 62), (36, 62)], mix(look.accent, look.main, 0.35 + 0.2 * index))


def sweater(canvas: Canvas, look: Look) -> None:
    """A knitted jumper with ribbed cuffs."""
    _long_sleeves(canvas, look)
    rib = dark(look.main, 0.2)
    canvas.line(paths.arc(50, 16.4, 9.6, 7.4, 0, 180), rib, 4)
    canvas.line(paths.arc(50, 15.8, 9.6, 7, 0, 180), light(look.main, 0.15), 2.4)
    for x in range(33, 69, 2):
        canvas.line([(x, 81), (x, 86)], rib, 0.6)
    if not look.pattern:
        for x in (40, 50, 60):
            for y in range(32, 78, 6):
                canvas.line(
                    paths.smooth([(x - 2, y), (x + 2, y + 3), (x - 2, y + 6)], closed=False), rib, 0.8
                )
                canvas.line(
                    paths.smooth([(x + 2, y), (x - 2, y + 3), (x + 2, y + 6)], closed=False), rib, 0.8
                )


def hoodie(canvas: Canvas, look: Look) -> None:
    """A hoodie with a front pocket and cords."""
    hood = paths.smooth([(36, 24), (36, 14), (50, 7), (64, 14), (64, 24), (57, 29), (50, 31), (43, 29)])
    _laid(canvas, look, hood)
    _long_sleeves(canvas, look)
    canvas.solid(hood, light(look.main, 0.06), shade=0.16)
    canvas.fill(
        paths.smooth([(41, 22), (42, 15), (50, 12), (58, 15), (59, 22), (50, 29)]), dark(look.main, 0.42)
    )
    pocket = [(38, 60), (62, 60), (67, 71), (67, 78), (33, 78), (33, 71)]
    canvas.fill(pocket, dark(look.main, 0.13))
    canvas.line([(38, 60), (33, 71)], dark(look.main, 0.3), 0.8)
    canvas.line([(62, 60), (67, 71)], dark(look.main, 0.3), 0.8)
    cord = WHITE if is_dark(look.main) else BLACK
    canvas.line([(46, 28), (45, 42)], cord, 0.9)
    canvas.line([(54, 28), (55, 45)], cord, 0.9)


def _long_sleeves(canvas: Canvas, look: Look) -> None:
    body = paths.mirrored(50, [(60, 16), (69, 20), (71, 40), (70, 86), (50, 86.6)])
    for side in (1, -1):
        arm = [
            (50 + side * 18, 20),
            (50 + side * 25, 25),
            (50 + side * 38, 71),
            (50 + side * 29, 74),
            (50 + side * 18, 44),
        ]
        _laid(canvas, look, arm)
        canvas.fill(arm, dark(look.main, 0.08 if side < 0 else 0.16))
        decorate(canvas, arm, look)
        cuff = [(50 + side * 38, 71), (50 + side * 39.4, 77), (50 + side * 30.6, 80), (50 + side * 29, 74)]
        canvas.fill(cuff, dark(look.main, 0.26))
    _laid(canvas, look, body)
    canvas.solid(body, look.main, shade=0.1, depth=0.05)
    decorate(canvas, body, look)
    canvas.box(30, 81, 70, 86.4, dark(look.main, 0.13), 1)
    _folds(canvas, look)


def _folds(canvas: Canvas, look: Look) -> None:
    for points in ([(33, 60), (37, 66), (36, 76)], [(66, 52), (62, 58), (63, 66)]):
        canvas.line(paths.smooth(points, closed=False), dark(look.main, 0.12), 0.8)


def shirt(canvas: Canvas, look: Look) -> None:
    """A shirt with a collar and buttons."""
    _long_sleeves(canvas, look)
    canvas.line([(50, 24), (50, 86)], dark(look.main, 0.25), 0.6)
    for y in range(32, 86, 9):
        canvas.ellipse(51.8, y, 0.9, 0.9, WHITE if is_dark(look.main) else BLACK)
    canvas.fill([(42, 15), (58, 15), (50, 25)], dark(look.main, 0.35))
    for side in (1, -1):
        canvas.fill(
            [(50 + side * 10, 14), (50 + side * 1, 24), (50 + side * 8, 30), (50 + side * 13, 19)],
            light(look.main, 0.2),
        )
    canvas.box(57, 40, 66, 51, dark(look.main, 0.1), 0.8)


def sneaker(canvas: Canvas, look: Look) -> None:
    """A low sneaker in profile."""
    canvas.shadow(50, 74, 42, look.background)
    upper = paths.smooth(
        [
            (13, 42),
            (13, 42),
            (19, 40),
            (30, 43),
            (36, 38),
            (40, 37),
            (52, 50),
            (70, 55),
            (85, 60),
            (89, 67),
            (89, 69),
            (89, 69),
            (12, 69),
            (12, 69),
            (10, 56),
        ]
    )
    canvas.solid(upper, look.main, shade=0.14, depth=0.04)
    decorate(canvas, upper, look, scale=0.8)
    with canvas.clip(upper):
        canvas.fill(paths.smooth([(8, 39), (18, 39), (22, 54), (20, 70), (8, 70)]), look.accent)
        canvas.fill(
            paths.smooth([(74, 54), (92, 56), (94, 72), (70, 72)]),
            mix(look.main, WHITE if is_dark(look.main) else BLACK, 0.22),
        )
        canvas.line(paths.smooth([(26, 66), (40, 62), (52, 52)], closed=False), look.accent, 3)
    laces = WHITE if distance(look.main, WHITE) > 60 else dark(look.accent)
    for index in range(4):
        x, y = 41 + index * 4.6, 43.4 + index * 3
        canvas.line([(x - 2, y + 2), (x + 3.4, y - 0.6)], laces, 1.3)
    canvas.fill(
        paths.smooth([(14, 41), (20, 39), (31, 42), (37, 38), (34, 44), (22, 46)]), dark(look.main, 0.4)
    )
    sole = paths.smooth(
        [(9, 67), (9, 67), (50, 68), (90, 67), (91, 70), (87, 74), (50, 74), (13, 74), (9, 72)]
    )
    canvas.fill(sole, WHITE)
    with canvas.clip(sole):
        canvas.box(0, 72, 100, 80, mix(look.accent, WHITE, 0.15))


def boot(canvas: Canvas, look: Look) -> None:
    """A laced boot in profile."""
    canvas.shadow(52, 82, 36, look.background)
    upper = paths.smooth(
        [
            (25, 17),
            (25, 17),
            (51, 17),
            (51, 17),
            (52, 44),
            (60, 54),
            (78, 59),
            (86, 68),
            (86, 76),
            (86, 76),
            (23, 76),
            (23, 76),
            (22, 60),
            (25, 44),
        ]
    )
    canvas.solid(upper, look.main, shade=0.18, depth=0.07)
    decorate(canvas, upper, look)
    canvas.fill([(25, 15), (51.4, 15), (51.4, 22), (25, 22)], dark(look.main, 0.26))
    canvas.line(paths.smooth([(66, 76), (67, 66), (74, 60)], closed=False), dark(look.main, 0.25), 0.9)
    canvas.line(paths.smooth([(23, 58), (36, 60), (40, 76)], closed=False), dark(look.main, 0.25), 0.9)
    for index in range(5):
        y = 27 + index * 5.4
        canvas.line([(43, y + 1.4), (52.4 + max(0, index - 3) * 2, y)], mix(look.accent, WHITE, 0.2), 1.3)
        canvas.ellipse(42.6, y + 1.5, 1, 1, BRASS)
    canvas.box(21, 75, 87, 79, dark(WOOD, 0.25), 1)
    canvas.fill([(21, 78), (87, 78), (85, 82), (48, 82), (46, 80), (42, 80), (42, 83), (22, 83)], BLACK)


def beanie(canvas: Canvas, look: Look) -> None:
    """A knitted hat with a turned-up edge, perhaps a bobble."""
    if look.chance.random() < 0.6:
        canvas.solid(paths.ellipse(50, 19, 8.4, 8.4), look.accent)
    body = paths.turned(50, [(0, 22), (14, 24), (27, 38), (30, 62), (30, 62), (0, 62)])
    _laid(canvas, look, body)
    canvas.solid(body, look.main)
    decorate(canvas, body, look)
    with canvas.clip(body):
        for index in range(-5, 6):
            rib = paths.smooth(
                [(50 + index * 1.4, 22), (50 + index * 5, 42), (50 + index * 5.8, 62)], closed=False
            )
            canvas.line(rib, dark(look.main, 0.16), 0.7)
    brim = paths.box(18, 58, 82, 76, 4)
    _laid(canvas, look, brim)
    canvas.solid(brim, light(look.main, 0.1), depth=0.05)
    for x in range(22, 80, 4):
        canvas.line([(x, 60), (x, 74)], dark(look.main, 0.2), 0.8)


def cap(canvas: Canvas, look: Look) -> None:
    """A cap with a peak to the right."""
    canvas.shadow(52, 70, 38, look.background)
    peak = paths.smooth([(56, 58), (72, 57), (92, 63), (95, 68), (92, 70), (76, 66), (54, 67)])
    canvas.solid(
        peak, mix(look.main, look.accent, 0.6) if look.chance.random() < 0.5 else dark(look.main, 0.16)
    )
    crown = paths.smooth(
        [(14, 67), (14, 67), (15, 50), (26, 34), (44, 29), (62, 35), (71, 50), (72, 66), (72, 66), (44, 69)]
    )
    canvas.solid(crown, look.main)
    decorate(canvas, crown, look)
    for points in ([(44, 29), (36, 46), (35, 67)], [(44, 29), (56, 46), (59, 67)]):
        canvas.line(paths.smooth(points, closed=False), dark(look.main, 0.22), 0.7)
    canvas.ellipse(44, 29, 2.6, 1.7, look.accent)
    canvas.box(42, 49, 52, 56, look.accent, 1.2)


def straw_hat(canvas: Canvas, look: Look) -> None:
    """A wide-brimmed hat with a ribbon."""
    canvas.shadow(50, 70, 42, look.background, 3.4)
    brim = paths.ellipse(50, 63, 42, 8)
    canvas.fill(paths.moved(brim, 0, 1.4), dark(look.main, 0.24))
    canvas.fill(brim, look.main)
    with canvas.clip(brim):
        for radius in (28, 33, 38):
            canvas.line(paths.arc(50, 63, radius, radius * 0.19, 0, 360), dark(look.main, 0.12), 0.5)
    crown = paths.turned(50, [(0, 34), (14, 35), (21, 42), (23, 62), (23, 62), (20, 65), (0, 66.4)])
    canvas.solid(crown, look.main)
    with canvas.clip(crown):
        for y in range(36, 66, 3):
            canvas.line(
                paths.smooth([(26, y), (50, y + 2.4), (74, y)], closed=False), dark(look.main, 0.1), 0.5
            )
        canvas.fill(
            [
                *paths.smooth([(26, 53), (50, 56), (74, 53)], closed=False),
                *paths.smooth([(74, 62), (50, 66), (26, 62)], closed=False),
            ],
            look.accent,
        )


def scarf(canvas: Canvas, look: Look) -> None:
    """A scarf tied once, ends hanging."""
    for x0, x1, y in ((33, 49, 84), (53, 68, 76)):
        end = [(x0 + 4, 36), (x1 + 1, 36), (x1, y), (x0, y)]
        _laid(canvas, look, end)
        canvas.solid(end, look.main, shade=0.14)
        decorate(canvas, end, look)
        for index in range(7):
            x = x0 + 0.8 + index * (x1 - x0 - 1.6) / 6
            canvas.line([(x, y), (x + look.chance.uniform(-0.6, 0.6), y + 5.6)], look.main, 0.9)
    loop = paths.smooth([(24, 28), (32, 18), (50, 14), (68, 18), (76, 28), (68, 40), (50, 45), (32, 40)])
    _laid(canvas, look, loop)
    canvas.solid(loop, look.main)
    decorate(canvas, loop, look)
    canvas.fill(paths.ellipse(50, 24, 16, 6), dark(look.main, 0.45))
    knot = paths.smooth([(41, 36), (58, 35), (61, 46), (50, 51), (40, 47)])
    canvas.solid(knot, dark(look.main, 0.08))


def backpack(canvas: Canvas, look: Look) -> None:
    """A backpack with a front pocket."""
    canvas.shadow(50, 86, 28, look.background)
    canvas.line(paths.arc(50, 17, 8, 7, 180, 360), dark(look.main, 0.35), 2.4)
    for side in (1, -1):
        canvas.line(
            [(50 + side * 24, 50), (50 + side * 31, 62), (50 + side * 27, 82)], dark(look.main, 0.35), 4
        )
    body = paths.smooth(
        [(28, 84), (25, 60), (28, 28), (38, 17), (62, 17), (72, 28), (75, 60), (72, 84), (62, 86), (38, 86)]
    )
    canvas.solid(body, look.main)
    decorate(canvas, body, look)
    canvas.line(paths.arc(50, 42, 20, 18, 180, 360), dark(look.main, 0.3), 1)
    pocket = paths.box(32, 54, 68, 80, 5)
    canvas.fill(paths.moved(pocket, 0.8, 1), dark(look.main, 0.3))
    canvas.solid(pocket, light(look.main, 0.1), depth=0.05)
    canvas.line([(36, 60), (64, 60)], dark(look.main, 0.4), 0.9)
    canvas.box(61, 59.4, 63.4, 65, BRASS, 0.8)
    canvas.box(43, 32, 57, 40, look.accent, 1.4)


def tote(canvas: Canvas, look: Look) -> None:
    """A canvas shopper with two handles."""
    canvas.shadow(50, 86, 30, look.background)
    canvas.line(paths.arc(50, 42, 14, 30, 180, 360), dark(look.main, 0.25), 2.6)
    body = paths.mirrored(50, [(74, 38), (78, 86)])
    canvas.solid(body, look.main, depth=0.06)
    decorate(canvas, body, look)
    canvas.line(paths.arc(50, 44, 14, 26, 180, 360), look.main, 2.6)
    canvas.line([(26.4, 41), (73.6, 41)], dark(look.main, 0.2), 0.7)
    for x in (36, 64):
        canvas.box(x - 1.6, 38, x + 1.6, 45, dark(look.main, 0.16))
