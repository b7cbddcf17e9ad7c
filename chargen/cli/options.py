"""What the commands share: option types and how they talk to a person."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from chargen.cli.terminal import visible

if TYPE_CHECKING:
    from rich.console import Console

NOTES: Final = 10

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
CheckpointPath = Annotated[
    Path | None,
    typer.Argument(help="A checkpoint file, a run's folder or name; without one, the newest run.", show_default=False),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the vectors to this .npy file.", show_default=False)
]


def note(text: str) -> None:
    """Tell the person something, on stderr."""
    sys.stderr.write(f"note: {visible(text)}\n")


def notes(texts: Iterable[object]) -> None:
    """Tell several things, but no more than a screen holds."""
    told = list(texts)
    for text in told[:NOTES]:
        note(str(text))
    if len(told) > NOTES:
        note(f"and {len(told) - NOTES:,} more of these")


def stderr() -> "Console":
    """A console for what is not the result; it honours NO_COLOR."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def stdout() -> "Console":
    """A console for results that are tables."""
    from rich.console import Console

    return Console(highlight=False)
