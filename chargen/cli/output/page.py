"""Results as an HTML page: the tables and plots that a terminal shows."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from chargen.atomic import replacing
from chargen.curves import Plot
from chargen.web.document import document, escaped, table
from chargen.web.svg import chart

Part = Plot | Sequence[dict[str, str]]
"""A plot, or the rows of a table, at least one, which share their columns' names."""


def write(path: Path, title: str, parts: Iterable[Part]) -> None:
    """Write a page of tables and plots in their order; plots that follow each other stand side by side.

    Raises:
        RunError: the file cannot be written.
    """
    body = [f"<h1>{escaped(title)}</h1>"]
    for are_plots, group in groupby(parts, key=lambda part: isinstance(part, Plot)):
        drawn = "".join(map(_drawn, group))
        body.append(f'<div class="charts">{drawn}</div>' if are_plots else drawn)
    with replacing(path) as file:
        file.write(document(title, "\n".join(body)))


def _drawn(part: Part) -> str:
    if isinstance(part, Plot):
        return chart(part)
    return table([list(part[0]), *(list(row.values()) for row in part)])
