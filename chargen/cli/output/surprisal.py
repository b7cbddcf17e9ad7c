"""Text that shows how surprising each of its characters was: by colour, or by digits where there are no colours."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

import typer

from chargen.cli import options
from chargen.cli.output.terminal import glyph
from chargen.config import MARK
from chargen.web.heatmap import STEPS, step

_STYLES: Final = ("", "black on #ffeda0", "black on #feb24c", "white on #e31a1c", "bold white on #800026")
"""The styles of the steps."""
_ENDS: Final = ("\n", MARK)
"""Characters behind which a new line begins."""


def show(text: str, bits: Sequence[float]) -> None:
    """Print ``text`` with the bits of each of its characters, and a legend."""
    console = options.stdout()
    if console.color_system is not None and not console.no_color:
        from rich.text import Text

        coloured = Text()
        for style, run in groupby(zip(text, bits, strict=True), key=lambda pair: _STYLES[step(pair[1])]):
            coloured.append("".join(_cell(character) + "\n" * (character in _ENDS) for character, _ in run), style)
        legend = Text("bits of a character: ")
        for (_, name), style in zip(STEPS, _STYLES, strict=True):
            legend.append(f" {name} ", style).append(" ")
        console.print(coloured, soft_wrap=True, end="" if text.endswith(_ENDS) else "\n")
        console.print(legend, soft_wrap=True)
        return
    for line in _lines(zip(text, bits, strict=True), console.width if console.is_terminal else None):
        for row in zip(*line, strict=True):
            typer.echo("".join(row))
    typer.echo("below each character: its bits, rounded down, 9 for 9 and more")


def _cell(character: str) -> str:
    return character if character == " " else glyph(character)


def _lines(characters: Iterable[tuple[str, float]], width: int | None) -> Iterator[list[tuple[str, str]]]:
    """Lines of pairs, a character as it is shown and its digit, equally wide; none is wider than ``width``."""
    from rich.cells import cell_len

    line: list[tuple[str, str]] = []
    filled = 0
    for character, bits in characters:
        cell = _cell(character)
        size = cell_len(cell)
        if line and width is not None and filled + size > width:
            yield line
            line, filled = [], 0
        line.append((cell, str(min(9, int(bits))).ljust(size)))
        filled += size
        if character in _ENDS:
            yield line
            line, filled = [], 0
    if line:
        yield line
