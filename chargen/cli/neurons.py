"""``chargen neurons``."""

import dataclasses
from typing import Annotated, Any

import typer

from chargen.cli import options
from chargen.cli.output import tables
from chargen.cli.output.terminal import print_json
from chargen.text.decode import Decoding
from chargen.text.sources import read_text
from chargen.threads import use_threads


@options.settings(Decoding)
def neurons(
    checkpoint: options.CheckpointPath = None,
    text: Annotated[
        str | None,
        typer.Argument(
            help="A file or built-in corpus to read, - is stdin; without one, what the model's training held out, "
            "or else Alice."
        ),
    ] = None,
    *,
    threads: options.Threads = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    **decoding: Any,
) -> None:
    """Show which units of a model follow something that a reader can name: quotations, the line's length, capitals.

    Each unit is chosen on the first half of the text and measured on the second: r is its correlation with what it
    follows, AUC the probability that it tells a character that has it from one that has not. What takes memory comes
    first, then what comes next, then what the characters just read give away. Layers and units count from 1, in JSON
    from 0.
    """
    use_threads(threads)
    from chargen import api
    from chargen.inference.neurons import MOST_CHARACTERS, named_units
    from chargen.store.heldout import unseen
    from chargen.text import prompt as prompts

    model = api.load(options.checkpoint_file(checkpoint, quiet=quiet))
    name, content = unseen(model.checkpoint, model.path) if text is None else (text, read_text(text, **decoding))
    fitted = prompts.fit(content[:MOST_CHARACTERS], model.vocab)
    options.notes([f"{name}: {note}" for note in fitted.notes], quiet=quiet)
    units = named_units(model.network, model.vocab, fitted.text)
    if as_json:
        about = {"checkpoint": str(model.path), "text": name, "characters": len(fitted.text)}
        print_json({**about, "units": [dataclasses.asdict(unit) for unit in units]})
        return
    if not units:
        options.note(f"no unit follows anything that has a name closely enough in {name}", quiet=quiet)
    rows = [
        {
            "follows": unit.name,
            "layer": unit.layer + 1,
            "unit": unit.unit + 1,
            "r": f"{unit.sign * unit.correlation:.2f}",
            "AUC": f"{unit.auc:.2f}",
        }
        for unit in units
    ]
    tables.show(rows, right=("layer", "unit", "r", "AUC"))
