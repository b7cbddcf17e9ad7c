"""Arguments that name several texts: files, standard input, literals, or the lines of any of these."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import typer

from chargen.errors import TextError
from chargen.text.decode import STDIN
from chargen.text.sources import read_text

Files = Annotated[list[str] | None, typer.Argument(metavar="TEXT...", help="Files or built-in corpora; - is stdin.")]
Literals = Annotated[
    list[str] | None, typer.Option("--text", "-t", help="A text itself instead of a file; repeatable.")
]
Lines = Annotated[bool, typer.Option("--lines", help="Take each line that is not blank as a text of its own.")]


class Named(NamedTuple):
    """A text and what to call it."""

    name: str
    text: str


def gather(files: Sequence[str] | None, literals: Sequence[str] | None, *, lines: bool, **decoding: str) -> list[Named]:
    """The texts of a command, those in files before literals; with ``lines`` each line of them is a text.

    Raises:
        CorpusError: a file cannot be read or does not decode.
        TextError: a text is empty.
        typer.BadParameter: none is given.
    """
    if not (files or literals):
        raise typer.BadParameter("give a file, - for stdin, or a text itself with --text", param_hint="TEXT")
    named = [Named("stdin" if file == STDIN else file, read_text(file, **decoding)) for file in files or ()]
    named += [Named(beginning(text), text) for text in literals or ()]
    if lines:
        named = [
            Named(f"{name}:{number}", line)
            for name, text in named
            for number, line in enumerate(text.split("\n"), 1)
            if line.strip()
        ]
        if not named:
            raise TextError("there is no line that is not blank")
    for name, text in named:
        if not text:
            raise TextError(f"{name or 'a --text'} is empty")
    return named


def beginning(text: str) -> str:
    """What to call a text that has no name."""
    line = text.replace("\n", " ")
    return line if len(line) <= 30 else line[:27] + "..."
