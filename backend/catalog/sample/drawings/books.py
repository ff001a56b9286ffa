"""Books: a cover with a motif, seen a little from the side. No letters, so no fonts are needed."""

from collections.abc import Callable

from backend.catalog.sample import paths
from backend.catalog.sample.canvas import Canvas
from backend.catalog.sample.palette import BLACK, GREEN, PAPER, Look, dark, is_dark, light, mix

FOX = (222, 122, 62)
COVER = (29.0, 13.0, 75.0, 83.0)


def _book(canvas: Canvas, look: Look, motif: Callable[[Canvas, Look], None]) -> None:
    left, top, right, bottom = COVER
    canvas.fill(
        [(24, bottom + 2), (right + 5, bottom + 2), (right + 9, bottom + 5), (26, bottom + 5)],
        dark(look.background, 0.16),
    )
    canvas.fill(
        [(right, top + 1.4), (right + 3.4, top + 3), (right + 3.4, bottom + 2), (right, bottom + 1)], PAPER
    )
    for index in range(1, 4):
        x = right + index * 0.85
        canvas.line([(x, top + 2 + index * 0.3), (x, bottom + 1.4)], dark(PAPER, 0.16), 0.25)
    canvas.box(24, top, right, bottom + 2, dark(look.main, 0.26), 1)
    cover = paths.box(left - 1, top, right, bottom + 2, 1)
    canvas.fill(cover, look.main)
    with canvas.clip(cover):
        motif(canvas, look)
    ink = PAPER if is_dark(look.main) else BLACK
    for width, y in ((look.chance.choice((26, 30, 34)), 20), (look.chance.choice((14, 20, 24)), 25)):
        canvas.box(51.5 - width / 2, y, 51.5 + width / 2, y + 2.8, ink, 1)
    canvas.box(45, 79, 58, 80.6, mix(ink, look.main, 0.25), 0.7)
    canvas.box(28, top, 29.4, bottom + 2, dark(look.main, 0.16))


def book_hills(canvas: Canvas, look: Look) -> None:
    """A sun over hills."""

    def motif(canvas: Canvas, look: Look) -> None:
        canvas.ellipse(look.chance.uniform(42, 62), 46, 9, 9, look.accent)
        for index, y in enumerate((56, 62, 69)):
            shift = look.chance.uniform(-8, 8)
            ridge = paths.smooth(
                [(20, y), (36 + shift, y - 6), (54 + shift, y + 2), (68 + shift, y - 5), (90, y)],
                closed=False,
            )
            canvas.fill([*ridge, (90, 90), (20, 90)], dark(look.main, 0.14 + 0.14 * index))

    _book(canvas, look, motif)


def book_sea(canvas: Canvas, look: Look) -> None:
    """A sailing boat on waves."""

    def motif(canvas: Canvas, look: Look) -> None:
        canvas.fill([(51, 36), (51, 58), (38, 58)], PAPER)
        canvas.fill([(53, 40), (53, 58), (63, 58)], look.accent)
        canvas.fill([(37, 60), (66, 60), (61, 66), (42, 66)], dark(look.main, 0.4))
        for index in range(4):
            y = 65 + index * 4.6
            crests = [(20 + step * 5 + index * 2, y + (1 if step % 2 else -1)) for step in range(14)]
            canvas.fill(
                [*paths.smooth(crests, closed=False), (90, 92), (20, 92)],
                mix(look.main, (220, 236, 240), 0.42 - 0.1 * index),
            )

    _book(canvas, look, motif)


def book_night(canvas: Canvas, look: Look) -> None:
    """A window lit in a house under the moon."""

    def motif(canvas: Canvas, look: Look) -> None:
        canvas.ellipse(62, 40, 6.4, 6.4, PAPER)
        canvas.ellipse(64.6, 38.4, 5.4, 5.4, look.main)
        for _ in range(14):
            canvas.ellipse(look.chance.uniform(32, 73), look.chance.uniform(31, 56), 0.5, 0.5, PAPER)
        canvas.fill([(36, 60), (48, 50), (60, 60), (60, 90), (36, 90)], dark(look.main, 0.42))
        canvas.box(43, 63, 48, 69, look.accent)
        canvas.box(50, 63, 55, 69, look.accent if look.chance.random() < 0.5 else dark(look.main, 0.25))
        canvas.box(20, 76, 90, 90, dark(look.main, 0.5))

    _book(canvas, look, motif)


def book_bird(canvas: Canvas, look: Look) -> None:
    """A bird on a branch."""

    def motif(canvas: Canvas, look: Look) -> None:
        canvas.line([(28, 70), (52, 66), (78, 69)], dark(look.main, 0.45), 1.6)
        for x, turn in ((36, 20), (66, -20), (71, 160), (42, 200)):
            canvas.fill(paths.leaf(x, 68, 9, 4.6, turn), GREEN)
        body = paths.smooth([(42, 47), (47, 44), (53, 50), (64, 60), (69, 68), (58, 65), (48, 65), (42, 56)])
        canvas.solid(body, look.accent)
        canvas.fill(paths.leaf(49, 53, 15, 7, 122), dark(look.accent, 0.22))
        canvas.fill([(41.6, 48), (36.6, 50.4), (42, 51.4)], BLACK)
        canvas.ellipse(45.4, 49, 0.9, 0.9, BLACK)

    _book(canvas, look, motif)


def book_forest(canvas: Canvas, look: Look) -> None:
    """Fir trees in three rows."""

    def motif(canvas: Canvas, look: Look) -> None:
        canvas.ellipse(look.chance.uniform(44, 60), 42, 7, 7, look.accent)
        for row, base in enumerate((68, 76, 86)):
            x = 30.0 + look.chance.uniform(-4, 3)
            while x < 78:
                height = look.chance.uniform(18, 26)
                color = mix(dark(GREEN, 0.14 + row * 0.16), look.main, 0.34 - row * 0.14)
                canvas.fill([(x, base - height), (x + 5.4, base), (x - 5.4, base)], color)
                x += look.chance.uniform(6, 10)

    _book(canvas, look, motif)


def book_cook(canvas: Canvas, look: Look) -> None:
    """A cookery book: a pot, steam and herbs."""

    def motif(canvas: Canvas, look: Look) -> None:
        canvas.ellipse(51.5, 56, 19, 19, light(look.main, 0.3))
        for x in (45, 51.5, 58):
            canvas.line(
                paths.smooth([(x, 47), (x - 1.6, 44), (x + 1.6, 41), (x, 37)], closed=False), PAPER, 1.2
            )
        canvas.solid(paths.box(38, 52, 65, 68, 4), look.accent)
        canvas.box(36, 50, 67, 53, dark(look.accent, 0.2), 1.4)
        for x in (35, 68):
            canvas.line([(x, 57), (x, 60)], dark(look.accent, 0.3), 2)
        for turn in (-70, -40, 40, 70):
            canvas.fill(paths.leaf(51.5, 76, 11, 4.6, turn), GREEN)

    _book(canvas, look, motif)


def book_tea(canvas: Canvas, look: Look) -> None:
    """Two cups and their steam."""

    def motif(canvas: Canvas, look: Look) -> None:
        canvas.box(20, 66, 90, 90, dark(look.main, 0.3))
        for x, color in ((42, PAPER), (61, look.accent)):
            canvas.line(paths.arc(x + 6, 60, 4, 3.4, -90, 90), color, 1.5)
            canvas.solid(paths.turned(x, [(6.6, 55), (6.4, 60), (4, 65), (3, 66), (3, 66), (0, 66)]), color)
            canvas.box(x - 7.6, 66, x + 7.6, 67.6, color, 0.8)
            for wisp in (-2, 2):
                steam = [(x + wisp, 52), (x + wisp - 1.2, 48), (x + wisp + 1.2, 44), (x + wisp, 40)]
                canvas.line(paths.smooth(steam, closed=False), light(look.main, 0.5), 1)

    _book(canvas, look, motif)


def book_bread(canvas: Canvas, look: Look) -> None:
    """A round loaf and ears of rye."""

    def motif(canvas: Canvas, look: Look) -> None:
        canvas.solid(
            paths.smooth([(33, 64), (38, 52), (51, 48), (65, 52), (70, 64), (62, 69), (41, 69)]),
            (202, 142, 82),
        )
        for x in (43, 51, 59):
            canvas.line([(x - 2, 53), (x + 2, 62)], (240, 212, 164), 1.6)
        for lean in (-24, 0, 24):
            canvas.line(paths.rotated([(51.5, 47), (51.5, 33)], lean, 51.5, 47), PAPER, 0.7)
            for step in range(4):
                for side in (-32, 32):
                    grain = paths.leaf(51.5, 41 - step * 2.6, 4, 2, side)
                    canvas.fill(paths.rotated(grain, lean, 51.5, 47), look.accent)

    _book(canvas, look, motif)


def book_garden(canvas: Canvas, look: Look) -> None:
    """A flower with its roots: books about nature."""

    def motif(canvas: Canvas, look: Look) -> None:
        canvas.box(20, 70, 90, 90, dark(look.main, 0.45))
        canvas.line([(51.5, 70), (51.5, 48)], GREEN, 1.8)
        for turn in (-58, 58):
            canvas.fill(paths.leaf(51.5, 65, 15, 7, turn), GREEN)
        petals = look.chance.choice((7, 9, 11))
        for index in range(petals):
            canvas.fill(paths.leaf(51.5, 45, 12.4, 6, 360 * index / petals), look.accent)
        canvas.ellipse(51.5, 45, 4.2, 4.2, mix(look.accent, BLACK, 0.55))

    _book(canvas, look, motif)


def book_whale(canvas: Canvas, look: Look) -> None:
    """A whale with a fountain: books for children."""

    def motif(canvas: Canvas, look: Look) -> None:
        canvas.fill(
            [
                *paths.smooth([(20, 62), (34, 60), (50, 62), (68, 60), (90, 62)], closed=False),
                (90, 90),
                (20, 90),
            ],
            light(look.main, 0.35),
        )
        body = paths.smooth(
            [
                (32, 60),
                (34, 50),
                (46, 46),
                (58, 50),
                (66, 60),
                (71, 52),
                (68, 46),
                (75, 48),
                (76, 58),
                (68, 69),
                (50, 74),
                (36, 70),
            ]
        )
        canvas.solid(body, look.accent)
        with canvas.clip(body):
            canvas.ellipse(44, 76, 18, 10, light(look.accent, 0.55))
        canvas.ellipse(40, 58, 1.1, 1.1, BLACK)
        for lean in (-30, 0, 30):
            canvas.line(paths.rotated([(45, 44), (45, 36)], lean, 45, 45), PAPER, 1.4)

    _book(canvas, look, motif)


def book_fox(canvas: Canvas, look: Look) -> None:
    """A fox's face: books for children."""

    def motif(canvas: Canvas, look: Look) -> None:
        canvas.ellipse(51.5, 56, 21, 21, light(look.main, 0.6))
        for side in (-1, 1):
            canvas.fill([(51.5 + side * 17, 36), (51.5 + side * 19, 56), (51.5 + side * 4, 48)], FOX)
            canvas.fill(
                [(51.5 + side * 15, 41), (51.5 + side * 16, 52), (51.5 + side * 8, 49)], dark(FOX, 0.4)
            )
        canvas.solid(
            paths.smooth(
                [(33, 56), (42, 47), (51.5, 46), (61, 47), (70, 56), (61, 66), (51.5, 75), (42, 66)]
            ),
            FOX,
            depth=0.06,
        )
        for side in (-1, 1):
            canvas.fill([(51.5 + side * 17, 57), (51.5, 74), (51.5 + side * 3, 62)], PAPER)
            canvas.ellipse(51.5 + side * 7.6, 56, 1.3, 1.5, BLACK)
        canvas.ellipse(51.5, 72.6, 2.4, 1.9, BLACK)

    _book(canvas, look, motif)
