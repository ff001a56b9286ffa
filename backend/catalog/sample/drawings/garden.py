"""Pots, plants and tools for the garden."""

from backend.catalog.sample import paths
from backend.catalog.sample.canvas import Canvas
from backend.catalog.sample.drawings.patterns import decorate
from backend.catalog.sample.palette import BLACK, GREEN, PAPER, STEEL, WOOD, Look, dark, light, mix

SOIL = (84, 62, 50)


def _pot(canvas: Canvas, look: Look, top: float, radius: float) -> None:
    color = look.main
    canvas.shadow(50, 84, radius + 5, look.background)
    body = paths.turned(
        50,
        [(radius, top), (radius, top), (radius * 0.8, 78), (radius * 0.7, 84), (radius * 0.7, 84), (0, 84)],
    )
    canvas.solid(body, color)
    decorate(canvas, body, look, scale=0.8)
    canvas.ellipse(50, top, radius, radius * 0.17, light(color, 0.4))
    canvas.ellipse(50, top, radius - 1.4, radius * 0.17 - 0.8, SOIL)


def planter(canvas: Canvas, look: Look) -> None:
    """A flowerpot with a rim and a small sprout."""
    canvas.shadow(50, 82, 28, look.background)
    for turn, length in ((-34, 22), (0, 30), (34, 22)):
        canvas.solid(paths.leaf(50, 40, length, length * 0.42, turn), GREEN, depth=0.3)
    body = paths.mirrored(50, [(74, 46), (68, 82)])
    canvas.solid(body, look.main)
    decorate(canvas, body, look)
    rim = paths.box(23, 38, 77, 48, 2)
    canvas.solid(rim, light(look.main, 0.12), depth=0.05)
    canvas.box(25, 48, 75, 49.4, dark(look.main, 0.22))
    canvas.shine([(33, 54), (35, 72)], look.main, 2)


def bowl_planter(canvas: Canvas, look: Look) -> None:
    """A round planter on wooden legs."""
    canvas.shadow(50, 86, 24, look.background, 2)
    for x, foot in ((36, 31), (64, 69)):
        canvas.line([(x, 66), (foot, 86)], WOOD, 3)
    for turn, length in ((-58, 24), (-28, 31), (0, 35), (28, 31), (58, 24)):
        canvas.solid(paths.leaf(50, 46, length, length * 0.28, turn), GREEN, depth=0.3)
    body = paths.turned(50, [(27, 42), (28, 54), (24, 68), (14, 75), (14, 75), (0, 75)])
    canvas.solid(body, look.main)
    decorate(canvas, body, look)
    canvas.ellipse(50, 42, 27, 3.8, light(look.main, 0.4))
    canvas.ellipse(50, 42, 25.4, 2.8, SOIL)
    canvas.fill(paths.leaf(50, 44, 16, 6, -20), GREEN)
    canvas.fill(paths.leaf(50, 44, 16, 6, 20), light(GREEN, 0.15))


def hanging_planter(canvas: Canvas, look: Look) -> None:
    """A pot on cords with a trailing plant."""
    for x in (28, 72):
        canvas.line([(50, 4), (x, 46)], WOOD, 1)
    canvas.ellipse(50, 5, 2.4, 2.4, WOOD)
    body = paths.turned(50, [(23, 44), (24, 52), (20, 64), (10, 70), (10, 70), (0, 70)])
    for x, drop in ((30, 76), (38, 60), (64, 82), (72, 66)):
        vine = paths.smooth([(x, 44), (x + (x - 50) * 0.25, 52), (x + (x - 50) * 0.2, drop)], closed=False)
        canvas.line(vine, dark(GREEN, 0.1), 0.9)
    canvas.solid(body, look.main)
    decorate(canvas, body, look, scale=0.8)
    canvas.ellipse(50, 44, 23, 3.4, light(look.main, 0.4))
    for x, drop in ((30, 76), (38, 60), (64, 82), (72, 66)):
        for step in range(4):
            y = 45 + (drop - 45) * step / 3
            side = x + (x - 50) * 0.22
            canvas.fill(
                paths.leaf(side, y, 8, 4.6, 120 if step % 2 else 240), mix(GREEN, (150, 190, 110), step / 5)
            )
    for turn in (-60, -25, 10, 45, 70):
        canvas.solid(paths.leaf(50, 46, 17, 8, turn), GREEN, depth=0.3)


def monstera(canvas: Canvas, look: Look) -> None:
    """A plant with large leaves on long stalks."""
    leaves = ((24, 38, -42, 27), (40, 20, -12, 28), (66, 24, 20, 27), (78, 46, 52, 24), (52, 42, 4, 22))
    for x, y, _, _ in leaves:
        canvas.line(
            paths.smooth([(50, 66), (50 + (x - 50) * 0.4, y + 18), (x, y + 6)], closed=False),
            dark(GREEN, 0.15),
            1.4,
        )
    for index, (x, y, turn, length) in enumerate(leaves):
        color = (dark(GREEN, 0.12), GREEN, light(GREEN, 0.12))[index % 3]
        blade = paths.leaf(x, y + 10, length, length * 0.86, turn)
        canvas.solid(blade, color, depth=0.3)
        tip = paths.rotated([(x, y + 9), (x, y + 12 - length)], turn, x, y + 10)
        canvas.line(tip, light(color, 0.3), 0.7)
        with canvas.clip(blade):
            for along in (0.3, 0.5, 0.7):
                for side in (-1, 1):
                    slit = [(x + side * 3, y + 10 - length * along), (x + side * 14, y + 5 - length * along)]
                    canvas.line(paths.rotated(slit, turn, x, y + 10), mix(color, look.background, 0.8), 0.9)
    _pot(canvas, look, 64, 17)


def cactus(canvas: Canvas, look: Look) -> None:
    """A cactus with two arms and a flower."""
    color = mix(GREEN, (60, 130, 110), look.chance.random())
    canvas.line([(50, 48), (34, 48), (34, 36)], dark(color, 0.1), 8.6)
    canvas.line([(50, 40), (66, 40), (66, 28)], dark(color, 0.1), 8.6)
    body = paths.box(40, 16, 60, 68, 10)
    canvas.solid(body, color)
    for x in (45, 50, 55):
        canvas.line([(x, 23), (x, 62)], dark(color, 0.16), 0.7)
        for y in range(24, 62, 6):
            canvas.line([(x - 1, y), (x + 1, y)], PAPER, 0.5)
    for turn in (-50, 0, 50):
        canvas.fill(paths.leaf(50, 18, 9, 5.4, turn), (226, 130, 150))
    _pot(canvas, look, 62, 18)


def snake_plant(canvas: Canvas, look: Look) -> None:
    """Stiff upright leaves with pale edges."""
    for turn, length, x in ((-24, 44, 44), (22, 46, 56), (-10, 54, 47), (10, 50, 54), (0, 58, 50)):
        canvas.fill(paths.leaf(x, 68, length, 12, turn), (196, 200, 110))
        inner = paths.leaf(x, 67, length - 3, 8.4, turn)
        canvas.fill(inner, GREEN)
        with canvas.clip(inner):
            for step in range(8):
                band = paths.rotated(
                    [(x - 7, 64 - step * 7), (x, 62 - step * 7), (x + 7, 64 - step * 7)], turn, x, 68
                )
                canvas.line(band, dark(GREEN, 0.18), 1.2)
    _pot(canvas, look, 60, 20)


def succulents(canvas: Canvas, look: Look) -> None:
    """A rosette in a low pot."""
    for ring, (count, length, color) in enumerate(
        ((9, 27, dark(GREEN, 0.1)), (7, 20, GREEN), (5, 13, light(GREEN, 0.25)))
    ):
        for index in range(count):
            turn = -80 + 160 * index / (count - 1)
            blade = paths.leaf(50, 60 - ring * 3, length, length * 0.46, turn)
            canvas.solid(blade, mix(color, (180, 150, 170), 0.12), depth=0.25)
    _pot(canvas, look, 58, 25)


def watering_can(canvas: Canvas, look: Look) -> None:
    """A watering can with a long spout."""
    canvas.shadow(56, 82, 28, look.background)
    canvas.line([(40, 72), (22, 44), (15, 36)], dark(look.main, 0.14), 4.4)
    canvas.solid(paths.rotated([(6, 29), (20, 29), (17, 37), (10, 37)], -38, 13, 34), light(look.main, 0.15))
    canvas.line(paths.arc(76, 58, 14, 17, -110, 100), dark(look.main, 0.2), 3.4)
    canvas.line(paths.arc(58, 42, 17, 18, 180, 350), dark(look.main, 0.1), 3)
    body = paths.turned(58, [(17, 42), (18, 44), (22, 80), (22, 82), (22, 82), (0, 82)])
    canvas.solid(body, look.main)
    decorate(canvas, body, look)
    canvas.ellipse(58, 42, 17, 3, dark(look.main, 0.35))
    canvas.box(37.4, 70, 78.6, 72, dark(look.main, 0.12))
    canvas.shine([(46, 50), (43.4, 66)], look.main, 2)


def spade(canvas: Canvas, look: Look) -> None:
    """A hand spade with a wooden grip."""
    _tool(
        canvas,
        look,
        paths.smooth([(43, 50), (43, 50), (57, 50), (57, 50), (59, 72), (50, 90), (41, 72)]),
        "solid",
    )


def hand_fork(canvas: Canvas, look: Look) -> None:
    """A hand fork with three tines."""
    _tool(canvas, look, paths.box(39, 50, 61, 60, 4), "tines")


def _tool(canvas: Canvas, look: Look, blade: paths.Path, end: str) -> None:
    tilt = look.chance.choice((24, 32, 38))

    def lay(path: paths.Path) -> paths.Path:
        return paths.rotated(path, tilt)

    shapes = [blade] + ([paths.box(x, 54, x + 4, 88, 2) for x in (39, 48, 57)] if end == "tines" else [])
    grip = paths.smooth([(46, 10), (54, 10), (55, 20), (53.6, 34), (46.4, 34), (45, 20)])
    for shape in (*shapes, grip):
        canvas.fill(paths.moved(lay(shape), 1.6, 2), dark(look.background, 0.16))
    canvas.line(lay([(50, 34), (50, 53)]), STEEL, 3)
    for shape in shapes:
        canvas.solid(lay(shape), look.main)
    if end == "solid":
        canvas.line(lay([(50, 56), (50, 80)]), dark(look.main, 0.2), 1)
    canvas.solid(lay(grip), WOOD)
    canvas.fill(lay(paths.ellipse(50, 14, 1.3, 1.3)), dark(WOOD, 0.5))
    canvas.fill(lay(paths.box(46.6, 32, 53.4, 36, 1)), BLACK)


def pruner(canvas: Canvas, look: Look) -> None:
    """Pruning shears, a little open."""
    tilt = look.chance.choice((18, 30, 40))

    def lay(path: paths.Path) -> paths.Path:
        return paths.rotated(path, tilt)

    left = paths.smooth([(48, 46), (44, 50), (34, 70), (33, 88), (38, 90), (41, 74), (52, 52)])
    right = paths.smooth([(52, 46), (56, 50), (66, 70), (67, 88), (62, 90), (59, 74), (48, 52)])
    blade = paths.smooth([(46, 48), (46, 48), (42, 30), (47, 10), (47, 10), (55, 28), (54, 48), (54, 48)])
    hook = paths.smooth([(54, 47), (60, 38), (60, 22), (60, 22), (66, 34), (58, 50)])
    for shape in (left, right, blade, hook):
        canvas.fill(paths.moved(lay(shape), 1.6, 2), dark(look.background, 0.16))
    canvas.solid(lay(hook), dark(STEEL, 0.2))
    canvas.solid(lay(blade), light(STEEL, 0.3))
    canvas.solid(lay(left), look.main)
    canvas.solid(lay(right), dark(look.main, 0.08))
    canvas.fill(lay(paths.ellipse(50, 47, 4.4, 4.4)), STEEL)
    canvas.fill(lay(paths.ellipse(50, 47, 1.6, 1.6)), BLACK)


def seed_packet(canvas: Canvas, look: Look) -> None:
    """A paper packet of seeds with a flower on it."""
    tilt = look.chance.choice((-8, -4, 5, 9))

    def lay(path: paths.Path) -> paths.Path:
        return paths.rotated(path, tilt)

    canvas.fill(paths.moved(lay(paths.box(28, 14, 72, 86, 1)), 1.8, 2), dark(look.background, 0.16))
    canvas.fill(lay(paths.box(28, 14, 72, 86, 1)), PAPER)
    canvas.fill(lay(paths.box(28, 14, 72, 22)), look.main)
    canvas.fill(lay(paths.box(31, 36, 69, 80, 1.4)), mix(look.main, PAPER, 0.72))
    canvas.fill(lay(paths.box(36, 26, 64, 28.6, 1)), BLACK)
    canvas.fill(lay(paths.box(42, 31, 58, 32.6, 0.8)), look.main)
    canvas.line(lay([(50, 78), (50, 56)]), GREEN, 1.6)
    for turn in (-62, 62):
        canvas.fill(lay(paths.leaf(50, 74, 13, 6, turn)), GREEN)
    petals = look.chance.choice((6, 8, 10))
    for index in range(petals):
        canvas.fill(lay(paths.leaf(50, 53, 13, 6.4, 360 * index / petals)), look.main)
    canvas.fill(lay(paths.ellipse(50, 53, 4, 4)), look.accent)
