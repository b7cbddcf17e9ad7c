"""``chargen sample``: new text from a model."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from chargen.cli import options
from chargen.cli.output.terminal import print_json
from chargen.config import LENGTH, AdaptConfig, SamplerConfig
from chargen.text.decode import Decoding
from chargen.threads import use_threads

if TYPE_CHECKING:
    from chargen.inference.generate import Ending
    from chargen.model import Model
    from chargen.text.prompt import Fitted

_SHORT: Final = 500
"""Characters up to which NumPy's threads take about as long to start as they save."""


@options.settings(Decoding, SamplerConfig, AdaptConfig, without=["adapt_decay"])
def sample(
    checkpoint: options.CheckpointPath = None,
    *,
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="What to continue.")] = "",
    prompt_file: Annotated[
        str | None, typer.Option(help="Continue the text in this file; - is stdin.", show_default=False)
    ] = None,
    length: Annotated[int, typer.Option("--length", "-n", help="New characters, at most.")] = LENGTH,
    stop: Annotated[
        list[str] | None, typer.Option(help="End before this string; repeatable.", show_default=False)
    ] = None,
    until_sentence: Annotated[
        bool, typer.Option("--until-sentence", help="End with the first whole sentence.")
    ] = False,
    num_samples: Annotated[int, typer.Option(help="Texts to write, in one batch.")] = 1,
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed gives the same text; without one, a random one.", show_default=False),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Go on where the text of --save-state stopped, with its settings and random numbers where no others "
            "are given; or from a vector of chargen encode.",
            show_default=False,
        ),
    ] = None,
    save_state: Annotated[
        Path | None, typer.Option(help="Keep where the text stops in this file, for --state.", show_default=False)
    ] = None,
    adapt_to: Annotated[
        str | None,
        typer.Option(
            help="Write in the manner of this file: a copy of the weights learns from it first; - is stdin.",
            rich_help_panel="Adaptation",
            show_default=False,
        ),
    ] = None,
    no_echo: Annotated[bool, typer.Option("--no-echo", help="Leave the prompt out of the output.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a prompt with unknown characters.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Let control characters reach the terminal.")] = False,
    interactive: Annotated[bool, typer.Option("--interactive", "-i", help="Write together, turn by turn.")] = False,
    threads: options.Threads = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    **settings: Any,
) -> None:
    """Write new text from a checkpoint, continuing a prompt."""
    use_threads(threads, single=adapt_to is not None or length * num_samples <= _SHORT)
    from chargen.api import load
    from chargen.errors import ConfigError
    from chargen.inference.generate import Ending, random_seed
    from chargen.text import prompt as prompts

    if prompt and prompt_file is not None:
        raise ConfigError("--prompt and --prompt-file are two prompts; give one")
    if interactive and (as_json or prompt_file == "-"):
        raise ConfigError("--interactive needs the terminal; leave out --json and --prompt-file -")
    if interactive and (state or save_state):
        raise ConfigError("--interactive keeps its own text; leave out --state and --save-state")
    if save_state and num_samples > 1:
        raise ConfigError(f"--save-state keeps where one text stops; --num-samples {num_samples} writes several")
    if adapt_to == "-" and (prompt_file == "-" or interactive):
        raise ConfigError("--adapt-to - needs standard input for itself; leave out --interactive and --prompt-file -")
    options.refuse_unwritable("--save-state", save_state)
    decoding = options.taken(settings, Decoding)
    if prompt_file is None and adapt_to is None:
        options.refuse_without("--prompt-file or --adapt-to", decoding)
    options.refuse_unwritable("--save-state", save_state)
    adapting = options.taken(settings, AdaptConfig)
    if adapt_to is None:
        options.refuse_without("--adapt-to", adapting)
    model = load(options.checkpoint_file(checkpoint, quiet=quiet))
    if adapt_to is not None:
        model = _adapted(model, adapt_to, decoding, adapting, quiet=quiet)
    start = None if state is None else model.load_state(state)
    before = start if isinstance(start, Ending) else None
    sampler = dataclasses.replace(before.sampler if before else SamplerConfig(), **settings)
    text = prompt if prompt_file is None else _read(prompt_file, decoding)
    fitted = prompts.fit(text, model.vocab, strict=strict)
    if not quiet:
        if model.checkpoint.model.bidirectional:
            options.note("this model is bidirectional; its forward half writes")
        options.notes(fitted.notes)
    arguments: dict[str, Any] = {"length": length, "stop": tuple(stop or ()), "until_sentence": until_sentence}
    if interactive:
        from chargen.cli.interactive import converse

        converse(model, fitted.text, sampler, seed=seed, raw=raw, strict=strict, quiet=quiet, **arguments)
        return
    if seed is None and before is None:
        seed = random_seed()
        if not (quiet or as_json):
            options.note(f"seed {seed}")
    arguments |= {"seed": seed, "num_samples": num_samples, "sampler": sampler, "state": start}
    if as_json:
        ending = _as_json(model, fitted, arguments, state)
    else:
        ending = _stream(model, fitted, arguments, echo=not no_echo, raw=raw, quiet=quiet)
    if save_state is not None:
        model.save_state(save_state, ending)


def _read(file: str, decoding: Mapping[str, str]) -> str:
    from chargen.text.sources import read_text

    return read_text(file, **decoding)


def _adapted(
    model: "Model", file: str, decoding: Mapping[str, str], settings: dict[str, Any], *, quiet: bool
) -> "Model":
    text = _read(file, decoding)
    if not quiet:
        options.note(f"learning from {file}, {len(text):,} characters")
    with options.bar(file, len(text), quiet=quiet) as bar:
        return model.adapted(text, progress=bar.update, **settings)


def _as_json(model: "Model", fitted: "Fitted", arguments: dict[str, Any], state: Path | None) -> "Ending":
    """Print all texts; gives the first one's ending."""
    from chargen.inference.generate import collect

    texts = collect(model.pieces(fitted, **arguments))
    settings = dataclasses.asdict(arguments["sampler"]) | {
        name: arguments[name] for name in arguments if name not in ("sampler", "state")
    }
    shown = {"seed": texts[0].ending.seed, "checkpoint": str(model.path), "state": state and str(state)}
    samples = [
        {"prompt": fitted.text, "text": sample.text, "seed": sample.ending.seed, "ended": sample.ending.reason}
        for sample in texts
    ]
    notes = [str(note) for note in fitted.notes]
    print_json({"settings": settings | shown, "samples": samples, "notes": notes})
    return texts[0].ending


def _stream(
    model: "Model", fitted: "Fitted", arguments: dict[str, Any], *, echo: bool, raw: bool, quiet: bool
) -> "Ending":
    """Write the first text as it comes, and the others, which grow in the same batch, after it.

    Returns:
        The first one's ending.
    """
    from chargen.cli.output.terminal import Writer

    pieces = model.pieces(fitted, **arguments)  # which checks its arguments before anything is written
    write = Writer(raw=raw)
    head = fitted.text if echo else ""
    later: dict[int, list[str]] = {}
    endings: dict[int, Ending] = {}
    write(head)
    for piece in pieces:
        if piece.sample == 0:
            write(piece.text)
        else:
            later.setdefault(piece.sample, [head]).append(piece.text)
        if piece.ending:
            endings[piece.sample] = piece.ending
    write.end()
    for at, parts in sorted(later.items()):
        if not quiet:
            options.note(f"sample {at + 1}, seed {endings[at].seed}")
        write("".join(parts))
        write.end()
    return endings[0]
