"""What the commands share: option types and how they talk to a person."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from chargen.cli.output.terminal import visible
from chargen.config import AdaptConfig

if TYPE_CHECKING:
    from rich.console import Console
    from tqdm import tqdm

NOTES: Final = 10

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
CheckpointPath = Annotated[
    str | None,
    typer.Argument(
        help="A checkpoint file, a run's folder or name; without one, the newest run or else alice, the pretrained "
        "model.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the vectors to this .npy file.", show_default=False)
]


def _adapting(name: str, text: str) -> Any:
    """An option whose default is that of ``AdaptConfig``; None tells that it was not given."""
    return typer.Option(help=text, rich_help_panel="Adaptation", show_default=str(getattr(AdaptConfig, name)))


AdaptRate = Annotated[float | None, _adapting("adapt_rate", "How fast the weights learn from what is read.")]
AdaptEvery = Annotated[int | None, _adapting("adapt_every", "Characters learnt from at once.")]
AdaptDecay = Annotated[float | None, _adapting("adapt_decay", "How fast they go back to where they came from.")]


def adapt_settings(
    rate: float | None, every: int | None, decay: float | None = None, *, only_with: str, on: bool
) -> dict[str, Any]:
    """Those that were given, by their names in ``AdaptConfig``.

    Raises:
        typer.BadParameter: one was given, but the option ``only_with``, which makes weights adapt, is not ``on``.
    """
    given = {"adapt_rate": rate, "adapt_every": every, "adapt_decay": decay}
    settings = {name: value for name, value in given.items() if value is not None}
    if settings and not on:
        raise typer.BadParameter(f"it needs {only_with}", param_hint="--" + next(iter(settings)).replace("_", "-"))
    return settings


def bar(name: str, characters: int, *, quiet: bool) -> "tqdm[Any]":
    """A bar for characters that are read one after the other; it shows once that takes more than a moment."""
    from tqdm import tqdm

    return tqdm(
        total=characters,
        desc=visible(name),
        unit="char",
        unit_scale=True,
        delay=1.0,
        leave=False,
        disable=quiet or not sys.stderr.isatty(),
    )


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
