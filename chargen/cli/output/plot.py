"""A line plot in characters, for the terminal: each curve has its own marker, so that it reads without colour too."""

from collections.abc import Iterator, Sequence
from itertools import cycle, pairwise
from typing import Final

from rich.text import Text

from chargen.curves import Axis, Plot, ticks

MARKERS: Final = "ox+*#@%&"
COLOURS: Final = ("cyan", "red", "green", "yellow", "magenta", "blue", "white", "bright_black")


def draw(plot: Plot, *, width: int = 64, height: int = 16) -> Text:
    """The plot, lines of ASCII with colours that a console without any leaves out; the size is that inside the axes."""
    labels, log_y = plot.labels, plot.log_y
    drawn = [(labels.index(curve.label), curve.points(log_y=log_y)) for curve in plot.curves]
    every = [point for _, points in drawn for point in points]
    if not every:
        return Text(f"{plot.title}: nothing to draw\n")
    x_axis = Axis(ticks([x for x, _ in every]), 0, width - 1)
    y_axis = Axis(ticks([y for _, y in every], integers=log_y), 0, height - 1)
    cells: dict[tuple[int, int], set[int]] = {}
    for line, points in drawn:
        for cell in _joined([(round(x_axis.place(x)), round(y_axis.place(y))) for x, y in points]):
            cells.setdefault(cell, set()).add(line)
    text = Text(f"{plot.title}:")
    looks = list(zip(labels, cycle(MARKERS), cycle(COLOURS), strict=False))
    for label, marker, colour in looks:
        text.append(f"   {marker} {label}", colour)
    text.append(f"\n{plot.y_label}\n")
    beside = {round(y_axis.place(at)): f"{10**at if log_y else at:.6g}" for at in y_axis.ticks}
    margin = max(map(len, beside.values()))
    for row in reversed(range(height)):
        text.append(f"{beside.get(row, ''):>{margin}} |")
        for column in range(width):
            crossing = sorted(cells.get((column, row), ()))
            if crossing:
                _, marker, colour = looks[crossing[column % len(crossing)]]  # where curves meet, they take turns
                text.append(marker, colour)
            else:
                text.append(" ")
        text.append("\n")
    text.append(f"{'':{margin}} +{'-' * width}\n")
    under = [" "] * (margin + width + 8)
    for at in x_axis.ticks:
        label = f"{at:.6g}"
        start = margin + 2 + round(x_axis.place(at)) - (len(label) - 1) // 2
        under[start : start + len(label)] = label
    return text.append(f"{''.join(under).rstrip()}\n{plot.x_label:>{margin + 2 + width}}\n")


def _joined(places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The cells of the straight lines from each place to the next."""
    yield from places[:1]
    for (x, y), (to_x, to_y) in pairwise(places):
        steps = max(abs(to_x - x), abs(to_y - y), 1)
        for at in range(1, steps + 1):
            yield round(x + (to_x - x) * at / steps), round(y + (to_y - y) * at / steps)
