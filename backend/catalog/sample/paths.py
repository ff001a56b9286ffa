"""Outlines as lists of points, in the units of the canvas (0 to 100 each way, y downwards)."""

import math
from collections.abc import Sequence

Point = tuple[float, float]
Path = list[Point]


def ellipse(cx: float, cy: float, rx: float, ry: float, turn: float = 0.0) -> Path:
    """Return an ellipse around (cx, cy), turned clockwise by ``turn`` degrees."""
    sine, cosine = math.sin(math.radians(turn)), math.cos(math.radians(turn))
    path = []
    for step in range(72):
        angle = math.tau * step / 72
        x, y = rx * math.cos(angle), ry * math.sin(angle)
        path.append((cx + x * cosine - y * sine, cy + x * sine + y * cosine))
    return path


def box(x0: float, y0: float, x1: float, y1: float, radius: float = 0.0) -> Path:
    """Return a rectangle with rounded corners."""
    radius = min(radius, (x1 - x0) / 2, (y1 - y0) / 2)
    if radius <= 0:
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    path = []
    corners = [
        (x1 - radius, y0 + radius, -90),
        (x1 - radius, y1 - radius, 0),
        (x0 + radius, y1 - radius, 90),
        (x0 + radius, y0 + radius, 180),
    ]
    for cx, cy, start in corners:
        path += arc(cx, cy, radius, radius, start, start + 90, steps=10)
    return path


def arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float, steps: int = 32) -> Path:
    """Return a piece of an ellipse from ``start`` to ``end`` degrees, clockwise from three o'clock."""
    angles = [math.radians(start + (end - start) * step / steps) for step in range(steps + 1)]
    return [(cx + rx * math.cos(angle), cy + ry * math.sin(angle)) for angle in angles]


def smooth(points: Sequence[Point], *, closed: bool = True) -> Path:
    """Return a soft curve through the points (Catmull-Rom); a point given twice stays a corner."""
    count = len(points)
    path: Path = []
    for index in range(count if closed else count - 1):
        if closed:
            p0, p1, p2, p3 = (points[(index + offset) % count] for offset in (-1, 0, 1, 2))
        else:
            p0, p1 = points[max(index - 1, 0)], points[index]
            p2, p3 = points[index + 1], points[min(index + 2, count - 1)]
        if p1 == p2:
            continue
        path += [_catmull_rom(p0, p1, p2, p3, step / 12) for step in range(12)]
    if not closed:
        path.append(points[-1])
    return path


def turned(cx: float, profile: Sequence[Point]) -> Path:
    """Return the outline of a body of revolution.

    profile: (radius, y) pairs from the top to the bottom; the curve between them is smooth.
    """
    right = smooth([(cx + radius, y) for radius, y in profile], closed=False)
    return right + [(2 * cx - x, y) for x, y in reversed(right)]


def mirrored(cx: float, right: Sequence[Point]) -> Path:
    """Return the outline whose right half is given from the top to the bottom, with straight sides."""
    return [*right, *[(2 * cx - x, y) for x, y in reversed(right)]]


def moved(path: Sequence[Point], dx: float, dy: float) -> Path:
    """Return the path shifted."""
    return [(x + dx, y + dy) for x, y in path]


def rotated(path: Sequence[Point], degrees: float, cx: float = 50, cy: float = 50) -> Path:
    """Return the path turned clockwise around (cx, cy)."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return [
        (cx + (x - cx) * cosine - (y - cy) * sine, cy + (x - cx) * sine + (y - cy) * cosine) for x, y in path
    ]


def leaf(x: float, y: float, length: float, width: float, turn: float) -> Path:
    """Return a pointed leaf that starts at (x, y) and grows upwards, turned clockwise by ``turn``."""
    half = [(0.0, 0.0), (0.32, 0.18), (0.5, 0.42), (0.4, 0.7), (0.0, 1.0)]
    right = smooth([(x + width * across, y - length * along) for across, along in half], closed=False)
    return rotated(right + [(2 * x - px, py) for px, py in reversed(right)], turn, x, y)


def bounds(path: Sequence[Point]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the path."""
    xs, ys = [x for x, _ in path], [y for _, y in path]
    return min(xs), min(ys), max(xs), max(ys)


def _catmull_rom(p0: Point, p1: Point, p2: Point, p3: Point, t: float) -> Point:
    def along(a: float, b: float, c: float, d: float) -> float:
        linear = (c - a) * t
        square = (2 * a - 5 * b + 4 * c - d) * t * t
        cube = (3 * b - a - 3 * c + d) * t * t * t
        return 0.5 * (2 * b + linear + square + cube)

    return along(p0[0], p1[0], p2[0], p3[0]), along(p0[1], p1[1], p2[1], p3[1])
