"""A drawing surface with its own units: soft edges, clipping and a view that can come closer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image, ImageDraw

from backend.catalog.sample import paths
from backend.catalog.sample.palette import Rgb, dark, light
from backend.catalog.sample.paths import Point

SIZE = 800
# Drawn this much larger and then reduced: ImageDraw itself draws hard edges.
OVERSAMPLING = 3


@dataclass(frozen=True)
class View:
    """Where the camera stands: the point of the drawing in the middle of the picture, and how close."""

    x: float = 50.0
    y: float = 50.0
    zoom: float = 1.0


class Canvas:
    """Draws in units of a hundredth of the picture's side, x to the right and y downwards."""

    def __init__(self, background: Rgb, view: View | None = None) -> None:
        self.view = view or View()
        self._draw_on(Image.new("RGB", (SIZE * OVERSAMPLING, SIZE * OVERSAMPLING), background), (0, 0))

    def fill(self, path: Sequence[Point], color: Rgb) -> None:
        """Fill an outline with one colour."""
        self._draw.polygon(self._pixels(path), fill=color)

    def solid(self, path: Sequence[Point], color: Rgb, *, shade: float = 0.16, depth: float = 0.13) -> None:
        """Fill an outline as a body lit from the left: its right edge lies in shadow.

        shade: how dark the shadow is, 0 to 1; depth: how broad, as a share of the body's width.
        """
        left, _, right, _ = paths.bounds(path)
        width = right - left
        self.fill(path, dark(color, shade))
        with self.clip(path):
            self.fill(paths.moved(path, -depth * width, -0.03 * width), color)

    def ellipse(self, cx: float, cy: float, rx: float, ry: float, color: Rgb, turn: float = 0.0) -> None:
        """Fill an ellipse."""
        self.fill(paths.ellipse(cx, cy, rx, ry, turn), color)

    def box(self, x0: float, y0: float, x1: float, y1: float, color: Rgb, radius: float = 0.0) -> None:
        """Fill a rectangle with rounded corners."""
        self.fill(paths.box(x0, y0, x1, y1, radius), color)

    def line(self, path: Sequence[Point], color: Rgb, width: float) -> None:
        """Draw a line with round ends and joints."""
        pixels = self._pixels(path)
        thickness = max(1, round(width * self._scale))
        self._draw.line(pixels, fill=color, width=thickness, joint="curve")
        radius = thickness / 2
        for x, y in (pixels[0], pixels[-1]):
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)

    def shine(self, path: Sequence[Point], color: Rgb, width: float = 1.6) -> None:
        """Draw a highlight on a body of the given colour."""
        self.line(path, light(color, 0.45), width)

    def shadow(self, cx: float, y: float, rx: float, ground: Rgb, ry: float = 2.6) -> None:
        """Draw the shadow that a thing throws on the ground it stands on."""
        self.ellipse(cx, y, rx, ry, dark(ground, 0.16))

    @contextmanager
    def clip(self, path: Sequence[Point]) -> Iterator[None]:
        """Let what is drawn inside the ``with`` block appear only within the outline."""
        pixels = self._pixels(path)
        left = max(0, int(min(x for x, _ in pixels)))
        top = max(0, int(min(y for _, y in pixels)))
        right = min(self.image.width, int(max(x for x, _ in pixels)) + 1)
        bottom = min(self.image.height, int(max(y for _, y in pixels)) + 1)
        # Of an outline that a close camera leaves outside the picture, one pixel is kept: it stays masked.
        corner = min(left, self.image.width - 1), min(top, self.image.height - 1)
        size = max(1, right - left), max(1, bottom - top)
        mask = Image.new("1", size, 0)
        ImageDraw.Draw(mask).polygon([(x - corner[0], y - corner[1]) for x, y in pixels], fill=1)

        # Only the part within the outline's bounds is copied: most clips are small and there are many.
        outer, outer_origin = self.image, self._origin
        inner = outer.crop((*corner, corner[0] + size[0], corner[1] + size[1]))
        self._draw_on(inner, (outer_origin[0] + corner[0], outer_origin[1] + corner[1]))
        try:
            yield
        finally:
            self._draw_on(outer, outer_origin)
        outer.paste(inner, corner, mask)

    def finished(self) -> Image.Image:
        """Return the picture in its final size, edges softened."""
        return self.image.reduce(OVERSAMPLING)

    @property
    def _scale(self) -> float:
        return self.view.zoom * SIZE * OVERSAMPLING / 100

    def _pixels(self, path: Sequence[Point]) -> list[tuple[float, float]]:
        scale, half = self._scale, SIZE * OVERSAMPLING / 2
        left, top = half - self.view.x * scale - self._origin[0], half - self.view.y * scale - self._origin[1]
        return [(x * scale + left, y * scale + top) for x, y in path]

    def _draw_on(self, image: Image.Image, origin: tuple[int, int]) -> None:
        self.image, self._origin = image, origin
        self._draw = ImageDraw.Draw(image)
