"""Charts as SVG, drawn here: whoever reads them needs no script."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from chargen.curves import Axis, Curve, Plot, ticks
from chargen.web.document import escaped

WIDTH: Final = 480
HEIGHT: Final = 250
LEFT, RIGHT, TOP, BOTTOM = 52, 24, 14, 34
"""Margins around the axes, all in the SVG's own units."""
COLOURS: Final = 8
"""How many colours the style has, as the classes ``s0`` and so on."""


def chart(plot: Plot, *, heights: Mapping[str, float] | None = None, places: Mapping[str, float] | None = None) -> str:
    """A figure with the plot, its legend, and what the pointer tells of each point.

    Lines across mark ``heights``, values of y by their names, and upright ones ``places``, values of x.
    """
    log_y = plot.log_y
    drawn = [(curve, curve.points(log_y=log_y)) for curve in plot.curves]
    points = [point for _, points in drawn for point in points]
    caption = f"<figcaption><b>{escaped(plot.title)}</b> <span>{escaped(plot.y_label)}</span></figcaption>"
    if not points:
        return f"<figure>{caption}<p>nothing to draw yet</p></figure>"
    marked = {name: math.log10(y) if log_y else y for name, y in (heights or {}).items()}
    y_values = [*(y for _, y in points), *marked.values()]
    x_axis = Axis(ticks([x for x, _ in points]), LEFT, WIDTH - RIGHT)
    y_axis = Axis(_log_ticks(y_values) if log_y else ticks(y_values), HEIGHT - BOTTOM, TOP)
    labels = plot.labels
    parts = [
        *(_across("grid", y_axis.place(at)) for at in y_axis.ticks),
        *(_text(LEFT - 6, y_axis.place(at) + 4, "end", number(10**at if log_y else at)) for at in y_axis.ticks),
        *(_text(x_axis.place(at), HEIGHT - BOTTOM + 18, "middle", number(at)) for at in x_axis.ticks),
        _text(WIDTH - RIGHT, HEIGHT - 4, "end", plot.x_label),
        *(_across("mark", y_axis.place(at)) for at in marked.values()),
        *(_text(WIDTH - RIGHT, y_axis.place(at) - 4, "end", name) for name, at in marked.items()),
        *(_mark_upright(x_axis.place(at), name) for name, at in (places or {}).items()),
        *(_line(curve, points, x_axis, y_axis, labels.index(curve.label), log_y) for curve, points in drawn),
    ]
    described = escaped(f"{plot.title}, {plot.y_label}, by {plot.x_label}: {', '.join(labels)}")
    return (
        f'<figure>{caption}<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{described}">{"".join(parts)}</svg>{_legend(labels)}</figure>'
    )


def number(value: float) -> str:
    """A number as people write it, to four digits."""
    if value == 0 or 0.001 <= abs(value) < 1000:
        return f"{value:.4g}"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"


def _log_ticks(values: Sequence[float]) -> list[float]:
    """Logarithms of 1, 2 and 5 times powers of ten around ``values``, or of these powers alone where they are many."""
    low, high = min(values), max(values)
    steps = (1, 2, 5) if high - low < 2 else (1,)
    at = [power + math.log10(step) for power in range(math.floor(low), math.ceil(high) + 2) for step in steps]
    first = max(place for place, tick in enumerate(at) if tick <= low)
    last = min(place for place, tick in enumerate(at) if tick >= high and place > first)
    return at[first : last + 1]


def _across(kind: str, y: float) -> str:
    return f'<path class="{kind}" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text class="axis" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escaped(text)}</text>'


def _mark_upright(x: float, name: str) -> str:
    beside = _text(x + 4, TOP + 8, "start", name) if x < WIDTH / 2 else _text(x - 4, TOP + 8, "end", name)
    return f'<path class="mark" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>{beside}'


def _line(
    curve: Curve, points: Sequence[tuple[float, float]], x_axis: Axis, y_axis: Axis, colour: int, log_y: bool
) -> str:
    """A curve, and at each of its points what the pointer tells there."""
    label = escaped(curve.label)
    path, spots = "", ""
    for x, y in points:
        at, height = f"{x_axis.place(x):.1f}", f"{y_axis.place(y):.1f}"
        told = f"{label} at {number(x)}: {number(10**y if log_y else y)}"
        path += f"{at},{height} "
        spots += f'<circle cx="{at}" cy="{height}" r="4"><title>{told}</title></circle>'
    dashes = ' stroke-dasharray="5 4"' if curve.dashed else ""
    return f'<g class="s{colour % COLOURS}"><polyline points="{path}"{dashes}/>{spots}</g>'


def _legend(labels: Sequence[str]) -> str:
    """The labels in their colours; none where there is but one, which the title says."""
    if len(labels) == 1:
        return ""
    entries = (f'<li class="s{at % COLOURS}">{escaped(label)}</li>' for at, label in enumerate(labels))
    return f'<ul class="legend">{"".join(entries)}</ul>'
