"""Lamps and candles."""

from backend.catalog.sample import paths
from backend.catalog.sample.canvas import Canvas
from backend.catalog.sample.drawings.patterns import decorate
from backend.catalog.sample.palette import BLACK, BRASS, PAPER, STEEL, WOOD, Look, dark, light, mix

GLOW = (255, 240, 196)


def _halo(canvas: Canvas, look: Look, x: float, y: float, radius: float) -> None:
    canvas.ellipse(x, y, radius, radius, mix(look.background, GLOW, 0.45))
    canvas.ellipse(x, y, radius * 0.68, radius * 0.68, mix(look.background, GLOW, 0.75))


def table_lamp(canvas: Canvas, look: Look) -> None:
    """A bedside lamp: a turned foot under a fabric shade."""
    _halo(canvas, look, 50, 40, 34)
    canvas.shadow(50, 83, 18, look.background)
    foot = paths.turned(
        50, [(2, 48), (3, 52), (10, 62), (11, 70), (6, 78), (13, 81), (13, 83), (13, 83), (0, 83)]
    )
    canvas.solid(foot, look.accent)
    shade = paths.mirrored(50, [(64, 18), (76, 50)])
    canvas.solid(shade, look.main, shade=0.12)
    decorate(canvas, shade, look)
    canvas.fill(paths.box(24, 49, 76, 51, 1), light(look.main, 0.5))
    canvas.box(36, 17, 64, 18.6, dark(look.main, 0.18))


def desk_lamp(canvas: Canvas, look: Look) -> None:
    """A work lamp on a jointed arm."""
    canvas.fill([(62, 36), (82, 44), (90, 83), (46, 83)], mix(look.background, GLOW, 0.6))
    canvas.shadow(33, 83, 22, look.background)
    metal = BRASS if look.chance.random() < 0.5 else STEEL
    canvas.line([(33, 78), (24, 52)], metal, 2.4)
    canvas.line([(24, 52), (56, 28)], metal, 2.4)
    canvas.ellipse(24, 52, 3.2, 3.2, dark(metal, 0.2))
    canvas.solid(paths.turned(33, [(3, 75), (15, 78), (17, 82), (17, 83), (17, 83), (0, 83)]), look.main)
    head = paths.rotated([(51, 18), (61, 18), (63, 26), (75, 42), (37, 42), (49, 26)], -38, 56, 28)
    canvas.ellipse(68, 38, 6, 6, GLOW)
    canvas.solid(head, look.main, depth=0.16)
    decorate(canvas, head, look)
    canvas.line([head[3], head[4]], light(look.main, 0.5), 1.4)


def globe_lamp(canvas: Canvas, look: Look) -> None:
    """A milk-glass ball on a low base."""
    _halo(canvas, look, 50, 47, 39)
    canvas.shadow(50, 82, 20, look.background)
    canvas.solid(
        paths.turned(50, [(9, 66), (9, 66), (11, 74), (17, 79), (17, 82), (17, 82), (0, 82)]), look.main
    )
    canvas.solid(paths.ellipse(50, 47, 24, 24), (255, 247, 224), shade=0.1)
    canvas.ellipse(44, 41, 9, 9, (255, 252, 240))
    canvas.box(40, 66.5, 60, 69.5, dark(look.main, 0.25), 1.2)


def mushroom_lamp(canvas: Canvas, look: Look) -> None:
    """A lamp with a cap like a mushroom's."""
    _halo(canvas, look, 50, 50, 37)
    canvas.shadow(50, 82, 20, look.background)
    canvas.solid(
        paths.turned(50, [(6, 46), (6, 54), (8, 70), (15, 79), (16, 82), (16, 82), (0, 82)]),
        light(look.main, 0.4),
    )
    cap = paths.turned(50, [(0, 20), (14, 22), (27, 34), (31, 48), (29, 51), (29, 51), (0, 51)])
    canvas.solid(cap, look.main)
    decorate(canvas, cap, look)
    canvas.box(21, 49.6, 79, 51.6, GLOW, 1)
    canvas.shine(paths.arc(50, 48, 25, 22, 205, 240), look.main, 2)


def floor_lamp(canvas: Canvas, look: Look) -> None:
    """A floor lamp on three wooden legs."""
    _halo(canvas, look, 50, 28, 27)
    canvas.shadow(50, 90, 21, look.background)
    for x in (32, 68, 52):
        canvas.line([(50, 42), (x, 90)], WOOD if x != 52 else dark(WOOD, 0.2), 2.2)
    shade = paths.mirrored(50, [(61, 12), (69, 40)])
    canvas.solid(shade, look.main, shade=0.12)
    decorate(canvas, shade, look)
    canvas.box(31, 39, 69, 40.6, light(look.main, 0.5), 0.8)
    canvas.ellipse(50, 43, 2.6, 2.6, BRASS)


def arc_lamp(canvas: Canvas, look: Look) -> None:
    """A floor lamp whose stem bends over."""
    _halo(canvas, look, 71, 38, 20)
    canvas.shadow(30, 90, 19, look.background)
    stem = [(30, 87), (30, 40), *paths.arc(50.5, 31, 20.5, 19, 180, 360)]
    canvas.line(stem, look.chance.choice((BRASS, BLACK)), 1.8)
    canvas.solid(paths.turned(30, [(2, 85), (15, 87), (16, 90), (16, 90), (0, 90)]), look.main)
    dome = paths.turned(71, [(0, 27), (8, 29), (15, 36), (16, 42), (16, 42), (0, 42)])
    canvas.solid(dome, look.main)
    decorate(canvas, dome, look, scale=0.7)
    canvas.ellipse(71, 42, 15, 1.8, GLOW)


def pendant_dome(canvas: Canvas, look: Look) -> None:
    """A metal dome hanging from the ceiling."""
    canvas.fill([(27, 62), (73, 62), (88, 100), (12, 100)], mix(look.background, GLOW, 0.55))
    canvas.line([(50, -5), (50, 26)], BLACK, 1)
    canvas.solid(paths.box(46, 21, 54, 30, 1.6), BRASS)
    dome = paths.turned(50, [(4, 28), (10, 31), (26, 45), (30, 61), (30, 61), (0, 61)])
    canvas.solid(dome, look.main)
    decorate(canvas, dome, look)
    canvas.ellipse(50, 61, 30, 3.6, GLOW)
    canvas.ellipse(50, 62, 7, 5, (255, 250, 230))
    canvas.shine(paths.arc(50, 61, 24, 25, 205, 240), look.main, 2)


def pendant_globes(canvas: Canvas, look: Look) -> None:
    """Three glass balls at three heights."""
    canvas.box(24, 6, 76, 9.6, look.main, 1.8)
    for x, y, radius in ((31, 44, 10), (50, 66, 12), (69, 50, 9)):
        canvas.line([(x, 9), (x, y - radius)], BLACK, 0.9)
        canvas.ellipse(x, y, radius * 1.7, radius * 1.7, mix(look.background, GLOW, 0.5))
        canvas.solid(paths.ellipse(x, y, radius, radius), (255, 246, 220), shade=0.1)
        canvas.solid(paths.box(x - 3.4, y - radius - 3, x + 3.4, y - radius + 1.4, 1), look.main)


def pendant_woven(canvas: Canvas, look: Look) -> None:
    """A shade woven of rattan or paper ribs."""
    canvas.line([(50, -5), (50, 22)], BLACK, 1)
    _halo(canvas, look, 50, 48, 37)
    shade = paths.turned(50, [(7, 22), (20, 30), (29, 48), (22, 64), (10, 72), (10, 72), (0, 72)])
    canvas.solid(shade, look.main, shade=0.1)
    with canvas.clip(shade):
        for index in range(-5, 6):
            bend = [(50 + index * 1.4, 22), (50 + index * 5.6, 48), (50 + index * 1.9, 72)]
            canvas.line(paths.smooth(bend, closed=False), dark(look.main, 0.26), 0.8)
        for y in range(27, 72, 6):
            canvas.line(
                paths.smooth([(18, y - 2), (50, y + 1), (82, y - 2)], closed=False), dark(look.main, 0.2), 0.7
            )
    canvas.box(42, 70.4, 58, 72.6, GLOW, 1)


def jar_candle(canvas: Canvas, look: Look) -> None:
    """A candle in a glass with a paper label."""
    _halo(canvas, look, 50, 28, 19)
    canvas.shadow(50, 80, 24, look.background)
    body = paths.box(29, 40, 71, 80, 4)
    canvas.solid(body, look.main)
    canvas.ellipse(50, 41, 21, 3.6, light(look.main, 0.55))
    canvas.ellipse(50, 41.4, 19.4, 2.8, PAPER)
    _flame(canvas, 50, 40)
    canvas.box(36, 54, 64, 70, PAPER, 1)
    canvas.box(40, 58, 60, 59.8, look.main, 0.6)
    canvas.box(44, 62.4, 56, 63.6, look.accent, 0.5)
    canvas.box(46, 65.6, 54, 66.6, look.accent, 0.5)
    canvas.shine([(32.6, 47), (32.6, 72)], look.main, 1.4)


def pillar_candles(canvas: Canvas, look: Look) -> None:
    """Three pillar candles of different heights on a tray."""
    canvas.shadow(50, 82, 36, look.background)
    canvas.solid(paths.box(16, 78, 84, 82, 2), dark(WOOD, 0.1), depth=0.02)
    colors = look.main, light(look.main, 0.35), dark(look.main, 0.12)
    for (x, top, radius), color in zip(((31, 46, 10), (53, 32, 10.5), (73, 56, 8.5)), colors, strict=True):
        _flame(canvas, x, top - 1)
        canvas.solid(paths.box(x - radius, top, x + radius, 78, 1.6), color)
        canvas.ellipse(x, top + 0.6, radius, 1.9, light(color, 0.5))


def lantern(canvas: Canvas, look: Look) -> None:
    """A garden lantern with a candle behind its panes."""
    _halo(canvas, look, 50, 54, 38)
    canvas.shadow(50, 85, 25, look.background)
    canvas.line(paths.arc(50, 19, 8, 9, 180, 360), look.main, 1.8)
    canvas.solid(paths.mirrored(50, [(55, 18), (59, 24), (71, 33), (73, 36)]), look.main)
    canvas.box(31, 36, 69, 80, mix(look.background, GLOW, 0.8))
    canvas.box(43, 60, 57, 80, PAPER, 1)
    _flame(canvas, 50, 59)
    for x in (30, 48.9, 67.4):
        canvas.box(x, 36, x + 2.4, 80, look.main if x != 48.9 else dark(look.main, 0.05))
    canvas.box(48.9, 52, 51.3, 79, PAPER)
    _flame(canvas, 50, 59)
    canvas.solid(paths.box(26, 79, 74, 85, 1.4), look.main)


def string_lights(canvas: Canvas, look: Look) -> None:
    """A garland of bulbs in three swags."""
    for swag, top in enumerate((16, 40, 64)):
        wire = paths.smooth(
            [(-4, top), (26, top + 11 + swag), (52, top + 3), (78, top + 12 - swag), (104, top)], closed=False
        )
        canvas.line(wire, BLACK, 0.8)
        for index in range(3, len(wire) - 1, 7):
            x, y = wire[index]
            canvas.ellipse(x, y + 7.6, 6, 6, mix(look.background, GLOW, 0.7))
            canvas.box(x - 1.5, y, x + 1.5, y + 3.4, BLACK, 0.6)
            canvas.ellipse(x, y + 7, 3, 4.2, look.main if (index // 7) % 2 else GLOW)
            canvas.ellipse(x - 0.9, y + 5.8, 0.8, 1.3, (255, 253, 244))


def _flame(canvas: Canvas, x: float, y: float) -> None:
    canvas.line([(x, y + 1), (x, y - 2.4)], BLACK, 0.7)
    canvas.fill(paths.leaf(x, y - 1.2, 11, 6.4, 0), (244, 170, 66))
    canvas.fill(paths.leaf(x, y - 1.4, 6.6, 3.8, 0), (255, 226, 138))
