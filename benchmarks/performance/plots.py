"""Bar charts as SVG."""

from collections.abc import Mapping
from html import escape

_COLORS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd")
_LABEL_WIDTH = 230
_BAR_WIDTH = 480
_BAR_HEIGHT = 16


def draw_bars(
    title: str, unit: str, groups: Mapping[str, Mapping[str, float]], limits: Mapping[str, float] = {}
) -> str:
    """Return a chart with a horizontal bar for each value, grouped and labelled.

    Args:
        groups: values by series, by group. All groups have the same series.
        limits: the value at which a group has a red mark.
    """
    series = list(dict.fromkeys(name for values in groups.values() for name in values))
    largest = max([*(value for values in groups.values() for value in values.values()), *limits.values()])
    scale = _BAR_WIDTH / largest
    shapes = [f'<text x="10" y="20" font-weight="bold">{escape(title)}</text>']
    top = 34.0
    if len(series) > 1:
        for number, name in enumerate(series):
            left = _LABEL_WIDTH + 150 * number
            shapes.append(f'<rect x="{left}" y="{top}" width="12" height="12" fill="{_COLORS[number]}"/>')
            shapes.append(f'<text x="{left + 18}" y="{top + 11}">{escape(name)}</text>')
        top += 24
    for group, values in groups.items():
        height = _BAR_HEIGHT * len(values)
        middle = top + height / 2 + 4
        shapes.append(
            f'<text x="{_LABEL_WIDTH - 8}" y="{middle:.0f}" text-anchor="end">{escape(group)}</text>'
        )
        for name, value in values.items():
            color = _COLORS[series.index(name)]
            shapes.append(
                f'<rect x="{_LABEL_WIDTH}" y="{top + 1}" width="{value * scale:.1f}" '
                f'height="{_BAR_HEIGHT - 2}" fill="{color}"/>'
            )
            shapes.append(
                f'<text x="{_LABEL_WIDTH + value * scale + 5:.0f}" y="{top + 12}">{value:.2f}</text>'
            )
            top += _BAR_HEIGHT
        if group in limits:
            left = _LABEL_WIDTH + limits[group] * scale
            shapes.append(
                f'<line x1="{left:.1f}" x2="{left:.1f}" y1="{top - height - 2}" y2="{top + 2}" '
                'stroke="#d62728" stroke-width="2"/>'
            )
        top += 10
    shapes.append(f'<text x="{_LABEL_WIDTH}" y="{top + 12}" fill="#555">{escape(unit)}</text>')
    full_width, full_height = _LABEL_WIDTH + _BAR_WIDTH + 70, round(top + 24)
    body = "\n".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{full_width}" height="{full_height}" '
        f'viewBox="0 0 {full_width} {full_height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )
