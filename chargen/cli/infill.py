"""``chargen infill``: gaps in a text, filled in from both sides."""

import dataclasses
import re
from typing import Annotated, Any

import typer

from chargen.cli import completion, options
from chargen.cli.output.terminal import Writer, print_json
from chargen.config import InfillConfig
from chargen.errors import ConfigError
from chargen.threads import use_threads


@options.settings(InfillConfig)
def infill(
    checkpoint: Annotated[
        str,
        typer.Argument(
            help="A bidirectional checkpoint: a file, a run's folder or name.", autocompletion=completion.models
        ),
    ],
    text: Annotated[str, typer.Argument(help="The text, each missing character marked with the blank.")],
    *,
    blank: Annotated[str | None, typer.Option(help="Marks a missing character; '_' without it.")] = None,
    length: Annotated[
        str | None, typer.Option(help="Size of the gap that a single blank stands for: 4, or a range as in 2-6.")
    ] = None,
    threads: options.Threads = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    **settings: Any,
) -> None:
    """Fill gaps in a text from both sides, with a model trained with --bidirectional.

    With one missing character the probabilities are exactly the model's. With more they are shares of Gibbs samples.
    With a range of lengths, fillings are compared by the forward half's probability of the filling and what follows
    it, and the shares are among the fillings shown.
    """
    use_threads(threads)
    from chargen.api import load
    from chargen.inference.infill import BLANK
    from chargen.text import prompt

    sizes = None if length is None else _lengths(length)
    model = load(options.checkpoint_file(checkpoint, quiet=quiet))
    fillings = model.infill(text, blank=blank, length=sizes, **settings)
    if blank is None and BLANK in model.vocab:
        options.note(f"{BLANK!r} marks missing characters here, though the model knows it as a character", quiet=quiet)
    options.notes(prompt.fit(text.replace(blank or BLANK, ""), model.vocab).notes, quiet=quiet)
    if as_json:
        print_json({"checkpoint": str(model.path), "candidates": [dataclasses.asdict(filling) for filling in fillings]})
        return
    write = Writer(raw=False)
    for filling in fillings:
        write(f"{filling.probability:6.1%}  {filling.text}\n")


def _lengths(length: str) -> range:
    from chargen.inference.infill import LONGEST

    match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", length)
    shortest = int(match[1]) if match else 0
    longest = int(match[2] or shortest) if match else 0
    if not 1 <= shortest <= longest:
        raise ConfigError(f"length must be a number from 1, or a range as in 2-6, not {length!r}")
    if longest > LONGEST:
        raise ConfigError(f"length must be at most {LONGEST}, not {longest}")
    return range(shortest, longest + 1)
