"""The silhouettes, by the name that the feed's ``custom_label_0`` column asks for."""

from collections.abc import Callable
from types import ModuleType

from backend.catalog.sample.canvas import Canvas
from backend.catalog.sample.drawings import books, clothing, electronics, garden, hobby, kitchen, lighting
from backend.catalog.sample.palette import Look

Drawing = Callable[[Canvas, Look], None]


def _public(module: ModuleType) -> dict[str, Drawing]:
    return {
        name.replace("_", "-"): value
        for name, value in vars(module).items()
        if callable(value)
        and getattr(value, "__module__", "") == module.__name__
        and not name.startswith("_")
    }


DRAWINGS: dict[str, Drawing] = {
    name: drawing
    for module in (books, clothing, electronics, garden, hobby, kitchen, lighting)
    for name, drawing in _public(module).items()
}
