"""What is printed, woven or painted on a thing: the feed's ``pattern`` column."""

from collections.abc import Callable, Sequence

from backend.catalog.sample import paths
from backend.catalog.sample.canvas import Canvas
from backend.catalog.sample.palette import Look, mix
from backend.catalog.sample.paths import Point

Bounds = tuple[float, float, float, float]


def decorate(canvas: Canvas, path: Sequence[Point], look: Look, *, scale: float = 1.0) -> None:
    """Draw the look's pattern within an outline; a plain thing stays as it is.

    scale: size of the pattern, 1 for a thing that fills most of the picture.
    """
    draw = _PATTERNS.get(look.pattern)
    if draw:
        with canvas.clip(path):
            draw(canvas, paths.bounds(path), look, scale)


def _stripes(canvas: Canvas, bounds: Bounds, look: Look, scale: float) -> None:
    left, top, right, bottom = bounds
    step = look.chance.choice((7.0, 9.0, 11.0)) * scale
    y = top + step * 0.6
    while y < bottom:
        canvas.box(left, y, right, y + step * 0.42, look.accent)
        y += step


def _dots(canvas: Canvas, bounds: Bounds, look: Look, scale: float) -> None:
    left, top, right, bottom = bounds
    step, radius = 9.0 * scale, look.chance.choice((1.6, 2.1)) * scale
    y, odd = top + step * 0.4, False
    while y < bottom + radius:
        x = left + (step * 0.75 if odd else step * 0.25)
        while x < right + radius:
            canvas.ellipse(x, y, radius, radius, look.accent)
            x += step
        y, odd = y + step * 0.7, not odd


def _checks(canvas: Canvas, bounds: Bounds, look: Look, scale: float) -> None:
    left, top, right, bottom = bounds
    step = look.chance.choice((10.0, 12.0)) * scale
    once, twice = mix(look.main, look.accent, 0.38), mix(look.main, look.accent, 0.72)
    columns = [left + step * (0.3 + index) for index in range(int((right - left) / step) + 1)]
    rows = [top + step * (0.3 + index) for index in range(int((bottom - top) / step) + 1)]
    for x in columns:
        canvas.box(x, top, x + step * 0.45, bottom, once)
    for y in rows:
        canvas.box(left, y, right, y + step * 0.45, once)
    for x in columns:
        for y in rows:
            canvas.box(x, y, x + step * 0.45, y + step * 0.45, twice)


def _waves(canvas: Canvas, bounds: Bounds, look: Look, scale: float) -> None:
    left, top, right, bottom = bounds
    step, y, odd = 8.0 * scale, top + 5 * scale, 1.0
    while y < bottom + step:
        points, x, up = [], left - step, odd
        while x <= right + step * 2:
            points.append((x, y + up * step * 0.22))
            x, up = x + step * 0.6, -up
        canvas.line(paths.smooth(points, closed=False), look.accent, 1.3 * scale)
        y, odd = y + step, -odd


def _leaves(canvas: Canvas, bounds: Bounds, look: Look, scale: float) -> None:
    left, top, right, bottom = bounds
    step, y, odd = 12.0 * scale, top + 4 * scale, False
    while y < bottom + step:
        x = left + (step * 0.9 if odd else step * 0.35)
        while x < right + step:
            for turn in (-38, 0, 38):
                canvas.fill(paths.leaf(x, y + 2.4 * scale, 5.2 * scale, 2.2 * scale, turn), look.accent)
            x += step
        y, odd = y + step * 0.72, not odd


def _speckles(canvas: Canvas, bounds: Bounds, look: Look, scale: float) -> None:
    left, top, right, bottom = bounds
    count = int((right - left) * (bottom - top) / (14 * scale))
    for _ in range(min(count, 260)):
        radius = look.chance.uniform(0.2, 0.6) * scale
        x, y = look.chance.uniform(left, right), look.chance.uniform(top, bottom)
        canvas.ellipse(x, y, radius * 1.3, radius, mix(look.main, look.accent, 0.8))


def _halves(canvas: Canvas, bounds: Bounds, look: Look, scale: float) -> None:
    left, top, right, bottom = bounds
    edge = top + (bottom - top) * look.chance.choice((0.48, 0.58, 0.66))
    canvas.box(left, edge, right, bottom, look.accent)
    canvas.box(left, edge - 2.4 * scale, right, edge - 1.2 * scale, look.accent)


_Pattern = Callable[[Canvas, Bounds, Look, float], None]
_PATTERNS: dict[str, _Pattern] = {
    "полоска": _stripes,
    "горошек": _dots,
    "клетка": _checks,
    "волны": _waves,
    "листья": _leaves,
    "крапинка": _speckles,
    "два цвета": _halves,
    "striped": _stripes,
    "dotted": _dots,
    "checked": _checks,
    "waves": _waves,
    "botanical": _leaves,
    "speckled": _speckles,
    "colour block": _halves,
}
