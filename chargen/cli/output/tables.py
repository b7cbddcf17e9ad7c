"""Results as tables: drawn on a terminal, with lines where there is room; elsewhere a row a line with tabs between."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import typer

from chargen.cli import options
from chargen.cli.output.terminal import visible

_ANY_WIDTH: Final = 1 << 16


def bits(bpc: float | None) -> str:
    """A loss in bits per character; nothing where it was not measured."""
    return "" if bpc is None else f"{bpc:.3f}"


def show(rows: Sequence[Mapping[str, object]], *, right: Collection[str] = ()) -> None:
    """Print rows that share their columns' names; without any, nothing. ``right`` names columns of numbers."""
    if not rows:
        return
    console = options.stdout()
    if not console.is_terminal:
        for row in [list(rows[0]), *(row.values() for row in rows)]:
            typer.echo("\t".join(visible(str(value)) for value in row))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in rows[0]:
        table.add_column(name, overflow="fold", justify="right" if name in right else "left")
    for row in rows:
        table.add_row(*(Text(visible(str(value))) for value in row.values()))
    unbounded = console.options.update(max_width=_ANY_WIDTH)
    if console.measure(table, options=unbounded).maximum > console.width:
        table.box, table.pad_edge, table.padding = None, False, (0, 2, 0, 0)
    console.print(table)
