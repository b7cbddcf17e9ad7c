"""``chargen encode``: texts as vectors."""

import re
from typing import Annotated, Any

import typer

from chargen.cli import options, text_arguments
from chargen.cli.output.terminal import print_json
from chargen.text.decode import Decoding
from chargen.threads import use_threads


@options.settings(Decoding)
def encode(
    checkpoint: options.Checkpoint,
    text: text_arguments.Files = None,
    *,
    literal: text_arguments.Literals = None,
    lines: text_arguments.Lines = False,
    mean: Annotated[
        bool, typer.Option("--mean", help="The mean over all characters, not the state after the last.")
    ] = False,
    layer: Annotated[
        str | None, typer.Option(help="A layer, 0 the first, or all of them; without it the top one.", metavar="N|all")
    ] = None,
    output: options.Output = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a text with unknown characters.")] = False,
    threads: options.Threads = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    **decoding: Any,
) -> None:
    """Turn texts into vectors: the hidden state that the network ends with.

    The vectors, float32, stand one a text: shape (texts, hidden size) or, with --layer all, (texts, layers, hidden
    size). They go to the --output file, else as JSON to stdout. A file of one text also begins a new one: chargen
    sample --state.
    """
    options.refuse_unwritable("--output", output)
    use_threads(threads)
    from chargen import api
    from chargen.inference import statefile
    from chargen.text import prompt as prompts

    which = -1 if layer is None else _layer(layer)
    model = api.load(options.checkpoint_file(checkpoint, quiet=quiet))
    named = text_arguments.gather(text, literal, lines=lines, **decoding)
    fitted = [prompts.fit(passage.text, model.vocab, strict=strict) for passage in named]
    told = [f"{passage.name}: {note}" for passage, fit in zip(named, fitted, strict=True) for note in fit.notes]
    options.notes(told, quiet=quiet)
    vectors = model.encode([fit.text for fit in fitted], mean=mean, layer=which)
    if output is not None:
        statefile.save_vectors(output, vectors)
    if as_json or output is None:
        rows = [{"text": passage.name, "vector": row.tolist()} for passage, row in zip(named, vectors, strict=True)]
        print_json({"checkpoint": str(model.path), "shape": vectors.shape, "texts": rows})


def _layer(value: str) -> int | None:
    """A layer's number, None for all."""
    if value == "all":
        return None
    if not re.fullmatch(r"\d{1,4}", value):
        raise typer.BadParameter(f"give a layer's number, from 0, or all; not {value[:20]!r}", param_hint="--layer")
    return int(value)
