"""``chargen sample``: new text from a model."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from chargen.cli import items as list_items
from chargen.cli import options
from chargen.cli.options import option, within
from chargen.cli.output.terminal import DIVIDER, Writer, print_json
from chargen.config import LENGTH, MAX_BEAMS, MAX_SAMPLES, TURN_LENGTH, AdaptConfig, SamplerConfig
from chargen.errors import ConfigError, TextError
from chargen.inference.text_end import TextEnd
from chargen.text.decode import Decoding
from chargen.text.sources import read_text
from chargen.threads import use_threads
from chargen.wording import counted

if TYPE_CHECKING:
    from chargen.inference.generate import Ending
    from chargen.model import Model
    from chargen.text.prompt import Fitted

_SHORT: Final = 500
"""Characters up to which NumPy's threads take about as long to start as they save."""
_CONTRADICTIONS: Final = (
    ("--prompt-file", "--prompt", "--prompt and --prompt-file are two prompts"),
    ("--prompts", "--prompt", "--prompt and --prompts are two kinds of prompts"),
    ("--prompts", "--prompt-file", "--prompt-file and --prompts are two kinds of prompts"),
    ("--interactive", "--json", "--interactive needs the terminal"),
    ("--interactive", "--state", "--interactive keeps its own text"),
    ("--interactive", "--save-state", "--interactive keeps its own text"),
    ("--interactive", "--prompts", "--interactive writes one text"),
    ("--interactive", "--beams", "--interactive draws its texts"),
)
"""Options that cannot be given together, and why."""


@options.settings(Decoding, SamplerConfig, AdaptConfig, without=["adapt_decay"])
def sample(
    checkpoint: options.CheckpointPath = None,
    *,
    invocation: typer.Context,
    prompt: Annotated[
        list[str] | None,
        typer.Option("--prompt", "-p", help="What to continue; repeatable, for several texts in one batch."),
    ] = None,
    prompt_file: Annotated[str | None, typer.Option(help="Continue the text in this file; - is stdin.")] = None,
    prompts: Annotated[
        str | None, typer.Option(help="Continue each line of this file, in one batch; - is stdin.")
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(
            "--length",
            "-n",
            help="New characters, at most.",
            callback=within(),
            show_default=f"{LENGTH}, about {TURN_LENGTH} a turn with -i",
        ),
    ] = None,
    stop: Annotated[list[str] | None, typer.Option(help="End before this string; repeatable.")] = None,
    keep_stop: Annotated[bool, typer.Option("--keep-stop", help="End behind the --stop string instead.")] = False,
    until_sentence: Annotated[
        bool, typer.Option("--until-sentence", help="End with the first whole sentence.")
    ] = False,
    num_samples: Annotated[
        int, typer.Option(help="Texts to write of each prompt, in one batch.", callback=within(1, MAX_SAMPLES))
    ] = 1,
    items: list_items.Count = None,
    new: list_items.New = False,
    max_length: list_items.MaxLength = None,
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed gives the same text; without one, a random one.", callback=within()),
    ] = None,
    beams: Annotated[
        int | None,
        typer.Option(
            help="Write the likeliest text that a search with so many beams finds, instead of drawing one.",
            callback=within(1, MAX_BEAMS),
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Go on where the text of --save-state stopped, with its settings and random numbers where no others "
            "are given; or from a vector of chargen encode."
        ),
    ] = None,
    save_state: Annotated[
        Path | None, typer.Option(help="Keep where the text stops in this file, for --state.")
    ] = None,
    adapt_to: Annotated[
        str | None,
        option(
            "Adaptation", "Write in the manner of this file: a copy of the weights learns from it first; - is stdin."
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
    work = (length or LENGTH) * max(num_samples, items or 0) * (beams or 1) * len(prompt or [""])
    use_threads(threads, single=adapt_to is not None or (work <= _SHORT and prompts is None))
    from chargen.api import load
    from chargen.inference.generate import Ending, random_seed
    from chargen.text.prompt import fit

    given: dict[str, object] = {"--prompt": prompt, "--prompt-file": prompt_file, "--prompts": prompts}
    given |= {"--interactive": interactive, "--json": as_json, "--state": state, "--save-state": save_state}
    _refuse_contradictions({**given, "--beams": beams, "--adapt-to": adapt_to})
    if keep_stop and not stop:
        raise ConfigError("--keep-stop keeps a stop string; name it with --stop")
    decoding = options.taken(settings, Decoding)
    if prompt_file is None and prompts is None and adapt_to is None:
        options.refuse_without("--prompt-file, --prompts or --adapt-to", decoding)
    options.refuse_unwritable("--save-state", save_state)
    adapting = options.taken(settings, AdaptConfig)
    if adapt_to is None:
        options.refuse_without("--adapt-to", adapting)
    arguments: dict[str, Any] = {"stop": tuple(stop or ()), "keep_stop": keep_stop, "until_sentence": until_sentence}
    TextEnd(**arguments)  # which refuses an empty stop string
    texts = _prompts(prompt, prompt_file, prompts, decoding)
    style = "" if adapt_to is None else read_text(adapt_to, **decoding)
    if (interactive or save_state) and len(texts) * num_samples > 1:
        one = "--interactive writes one text" if interactive else "--save-state keeps where one text stops"
        several = f"{len(texts)} prompts" if len(texts) > 1 else f"--num-samples {num_samples}"
        raise ConfigError(f"{one}; there are several with {several}")
    model = load(options.checkpoint_file(checkpoint, quiet=quiet))
    list_items.refuse_options(model, invocation)
    if adapt_to is not None:
        model = _adapted(model, adapt_to, style, adapting, quiet=quiet)
    fitted = [fit(text, model.vocab, strict=strict) for text in texts]
    if model.checkpoint.model.bidirectional:
        options.note("this model is bidirectional; its forward half writes", quiet=quiet)
    options.notes(dict.fromkeys(str(note) for text in fitted for note in text.notes), quiet=quiet)
    if interactive:
        from chargen.cli.interactive import Session

        turn = TURN_LENGTH if length is None else length
        drawing: dict[str, Any] = {"settings": SamplerConfig(**settings), "seed": seed, "end": arguments}
        Session(model=model, length=turn, raw=raw, strict=strict, quiet=quiet, **drawing).run(fitted[0].text)
        return
    start = None if state is None else model.load_state(state)
    if seed is None and beams is None and not isinstance(start, Ending):
        seed = random_seed()
        told = f"seed {seed}" if num_samples == 1 else f"seeds {seed} to {seed + num_samples - 1}"
        options.note(told, quiet=quiet or as_json)
    if model.checkpoint.corpus.items is not None:
        drawing = {"count": items, "new": new, "max_length": max_length, "seed": seed}
        list_items.write(model, fitted, SamplerConfig(**settings), raw=raw, as_json=as_json, quiet=quiet, **drawing)
        return
    arguments |= {"length": LENGTH if length is None else length, "seed": seed, "num_samples": num_samples}
    arguments |= {"beams": beams, "state": start, **settings}
    if as_json:
        ending = _as_json(model, fitted, arguments, state)
    else:
        ending = _stream(model, fitted, arguments, echo=not no_echo, raw=raw)
    if save_state is not None:
        model.save_state(save_state, ending)


def _refuse_contradictions(given: Mapping[str, object]) -> None:
    """Refuse options that cannot be given together, or that both read standard input.

    Raises:
        ConfigError: two such are given.
    """
    for name, other, reason in _CONTRADICTIONS:
        if given[name] and given[other]:
            raise ConfigError(f"{reason}; leave out {other}")
    readers = [f"{name} -" for name in ("--adapt-to", "--prompt-file", "--prompts") if given[name] == "-"]
    readers += ["--interactive"] * bool(given["--interactive"])
    if len(readers) > 1:
        raise ConfigError(f"{readers[0]} needs standard input for itself; leave out {readers[1]}")


def _prompts(
    prompt: Sequence[str] | None, prompt_file: str | None, prompts: str | None, decoding: Mapping[str, str]
) -> list[str]:
    """What to continue: one text or several.

    Raises:
        CorpusError: a file cannot be read or does not decode.
        TextError: the file of several has no line with anything on it.
    """
    if prompt_file is not None:
        return [read_text(prompt_file, **decoding)]
    if prompts is None:
        return list(prompt or [""])
    lines = [line for line in read_text(prompts, **decoding).splitlines() if line.strip()]
    if not lines:
        raise TextError(f"{prompts} has no prompts, of which each line is to be one")
    return lines


def _adapted(model: "Model", file: str, text: str, settings: dict[str, Any], *, quiet: bool) -> "Model":
    options.note(f"learning from {file}, {counted(len(text), 'character')}", quiet=quiet)
    with options.bar(file, len(text), quiet=quiet) as bar:
        return model.adapted(text, progress=bar.update, **settings)


def _as_json(model: "Model", prompts: "Sequence[Fitted]", arguments: dict[str, Any], state: Path | None) -> "Ending":
    """Print all texts; gives the first one's ending."""
    from chargen.inference.generate import collect

    texts = collect(model.pieces(prompts, **arguments))
    drawn = arguments["beams"] is None
    seeds = [text.ending.seed if drawn else None for text in texts]
    shown = {name: value for name, value in arguments.items() if name != "state"}
    about = {"seed": seeds[0], "checkpoint": str(model.path), "state": state and str(state)}
    samples = [
        {"prompt": prompt.text, "text": text.text, "seed": seed, "ended": text.ending.reason}
        for prompt, text, seed in zip(_repeated(prompts, arguments), texts, seeds, strict=True)
    ]
    settings = dataclasses.asdict(texts[0].ending.sampler) | shown | about
    notes = [str(note) for prompt in prompts for note in prompt.notes]
    print_json({"settings": settings, "samples": samples, "notes": notes})
    return texts[0].ending


def _stream(
    model: "Model", prompts: "Sequence[Fitted]", arguments: dict[str, Any], *, echo: bool, raw: bool
) -> "Ending":
    """Write the first text as it comes and then the others, which grow in the same batch, with a line between them.

    Returns:
        The first one's ending.
    """
    pieces = model.pieces(prompts, **arguments)  # which checks its arguments before anything is written
    write = Writer(raw=raw)
    texts = [[prompt.text if echo else ""] for prompt in _repeated(prompts, arguments)]
    endings: dict[int, Ending] = {}
    write(texts[0][0])
    for piece in pieces:
        if piece.sample == 0:
            write(piece.text)
        else:
            texts[piece.sample].append(piece.text)
        if piece.ending:
            endings[piece.sample] = piece.ending
    write.end()
    for text in texts[1:]:
        write(DIVIDER)
        write("".join(text))
        write.end()
    return endings[0]


def _repeated(prompts: "Sequence[Fitted]", arguments: Mapping[str, Any]) -> "list[Fitted]":
    """The prompt of each text."""
    return [prompt for prompt in prompts for _ in range(arguments["num_samples"])]
