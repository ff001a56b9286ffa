"""Yarn, paints, music, games and a night in a tent."""

from backend.catalog.sample import paths
from backend.catalog.sample.canvas import Canvas
from backend.catalog.sample.drawings.patterns import decorate
from backend.catalog.sample.palette import (
    BLACK,
    BRASS,
    GREEN,
    PAPER,
    STEEL,
    WHITE,
    WOOD,
    Look,
    Rgb,
    dark,
    light,
    mix,
)

RAINBOW = ((198, 66, 60), (228, 130, 62), (236, 188, 74), (84, 150, 100), (72, 128, 186), (120, 96, 168))


def yarn(canvas: Canvas, look: Look) -> None:
    """A ball of yarn with two needles."""
    canvas.shadow(50, 84, 30, look.background)
    for turn in (-34, 30):
        needle = paths.rotated([(50, 4), (50, 60)], turn, 50, 54)
        canvas.line(needle, WOOD, 1.6)
        canvas.ellipse(*needle[0], 2.4, 2.4, dark(WOOD, 0.2))
    ball = paths.ellipse(50, 56, 28, 28)
    canvas.line(paths.smooth([(60, 82), (74, 84), (84, 80), (92, 84)], closed=False), look.main, 1.4)
    canvas.solid(ball, look.main)
    with canvas.clip(ball):
        for turn, offset in ((20, 0), (80, 4), (140, -3)):
            for index in range(-4, 5):
                strand = paths.arc(50 + index * 4, 56 + offset, 30, 16, 200, 340)
                color = dark(look.main, 0.2) if index % 2 else light(look.main, 0.16)
                if look.pattern and index % 3 == 0:
                    color = look.accent
                canvas.line(paths.rotated(paths.moved(strand, 0, index * 2.2), turn, 50, 56), color, 0.8)


def skein(canvas: Canvas, look: Look) -> None:
    """A twisted skein with a paper band."""
    canvas.shadow(50, 67, 41, look.background)
    body = paths.smooth([(10, 50), (22, 38), (50, 35), (78, 38), (90, 50), (78, 63), (50, 66), (22, 63)])
    canvas.solid(body, look.main, depth=0.03)
    with canvas.clip(body):
        for index in range(-3, 16):
            x = 4 + index * 8
            strand = paths.smooth([(x, 30), (x + 5, 44), (x + 13, 56), (x + 18, 70)], closed=False)
            canvas.line(strand, dark(look.main, 0.24), 1.2)
            tint = look.accent if look.pattern and index % 2 else light(look.main, 0.22)
            canvas.line(paths.moved(strand, 3, 0), tint, 1)
    canvas.solid(paths.box(39, 33.6, 61, 67.4, 1), PAPER, depth=0.05)
    canvas.box(43, 44, 57, 47, BLACK, 1)
    canvas.box(45.6, 50, 54.4, 52, look.main, 1)
    canvas.box(45.6, 54, 54.4, 55.6, look.main, 0.8)


def pencils(canvas: Canvas, look: Look) -> None:
    """Pencils fanned out of a tin."""
    canvas.shadow(50, 86, 24, look.background)
    for index, color in enumerate(RAINBOW):
        x, turn = 50.0, (index - 2.5) * 9
        for part, tint in (
            (paths.box(x - 3, 24, x + 3, 80), color),
            (paths.box(x - 1, 24, x + 1, 80), light(color, 0.25)),
            ([(x - 3, 24), (x, 14), (x + 3, 24)], (238, 206, 164)),
            ([(x - 1.2, 18), (x, 14), (x + 1.2, 18)], color),
        ):
            canvas.fill(paths.rotated(part, turn, 50, 96), tint)
    tin = paths.mirrored(50, [(68, 52), (66, 86)])
    canvas.solid(tin, look.main)
    decorate(canvas, tin, look)
    canvas.box(31.6, 51, 68.4, 54, light(look.main, 0.4), 1)


def paint_box(canvas: Canvas, look: Look) -> None:
    """Watercolours in a box, with a brush."""
    canvas.box(14.6, 30.6, 85.6, 80, dark(look.background, 0.16), 3)
    canvas.box(13, 28, 84, 77, look.main, 3)
    canvas.box(16, 31, 81, 74, WHITE, 1.6)
    colors = [
        *RAINBOW,
        (54, 86, 70),
        (150, 100, 70),
        (226, 154, 160),
        (64, 153, 155),
        (44, 46, 54),
        (240, 224, 190),
    ]
    columns = look.chance.choice((4, 6))
    width = 62 / columns
    for index, color in enumerate(colors if columns == 6 else colors[:8]):
        x, y = 17.6 + (index % columns) * width, 33 + (index // columns) * 16
        canvas.box(x, y, x + width - 1.6, y + 14, dark(color, 0.18), 1.6)
        canvas.box(x + 0.7, y + 0.7, x + width - 2.3, y + 12.6, color, 1.4)
    canvas.box(18, 66, 79, 72.4, light(STEEL, 0.5), 1)
    brush = paths.rotated(paths.box(16, 68, 72, 71, 1.4), -18, 50, 70)
    canvas.fill(paths.moved(brush, 0.8, 1.6), dark(WHITE, 0.25))
    canvas.fill(brush, look.accent)
    canvas.fill(paths.rotated(paths.box(70, 67.6, 78, 71.4), -18, 50, 70), STEEL)
    canvas.fill(paths.rotated(paths.leaf(78, 69.5, 10, 4, 90), -18, 50, 70), BLACK)


def sketchbook(canvas: Canvas, look: Look) -> None:
    """A spiral sketchbook with a pencil."""
    canvas.box(25.8, 14.8, 80, 88, dark(look.background, 0.16), 2)
    canvas.box(26, 14, 78, 86, PAPER, 1.6)
    cover = paths.box(24, 12, 76, 84, 1.6)
    canvas.fill(cover, look.main)
    decorate(canvas, cover, look)
    canvas.box(40, 34, 66, 50, PAPER, 1)
    canvas.box(45, 39, 61, 41, BLACK, 0.8)
    canvas.box(48, 44, 58, 45.4, look.main, 0.7)
    for y in range(16, 84, 5):
        canvas.ellipse(28, y, 1.1, 1.1, dark(look.main, 0.5))
        canvas.line(paths.arc(25.4, y, 3.4, 1.5, 80, 330), STEEL, 0.8)
    pencil: list[tuple[paths.Path, Rgb]] = [
        (paths.box(79, 30, 84, 76), look.accent),
        ([(79, 76), (84, 76), (81.5, 84)], (238, 206, 164)),
        (paths.box(79, 26, 84, 31, 1), (226, 154, 160)),
        ([(80.7, 81.4), (82.3, 81.4), (81.5, 84)], BLACK),
    ]
    for part, tint in pencil:
        canvas.fill(paths.rotated(part, 8, 81, 55), tint)


def ukulele(canvas: Canvas, look: Look) -> None:
    """A ukulele, leaning."""
    _strings(canvas, look, [(50, 46), (60, 48), (62, 57), (60, 62), (66, 74), (61, 88), (50, 92)], 8.4, 4)


def guitar(canvas: Canvas, look: Look) -> None:
    """A travel guitar, leaning."""
    _strings(canvas, look, [(50, 43), (63, 45), (66, 55), (62, 62), (70, 76), (63, 91), (50, 95)], 7.4, 6)


def _strings(canvas: Canvas, look: Look, half: list[paths.Point], hole: float, count: int) -> None:
    tilt = look.chance.choice((24, 30, -26))

    def lay(path: paths.Path) -> paths.Path:
        return paths.rotated(path, tilt, 50, 54)

    body = paths.smooth(half + [(100 - x, y) for x, y in reversed(half[1:-1])])
    neck = paths.box(47, 10, 53, 60)
    head = paths.mirrored(50, [(54, 2), (55, 12), (53, 15)])
    for shape in (body, neck, head):
        canvas.fill(paths.moved(lay(shape), 1.6, 2), dark(look.background, 0.16))
    canvas.solid(lay(body), look.main)
    decorate(canvas, lay(body), look)
    middle = half[2][1] + 6
    canvas.fill(lay(paths.ellipse(50, middle, hole * 0.86, hole * 0.86)), light(look.main, 0.5))
    canvas.fill(lay(paths.ellipse(50, middle, hole * 0.72, hole * 0.72)), dark(look.main, 0.7))
    canvas.fill(lay(neck), (104, 70, 52))
    canvas.fill(lay(head), dark(look.main, 0.35))
    for y in (18, 25, 31, 37, 42):
        canvas.line(lay([(47, y), (53, y)]), STEEL, 0.5)
    for y in (5, 10):
        for x in (44.4, 55.6):
            canvas.fill(lay(paths.ellipse(x, y, 1.6, 1.1)), BRASS)
    bridge = half[-1][1] - 13
    canvas.fill(lay(paths.box(43, bridge, 57, bridge + 3.4, 1)), (104, 70, 52))
    for index in range(count):
        x = 48 + 4 * index / (count - 1)
        canvas.line(lay([(x, 12), (x, bridge + 1)]), PAPER, 0.3)


def board_game(canvas: Canvas, look: Look) -> None:
    """A game box with two pieces and a die before it."""
    canvas.fill([(14, 74), (80, 74), (90, 80), (20, 80)], dark(look.background, 0.16))
    canvas.fill([(76, 18), (84, 22), (84, 72), (76, 76)], dark(look.main, 0.34))
    lid = paths.box(14, 18, 77, 76, 1.4)
    canvas.fill(lid, look.main)
    with canvas.clip(lid):
        if look.chance.random() < 0.5:
            for turn in range(0, 360, 24):
                ray = [(45, 50), *paths.rotated([(40, -20), (50, -20)], turn, 45, 50)]
                canvas.fill(ray, light(look.main, 0.2))
            canvas.fill([(22, 76), (40, 42), (52, 60), (60, 50), (76, 76)], dark(look.main, 0.35))
            canvas.ellipse(56, 40, 6, 6, look.accent)
        else:
            for row in range(4):
                for column in range(5):
                    cx, cy = 20 + column * 13 + (6.5 if row % 2 else 0), 38 + row * 11.4
                    tint = (look.accent, light(look.main, 0.3), dark(look.main, 0.2), GREEN)[
                        look.chance.randrange(4)
                    ]
                    canvas.fill(
                        [paths.rotated([(cx, cy - 6.8)], angle, cx, cy)[0] for angle in range(0, 360, 60)],
                        tint,
                    )
    canvas.box(22, 23, 69, 31, PAPER, 1.4)
    canvas.box(28, 25.6, 63, 28.4, BLACK, 1.2)
    for x, color in ((30, look.accent), (42, dark(look.accent, 0.35))):
        canvas.shadow(x + 1, 86, 6, look.background, 1.2)
        canvas.solid(paths.turned(x, [(2.6, 76), (6, 84), (6, 86), (6, 86), (0, 86)]), color)
        canvas.solid(paths.ellipse(x, 73.4, 3.8, 3.8), color)
    canvas.box(57, 75, 69, 87, dark(WHITE, 0.2), 2)
    canvas.box(56, 74, 67.6, 85.6, WHITE, 2)
    for pip in (0, 2.8, 5.6):
        canvas.ellipse(59 + pip, 77 + pip, 1.1, 1.1, BLACK)


def puzzle(canvas: Canvas, look: Look) -> None:
    """Jigsaw pieces, one of them apart."""
    size = 19.0
    colors = (look.main, look.accent, light(look.main, 0.35), dark(look.main, 0.2))
    places = [(row, column) for row in range(3) for column in range(3) if (row, column) != (0, 2)]
    pieces = [(22 + column * size, 30 + row * size, (row * 2 + column) % 4, 0) for row, column in places]
    for x, y, _, turn in [*pieces, (64, 6, 2, 14)]:
        square = paths.rotated(paths.box(x, y, x + size - 0.3, y + size - 0.3, 1), turn, x, y)
        knob = paths.rotated(paths.ellipse(x + size / 2, y + size + 1.4, 3.4, 3.4), turn, x, y)
        side = paths.rotated(paths.ellipse(x + size + 1.4, y + size / 2, 3.4, 3.4), turn, x, y)
        for shape in (square, knob, side):
            canvas.fill(paths.moved(shape, 1, 1.4), dark(look.background, 0.2))
    for x, y, color, turn in [*reversed(pieces), (64, 6, 2, 14)]:
        for shape in (
            paths.box(x, y, x + size - 0.3, y + size - 0.3, 1),
            paths.ellipse(x + size / 2, y + size + 1.4, 3.4, 3.4),
            paths.ellipse(x + size + 1.4, y + size / 2, 3.4, 3.4),
        ):
            canvas.fill(paths.rotated(shape, turn, x, y), colors[color])


def tent(canvas: Canvas, look: Look) -> None:
    """A two-person tent with an open door."""
    canvas.ellipse(50, 79, 46, 6, mix(GREEN, look.background, 0.45))
    canvas.fill([(50, 24), (88, 78), (70, 80)], dark(look.main, 0.3))
    front = [(50, 22), (76, 80), (14, 80)]
    canvas.solid(front, look.main, depth=0.05)
    decorate(canvas, front, look)
    canvas.fill([(50, 22), (62, 80), (34, 80)], dark(look.main, 0.62))
    canvas.fill([(50, 22), (34, 80), (27, 80)], look.accent)
    canvas.fill([(50, 22), (62, 80), (66, 80)], look.accent)
    canvas.line([(50, 22), (47, 16)], WOOD, 1.3)
    for start, end in (((50, 24), (6, 82)), ((88, 77), (96, 83))):
        canvas.line([start, end], PAPER, 0.5)


def flask(canvas: Canvas, look: Look) -> None:
    """A thermos with a cup for a lid."""
    canvas.shadow(50, 88, 17, look.background)
    body = paths.turned(50, [(13, 32), (15, 37), (15, 37), (15, 84), (14, 88), (14, 88), (0, 88)])
    canvas.solid(body, look.main)
    decorate(canvas, body, look)
    canvas.box(35, 78, 65, 81, STEEL)
    canvas.solid(paths.box(38, 12, 62, 31, 3.4), STEEL)
    canvas.box(37, 29, 63, 33, dark(STEEL, 0.35), 1)
    canvas.box(44, 50, 56, 60, mix(look.main, look.accent, 0.85), 6)
    canvas.shine([(39, 42), (39, 70)], look.main, 2)


def bottle(canvas: Canvas, look: Look) -> None:
    """A drinking bottle with a loop on its cap."""
    canvas.shadow(50, 88, 18, look.background)
    canvas.line(paths.arc(50, 15, 7, 7, 150, 390), BLACK, 2.2)
    body = paths.turned(50, [(8, 28), (9, 31), (16, 40), (17, 48), (17, 84), (15, 88), (15, 88), (0, 88)])
    canvas.solid(body, look.main)
    decorate(canvas, body, look)
    canvas.solid(paths.box(40, 17, 60, 29, 2.4), dark(look.main, 0.4))
    canvas.fill(paths.leaf(50, 70, 17, 9, 0), look.accent)
    canvas.line([(50, 72), (50, 58)], mix(look.accent, look.main, 0.6), 0.8)
    canvas.shine([(37, 50), (37, 72)], look.main, 2)


def headlamp(canvas: Canvas, look: Look) -> None:
    """A head torch on an elastic band."""
    band = paths.arc(50, 44, 34, 22, 0, 360)
    canvas.line(paths.moved(band, 1.2, 1.8), dark(look.background, 0.16), 6)
    canvas.line(band, look.main, 6)
    canvas.line(band, look.accent, 1.2)
    canvas.solid(paths.box(32, 54, 68, 80, 7), dark(look.main, 0.25))
    canvas.ellipse(50, 67, 11, 11, STEEL)
    canvas.ellipse(50, 67, 9, 9, (255, 240, 196))
    canvas.ellipse(50, 67, 4, 4, (255, 252, 240))
    canvas.box(44, 51, 56, 54.6, (214, 84, 66), 1.4)
