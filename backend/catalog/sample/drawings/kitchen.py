"""Tableware, pots and pans, and what lies on a sofa or hangs in a bathroom."""

from backend.catalog.sample import paths
from backend.catalog.sample.canvas import Canvas
from backend.catalog.sample.drawings.patterns import decorate
from backend.catalog.sample.palette import BLACK, BRASS, STEEL, WOOD, Look, dark, is_dark, light, mix

TEA = (150, 84, 40)
COFFEE = (84, 54, 40)


def mug(canvas: Canvas, look: Look) -> None:
    """A straight mug with a handle."""
    _cup(canvas, look, [(19, 31), (19, 31), (19, 70), (18.4, 75), (14, 79), (14, 79), (0, 79)], 31, 79)


def mug_round(canvas: Canvas, look: Look) -> None:
    """A pot-bellied mug."""
    _cup(canvas, look, [(16, 34), (18, 40), (22, 56), (19, 72), (12, 79), (12, 79), (0, 79)], 34, 79)


def mug_tall(canvas: Canvas, look: Look) -> None:
    """A tall mug that widens to the top."""
    _cup(canvas, look, [(19, 24), (18, 34), (15.5, 60), (14, 76), (12, 79), (12, 79), (0, 79)], 24, 79)


def cup_and_saucer(canvas: Canvas, look: Look) -> None:
    """A low cup on its saucer."""
    canvas.shadow(48, 80, 38, look.background)
    canvas.ellipse(46, 77, 33, 5, dark(look.main, 0.14))
    canvas.ellipse(46, 75.6, 33, 4.6, look.main)
    canvas.ellipse(46, 75.6, 20, 2.6, dark(look.main, 0.1))
    _cup(canvas, look, [(21, 44), (20, 54), (15, 68), (9, 75), (9, 75), (0, 75.6)], 44, 0)


def _cup(canvas: Canvas, look: Look, profile: list[paths.Point], rim: float, ground: float) -> None:
    body = paths.turned(46, profile)
    radius = profile[0][0]
    if ground:
        canvas.shadow(49, ground, radius + 10, look.background)
    bottom = profile[-1][1]
    middle, reach = rim + (bottom - rim) * 0.46, (bottom - rim) * 0.28
    handle = paths.arc(46 + radius - 2.5, middle, 13.5, reach, -90, 90)
    canvas.line(handle, dark(look.main, 0.2), 5)
    canvas.line(paths.moved(handle, -0.7, -0.7), look.main, 3.8)
    canvas.solid(body, look.main)
    decorate(canvas, body, look, scale=0.8)
    canvas.ellipse(46, rim, radius, radius * 0.2, light(look.main, 0.5))
    canvas.ellipse(46, rim, radius - 1.2, radius * 0.2 - 0.7, dark(look.main, 0.3))
    with canvas.clip(paths.ellipse(46, rim, radius - 1.2, radius * 0.2 - 0.7)):
        canvas.ellipse(46, rim + 1.5, radius - 2, radius * 0.19, look.chance.choice((TEA, COFFEE)))
    x = 46 - radius * 0.72
    canvas.shine([(x, rim + 9), (x, rim + (bottom - rim) * 0.5)], look.main)


def plate(canvas: Canvas, look: Look) -> None:
    """A flat plate seen from above."""
    canvas.ellipse(51.5, 52.5, 36, 36, dark(look.background, 0.16))
    rim, well = paths.ellipse(50, 50, 36, 36), paths.ellipse(50, 50, 24.5, 24.5)
    canvas.solid(rim, look.main, shade=0.1, depth=0.03)
    decorate(canvas, rim, look, scale=0.85)
    canvas.fill(well, dark(look.main, 0.1))
    canvas.fill(paths.ellipse(50.4, 50.6, 24, 24), look.main if look.pattern else light(look.main, 0.25))
    if not look.pattern:
        for angle in range(0, 360, look.chance.choice((15, 20, 30))):
            (x, y), (x2, y2) = paths.rotated([(50, 16.5), (50, 20)], angle)
            canvas.line([(x, y), (x2, y2)], look.accent, 1)
    canvas.line(paths.arc(50, 50, 33, 33, 200, 250), light(look.main, 0.7), 1.2)


def bowl(canvas: Canvas, look: Look) -> None:
    """A deep bowl from the side."""
    body = paths.turned(50, [(34, 42), (32, 54), (24, 68), (13, 75), (12, 75), (12, 79), (12, 79), (0, 79)])
    canvas.shadow(51, 79, 30, look.background)
    canvas.solid(body, look.main)
    decorate(canvas, body, look)
    canvas.ellipse(50, 42, 34, 6.4, light(look.main, 0.5))
    canvas.ellipse(50, 42, 32.4, 5.4, dark(look.main, 0.28))
    with canvas.clip(paths.ellipse(50, 42, 32.4, 5.4)):
        canvas.ellipse(50, 45, 30, 5.6, dark(look.main, 0.12))
    canvas.shine(paths.arc(50, 44, 28, 28, 130, 165), look.main)


def teapot(canvas: Canvas, look: Look) -> None:
    """A round teapot with a lid."""
    canvas.shadow(50, 79, 27, look.background)
    spout = paths.smooth(
        [(26, 60), (26, 60), (16, 52), (11, 40), (9, 38), (15, 37), (15, 37), (21, 46), (32, 50)]
    )
    canvas.solid(spout, look.main)
    handle = paths.arc(72, 55, 14, 14, -100, 100)
    canvas.line(handle, dark(look.main, 0.22), 4.6)
    canvas.line(paths.moved(handle, -0.6, -0.6), look.main, 3.4)
    body = paths.turned(50, [(13, 36), (22, 42), (27, 57), (22, 72), (15, 79), (15, 79), (0, 79)])
    canvas.solid(body, look.main)
    decorate(canvas, body, look)
    lid = paths.turned(50, [(0, 30), (9, 31.5), (15, 36), (15, 36), (14, 38), (0, 39)])
    canvas.solid(lid, mix(look.main, look.accent, 0.15), shade=0.25)
    canvas.ellipse(50, 28.5, 3.6, 3.2, look.accent)
    canvas.shine(paths.arc(50, 57, 22, 19, 165, 225), look.main, 2)


def kettle(canvas: Canvas, look: Look) -> None:
    """A stove kettle with a bail handle."""
    canvas.shadow(50, 79, 31, look.background)
    bail = paths.arc(50, 44, 22, 24, 180, 360)
    canvas.line(bail, WOOD if not is_dark(look.main) else BLACK, 4.4)
    canvas.solid(
        paths.smooth([(70, 58), (70, 58), (82, 46), (90, 42), (91, 46), (86, 54), (74, 70)]), look.main
    )
    body = paths.turned(50, [(14, 43), (23, 48), (29, 66), (28, 76), (25, 79), (25, 79), (0, 79)])
    canvas.solid(body, look.main)
    decorate(canvas, body, look)
    canvas.solid(
        paths.turned(50, [(0, 38), (10, 39.5), (14, 43), (14, 43), (0, 44.5)]), dark(look.main, 0.14)
    )
    canvas.ellipse(50, 36.4, 3.2, 2.8, WOOD if not is_dark(look.main) else BRASS)
    canvas.shine(paths.smooth([(27, 70), (29, 60), (34, 52)], closed=False), look.main, 2)


def glass_teapot(canvas: Canvas, look: Look) -> None:
    """A glass teapot with tea in it and a wooden lid."""
    canvas.shadow(50, 79, 25, look.background)
    glass, edge = light(look.main, 0.35), dark(look.main, 0.12)
    canvas.line([(26, 66), (17, 58), (13, 46), (9, 43)], edge, 4.6)
    canvas.line([(26, 66), (17, 58), (13, 46), (9, 43)], glass, 3)
    canvas.line(paths.arc(71, 57, 13, 15, -100, 100), edge, 3.6)
    body = paths.turned(50, [(15, 36), (20, 46), (25, 60), (25, 74), (22, 79), (22, 79), (0, 79)])
    canvas.fill(body, glass)
    with canvas.clip(body):
        canvas.box(20, 54, 80, 80, mix(TEA, (232, 160, 70), 0.6))
        canvas.ellipse(50, 54, 24, 3, mix(TEA, (240, 180, 90), 0.8))
        canvas.box(43, 36, 57, 68, mix(glass, STEEL, 0.7), 3)
        for y in range(42, 66, 5):
            for x in (46, 50, 54):
                canvas.ellipse(x, y, 0.7, 0.7, dark(STEEL, 0.3))
    canvas.line([*body, body[0]], edge, 1)
    canvas.solid(paths.box(33, 31.5, 67, 36.5, 2), WOOD)
    canvas.ellipse(50, 29.5, 3.4, 3, dark(WOOD, 0.1))
    canvas.shine([(30, 58), (29.5, 70)], glass, 1.8)


def frying_pan(canvas: Canvas, look: Look) -> None:
    """A frying pan from above, handle to the corner."""
    canvas.ellipse(43, 45, 30, 30, dark(look.background, 0.16))
    handle = paths.rotated(paths.box(62, 38.4, 97, 45.6, 3.6), 42, 41, 42)
    grip = WOOD if look.chance.random() < 0.6 else BLACK
    canvas.solid(handle, grip, depth=0.04)
    canvas.fill(paths.rotated(paths.ellipse(93, 42, 1.3, 1.3), 42, 41, 42), dark(grip, 0.5))
    canvas.fill(paths.rotated(paths.box(66, 39.4, 75, 44.6, 1), 42, 41, 42), STEEL)
    canvas.solid(paths.ellipse(41, 42, 30, 30), look.main, depth=0.04)
    inner = paths.ellipse(41, 42, 26.4, 26.4)
    canvas.fill(inner, dark(look.main, 0.42))
    canvas.fill(paths.ellipse(41.6, 42.8, 25.4, 25.4), dark(look.main, 0.3))
    decorate(canvas, inner, look)
    canvas.line(paths.arc(41, 42, 21, 21, 190, 250), light(dark(look.main, 0.3), 0.22), 1.6)


def casserole(canvas: Canvas, look: Look) -> None:
    """A pot with a lid and two ears."""
    canvas.shadow(50, 79, 33, look.background)
    for side in (17, 83):
        canvas.line([(side, 52), (side, 58)], dark(look.main, 0.3), 6)
    body = paths.turned(50, [(31, 46), (31, 46), (30.4, 70), (29, 76), (24, 79), (24, 79), (0, 79)])
    canvas.solid(body, look.main)
    decorate(canvas, body, look)
    canvas.solid(
        paths.turned(50, [(0, 34), (16, 35.5), (29, 41), (32.5, 46), (32.5, 46), (0, 46)]), look.main
    )
    canvas.box(17.5, 45, 82.5, 48, dark(look.main, 0.18), 1.5)
    canvas.box(43, 29.5, 57, 33, BRASS if is_dark(look.main) else BLACK, 1.7)
    canvas.box(47.5, 32, 52.5, 35, dark(look.main, 0.3))
    canvas.shine([(25, 54), (25.4, 67)], look.main, 2)


def saucepan(canvas: Canvas, look: Look) -> None:
    """A small pan with one long handle."""
    canvas.shadow(42, 76, 27, look.background)
    canvas.line([(64, 51), (93, 46)], dark(look.chance.choice((WOOD, BLACK)), 0.05), 4.6)
    body = paths.turned(41, [(25, 46), (25, 46), (25, 68), (23, 74), (20, 76), (20, 76), (0, 76)])
    canvas.solid(body, look.main)
    decorate(canvas, body, look)
    canvas.ellipse(41, 46, 25, 4.6, light(look.main, 0.45))
    canvas.ellipse(41, 46, 23.6, 3.8, dark(look.main, 0.35))
    canvas.shine([(21, 54), (21, 66)], look.main, 2)


def cutting_board(canvas: Canvas, look: Look) -> None:
    """A wooden board with a handle, grain and a hole."""
    tilt = look.chance.choice((-14, 12, 20))
    board = paths.box(29, 32, 71, 88, 6) if tilt != 12 else paths.ellipse(50, 60, 27, 27)
    neck = paths.box(44, 12, 56, 40, 6)
    for shape in (board, neck):
        canvas.fill(paths.moved(paths.rotated(shape, tilt), 1.8, 1.8), dark(look.background, 0.16))
    for shape in (board, neck):
        canvas.fill(paths.rotated(shape, tilt), look.main)
    with canvas.clip(paths.rotated(board, tilt)):
        x = 24.0
        while x < 80:
            canvas.fill(
                paths.rotated(paths.box(x, 20, x + look.chance.uniform(0.5, 3.4), 95), tilt),
                dark(look.main, 0.09),
            )
            x += look.chance.uniform(4, 9)
    canvas.fill(paths.rotated(paths.ellipse(50, 19, 2.4, 2.4), tilt), look.background)


def knife(canvas: Canvas, look: Look) -> None:
    """A chef's knife lying across the picture."""
    tilt = look.chance.choice((-38, -30, -44))
    blade = paths.rotated(
        paths.smooth([(36, 45), (36, 45), (80, 46), (96, 54), (96, 54), (76, 58), (36, 58), (36, 58)]), tilt
    )
    canvas.fill(paths.moved(blade, 1.6, 2), dark(look.background, 0.16))
    canvas.fill(blade, light(STEEL, 0.4))
    with canvas.clip(blade):
        canvas.fill(paths.rotated(paths.box(30, 53.5, 100, 60), tilt), light(STEEL, 0.75))
    handle = paths.rotated(paths.box(6, 45.4, 37, 53.4, 3.6), tilt)
    canvas.fill(paths.moved(handle, 1.6, 2), dark(look.background, 0.16))
    canvas.fill(handle, look.main)
    for x in (13, 21, 29):
        canvas.fill(paths.rotated(paths.ellipse(x, 49.4, 1.1, 1.1), tilt), BRASS)
    canvas.fill(paths.rotated(paths.box(34, 44.6, 38, 54.4, 1), tilt), STEEL)


def pillow(canvas: Canvas, look: Look) -> None:
    """A square cushion with soft corners."""
    tilt = look.chance.choice((-7, 0, 6))
    edge = [
        (24, 18),
        (50, 21),
        (76, 18),
        (82, 24),
        (79, 50),
        (82, 76),
        (76, 82),
        (50, 79),
        (24, 82),
        (18, 76),
    ]
    body = paths.rotated(paths.smooth([*edge, (21, 50), (18, 24)]), tilt)
    canvas.shadow(51, 82, 32, look.background, 3.4)
    canvas.solid(body, look.main, shade=0.12, depth=0.07)
    decorate(canvas, body, look, scale=1.15)
    for turn in (0, 90, 180, 270):
        crease = paths.rotated(paths.smooth([(23, 23), (26, 28), (27, 34)], closed=False), turn + tilt)
        canvas.line(crease, dark(look.main, 0.2), 0.8)


def towel(canvas: Canvas, look: Look) -> None:
    """A towel hanging from a wooden rail."""
    canvas.box(12, 18, 88, 21.4, WOOD, 1.7)
    canvas.ellipse(13, 19.7, 2.8, 2.8, dark(WOOD, 0.2))
    canvas.ellipse(87, 19.7, 2.8, 2.8, dark(WOOD, 0.2))
    back = paths.box(33, 16.6, 74, 70)
    canvas.fill(back, dark(look.main, 0.2))
    front = paths.box(27, 16.4, 68, 80, 1.6)
    canvas.solid(front, look.main, shade=0.1, depth=0.06)
    decorate(canvas, front, look)
    for y in (70, 73):
        canvas.box(27, y, 68, y + 1.2, look.accent)
    for index in range(21):
        canvas.line([(28 + index * 1.95, 80), (28 + index * 1.95, 83)], look.main, 0.9)
    canvas.line([(40, 22), (39.4, 66)], dark(look.main, 0.1), 0.8)


def folded_stack(canvas: Canvas, look: Look) -> None:
    """A blanket folded in three, with a fringe."""
    canvas.shadow(50, 79, 36, look.background)
    height = 12.4
    for index in range(3):
        y = 79 - height * (index + 1)
        shift = look.chance.uniform(-1.2, 1.2)
        layer = paths.box(18 + shift, y, 82 + shift, y + height - 0.5, 5.6)
        canvas.solid(layer, look.main, shade=0.18, depth=0.05)
        decorate(canvas, layer, look)
        canvas.line(
            [(24 + shift, y + height - 1.6), (80 + shift, y + height - 1.6)], dark(look.main, 0.22), 0.7
        )
    flap = paths.smooth(
        [
            (30, 41),
            (30, 41),
            (62, 41),
            (62, 41),
            (62.5, 52),
            (62, 63),
            (62, 63),
            (30, 63),
            (30, 63),
            (29.5, 52),
        ]
    )
    canvas.fill(paths.moved(flap, 1.2, 0.8), dark(look.main, 0.24))
    canvas.fill(flap, light(look.main, 0.12))
    decorate(canvas, flap, look)
    for index in range(17):
        x = 31 + index * 1.9
        canvas.line([(x, 63), (x + look.chance.uniform(-0.4, 0.4), 68)], light(look.main, 0.12), 0.8)
