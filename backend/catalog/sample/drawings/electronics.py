"""Sound, computers, watches and cameras."""

from backend.catalog.sample import paths
from backend.catalog.sample.canvas import Canvas
from backend.catalog.sample.palette import BLACK, BRASS, STEEL, WHITE, WOOD, Look, dark, is_dark, light, mix

SCREEN = (34, 40, 54)
HILLS = (82, 128, 100)


def headphones(canvas: Canvas, look: Look) -> None:
    """Over-ear headphones."""
    canvas.shadow(50, 84, 34, look.background)
    band = paths.arc(50, 50, 29, 34, 180, 360)
    canvas.line(band, dark(look.main, 0.25), 6)
    canvas.line(paths.moved(band, -0.4, -0.7), look.main, 4.6)
    canvas.line(paths.arc(50, 51, 25.8, 31, 215, 325), look.accent, 1.8)
    for side in (1, -1):
        x = 50 + side * 28
        canvas.box(x - 2, 46, x + 2, 58, STEEL, 1.6)
        canvas.solid(paths.ellipse(x - side * 5.4, 66, 6, 16), dark(look.main, 0.5), depth=0.2)
        canvas.solid(paths.ellipse(x + side * 1, 66, 8.4, 17.4), look.main, depth=0.2)
        canvas.ellipse(x + side * 2, 66, 4.6, 10.6, dark(look.main, 0.16))
        canvas.ellipse(x + side * 2, 66, 2, 4.6, look.accent)


def earbuds(canvas: Canvas, look: Look) -> None:
    """Two earbuds over their closed case."""
    canvas.shadow(50, 86, 22, look.background)
    for side in (1, -1):
        stem = paths.rotated(paths.box(46.4, 32, 53.6, 60, 3.6), side * 12, 50, 30)
        canvas.solid(paths.moved(stem, side * 17, 0), look.main, depth=0.2)
        canvas.solid(paths.ellipse(50 + side * 15.4, 28, 11, 10, side * -20), look.main)
        canvas.ellipse(50 + side * 6.6, 31.6, 4.6, 6.6, dark(look.main, 0.5), side * 24)
        canvas.ellipse(50 + side * 5.4, 32, 2.2, 4, dark(look.main, 0.7), side * 24)
        canvas.ellipse(50 + side * 19.6, 24.4, 2, 1.5, look.accent, side * 30)
    case = paths.box(30, 58, 70, 86, 12)
    canvas.solid(case, look.main)
    canvas.line([(30.6, 68), (69.4, 68)], dark(look.main, 0.3), 0.8)
    canvas.ellipse(50, 75, 1.4, 1.4, look.accent)
    canvas.shine([(34.4, 72), (34.4, 77)], look.main, 1.6)


def portable_speaker(canvas: Canvas, look: Look) -> None:
    """A lying cylinder covered with mesh."""
    canvas.shadow(50, 72, 40, look.background)
    canvas.line(paths.smooth([(74, 40), (86, 30), (90, 42), (86, 52)], closed=False), look.accent, 1.8)
    body = paths.box(13, 38, 87, 72, 16)
    canvas.solid(body, look.main, depth=0.05)
    with canvas.clip(paths.box(22, 38, 78, 72)):
        for row, y in enumerate(range(40, 72, 3)):
            for index in range(20):
                canvas.ellipse(22 + index * 3 + (1.5 if row % 2 else 0), y, 0.7, 0.7, dark(look.main, 0.28))
    for x in (20, 78):
        canvas.box(x, 38, x + 2, 72, dark(look.main, 0.35))
    canvas.box(38, 50, 62, 59, look.accent, 2)
    canvas.box(42, 53.4, 58, 55.6, mix(look.accent, BLACK, 0.55), 1)


def shelf_speaker(canvas: Canvas, look: Look) -> None:
    """A wooden loudspeaker with two cones."""
    canvas.shadow(52, 86, 26, look.background)
    canvas.fill([(70, 12), (76, 16), (76, 84), (70, 86)], dark(look.main, 0.4))
    canvas.box(28, 12, 71, 86, look.main, 1.6)
    canvas.box(
        31, 15, 68, 83, dark(look.main, 0.62) if not is_dark(look.main) else light(look.main, 0.12), 1.2
    )
    for y, radius in ((31, 8), (59, 15)):
        canvas.ellipse(49.5, y, radius + 1.6, radius + 1.6, STEEL)
        canvas.ellipse(49.5, y, radius, radius, BLACK)
        canvas.ellipse(49.5, y, radius * 0.78, radius * 0.78, light(BLACK, 0.16))
        canvas.ellipse(49.5, y, radius * 0.34, radius * 0.34, look.accent)
    canvas.box(44, 79, 55, 80.6, BRASS, 0.8)


def radio(canvas: Canvas, look: Look) -> None:
    """A table radio with a dial."""
    canvas.shadow(50, 78, 38, look.background)
    canvas.line([(68, 38), (80, 12)], STEEL, 1.2)
    canvas.solid(paths.box(13, 36, 87, 77, 7), look.main, depth=0.04)
    canvas.box(18, 41, 56, 72, mix(look.main, WOOD, 0.75), 4)
    for y in range(45, 71, 4):
        canvas.line([(22, y), (52, y)], dark(mix(look.main, WOOD, 0.75), 0.35), 1.2)
    canvas.box(61, 42, 82, 53, (250, 236, 200), 2)
    for x in range(64, 81, 3):
        canvas.line([(x, 44.6), (x, 48)], BLACK, 0.4)
    canvas.line([(72, 43.6), (72, 51.4)], (198, 66, 62), 0.7)
    for x in (66, 77):
        canvas.ellipse(x, 63.6, 4.4, 4.4, dark(look.main, 0.4))
        canvas.ellipse(x - 0.4, 63.2, 3.4, 3.4, BRASS)


def laptop(canvas: Canvas, look: Look) -> None:
    """An open laptop with a picture on its screen."""
    canvas.shadow(50, 77, 44, look.background)
    canvas.box(19, 22, 81, 69, look.main, 3)
    screen = paths.box(21.6, 24.8, 78.4, 65, 1)
    canvas.fill(screen, mix(SCREEN, look.accent, 0.25))
    with canvas.clip(screen):
        canvas.ellipse(look.chance.uniform(40, 64), 41, 7, 7, mix(look.accent, WHITE, 0.45))
        for index, y in enumerate((50, 56, 61)):
            shift = look.chance.uniform(-9, 9)
            ridge = paths.smooth(
                [(10, y), (30 + shift, y - 7), (52 + shift, y + 1), (70 + shift, y - 6), (95, y)],
                closed=False,
            )
            canvas.fill([*ridge, (95, 70), (10, 70)], mix(look.accent, SCREEN, 0.35 + index * 0.2))
    canvas.ellipse(50, 23.4, 0.5, 0.5, BLACK)
    canvas.fill([(14, 69), (86, 69), (93, 75), (7, 75)], light(look.main, 0.25))
    canvas.fill([(7, 75), (93, 75), (91, 77.4), (9, 77.4)], dark(look.main, 0.25))
    canvas.fill([(22, 70), (78, 70), (80, 72.4), (20, 72.4)], dark(look.main, 0.5))
    canvas.fill([(42, 73), (58, 73), (59, 74.6), (41, 74.6)], dark(look.main, 0.12))


def keyboard(canvas: Canvas, look: Look) -> None:
    """A keyboard from above, a few keys in another colour."""
    rows, columns = (5, 15) if look.chance.random() < 0.5 else (4, 13)
    key = 78 / columns
    top = 50 - rows * key / 2
    canvas.box(9.6, top - 1, 93, top + rows * key + 6, dark(look.background, 0.16), 3)
    canvas.box(8, top - 3, 92, top + rows * key + 3, look.main, 3)
    canvas.box(8, top + rows * key + 1.4, 92, top + rows * key + 3, dark(look.main, 0.2), 1)
    caps = light(look.main, 0.2) if is_dark(look.main) else mix(look.main, WHITE, 0.6)
    for row in range(rows):
        column = 0
        while column < columns:
            wide = 6 if row == rows - 1 and column == 4 else 1
            wide = 2 if row != rows - 1 and column == columns - 2 else wide
            x, y = 11 + column * key, top + row * key
            special = (row, column) in ((0, 0), (rows - 1, 4)) or (wide == 2 and row == rows // 2)
            color = look.accent if special else caps
            canvas.box(x + 0.3, y + 0.3, x + wide * key - 0.4, y + key - 0.3, dark(color, 0.22), 0.9)
            canvas.box(x + 0.7, y + 0.4, x + wide * key - 0.8, y + key - 1.1, color, 0.8)
            column += wide


def mouse(canvas: Canvas, look: Look) -> None:
    """A computer mouse from above."""
    body = paths.smooth(
        [(50, 17), (64, 22), (69, 42), (68, 66), (60, 82), (50, 85), (40, 82), (32, 66), (31, 42), (36, 22)]
    )
    canvas.fill(paths.moved(body, 2, 2.4), dark(look.background, 0.16))
    canvas.solid(body, look.main, depth=0.1)
    canvas.line([(50, 17.6), (50, 46)], dark(look.main, 0.3), 0.8)
    canvas.line(paths.smooth([(31.6, 44), (50, 48), (68.4, 44)], closed=False), dark(look.main, 0.3), 0.8)
    canvas.box(47.6, 26, 52.4, 38, dark(look.main, 0.5), 2.4)
    canvas.box(48.6, 28, 51.4, 36, look.accent, 1.4)
    canvas.shine(paths.smooth([(36, 56), (37, 68), (42, 77)], closed=False), look.main, 1.6)


def watch(canvas: Canvas, look: Look) -> None:
    """A wrist watch with hands."""
    _strap(canvas, look, look.accent)
    canvas.ellipse(51.4, 51.6, 24, 24, dark(look.background, 0.2))
    canvas.box(72, 47.4, 77, 52.6, STEEL, 1.4)
    canvas.solid(paths.ellipse(50, 50, 24, 24), STEEL if is_dark(look.main) else BRASS, depth=0.05)
    canvas.ellipse(50, 50, 20.6, 20.6, look.main)
    ink = WHITE if is_dark(look.main) else BLACK
    for hour in range(12):
        mark = paths.rotated([(50, 31.6), (50, 34.8 if hour % 3 else 37)], hour * 30)
        canvas.line(mark, ink, 0.8 if hour % 3 else 1.3)
    canvas.line(paths.rotated([(50, 50), (50, 40)], look.chance.choice((300, 306, 64))), ink, 1.7)
    canvas.line(paths.rotated([(50, 50), (50, 34.4)], look.chance.choice((48, 60, 288))), ink, 1.2)
    canvas.line(paths.rotated([(50, 54), (50, 33)], look.chance.choice((200, 150, 230))), (214, 84, 66), 0.6)
    canvas.ellipse(50, 50, 1.6, 1.6, ink)


def smart_watch(canvas: Canvas, look: Look) -> None:
    """A smart watch: activity rings on a dark square."""
    _strap(canvas, look, look.main)
    canvas.box(30.6, 28.6, 73, 75, dark(look.background, 0.2), 11)
    canvas.box(70, 45, 73.4, 55, STEEL, 1.4)
    canvas.solid(paths.box(28, 26, 71, 74, 11), light(STEEL, 0.1), depth=0.05)
    canvas.box(31, 29, 68, 71, SCREEN, 8)
    rings = (look.accent, (236, 120, 96), (110, 200, 150))
    for radius, color in zip((13, 9.4, 5.8), rings, strict=True):
        canvas.line(paths.arc(49.5, 47, radius, radius, 0, 360), mix(SCREEN, color, 0.28), 2.6)
        canvas.line(paths.arc(49.5, 47, radius, radius, -90, look.chance.uniform(60, 230)), color, 2.6)
    canvas.box(40, 64, 59, 66, WHITE, 1)


def _strap(canvas: Canvas, look: Look, color: tuple[int, int, int]) -> None:
    for part in (paths.mirrored(50, [(60, 3), (64, 32)]), paths.mirrored(50, [(64, 68), (60, 97)])):
        canvas.fill(paths.moved(part, 1.6, 1.6), dark(look.background, 0.16))
        canvas.solid(part, color)
    for y in (80, 85, 90):
        canvas.ellipse(50, y, 1.1, 1.1, dark(color, 0.45))
    canvas.line([(39, 9), (61, 9)], dark(color, 0.2), 0.8)


def camera(canvas: Canvas, look: Look) -> None:
    """A camera with a lens."""
    canvas.shadow(50, 77, 38, look.background)
    canvas.solid(paths.box(37, 25, 63, 40, 4), STEEL)
    canvas.box(19, 29, 29, 36, dark(STEEL, 0.3), 1.6)
    canvas.ellipse(74, 31, 4.4, 2.4, BRASS)
    body = paths.box(12, 33, 88, 77, 6)
    canvas.solid(body, STEEL, depth=0.04)
    canvas.box(12, 42, 88, 70, look.main)
    canvas.box(12, 69, 88, 70.4, dark(look.main, 0.3))
    for radius, color in (
        (20, BLACK),
        (17.6, light(BLACK, 0.2)),
        (14, BLACK),
        (10.4, mix(SCREEN, (70, 90, 150), 0.4)),
        (6, SCREEN),
    ):
        canvas.ellipse(50, 56, radius, radius, color)
    canvas.ellipse(46, 52, 2.6, 2.6, (214, 226, 244))
    canvas.ellipse(54, 61, 1.2, 1.2, (150, 170, 220))
    canvas.box(42.6, 28.4, 57.4, 33, SCREEN, 1.6)
    canvas.ellipse(79, 38, 1.6, 1.6, look.accent)


def instant_camera(canvas: Canvas, look: Look) -> None:
    """An instant camera with a print coming out."""
    canvas.shadow(50, 86, 29, look.background)
    body = paths.box(21, 15, 79, 70, 8)
    canvas.solid(body, look.main, depth=0.05)
    canvas.box(21, 58, 79, 64, mix(look.main, WHITE, 0.55))
    for index, color in enumerate(((210, 84, 70), (236, 178, 72), (84, 150, 120), (72, 118, 180))):
        canvas.box(44.5 + index * 2.8, 58, 47.3 + index * 2.8, 64, color)
    canvas.ellipse(50, 39, 15.6, 15.6, BLACK)
    canvas.ellipse(50, 39, 12, 12, light(BLACK, 0.18))
    canvas.ellipse(50, 39, 7.4, 7.4, SCREEN)
    canvas.ellipse(46.8, 36, 2, 2, (214, 226, 244))
    canvas.box(27, 20, 36, 26, (236, 240, 246), 1.2)
    canvas.ellipse(70, 23, 3.2, 3.2, look.accent)
    canvas.box(30, 68, 70, 69.6, BLACK)
    canvas.box(33, 69, 67, 87, WHITE)
    canvas.box(36, 69, 64, 82, mix(look.accent, (120, 160, 200), 0.5))
    canvas.fill([(36, 82), (46, 74), (52, 79), (57, 75), (64, 82)], HILLS)
