"""``chargen sample``."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chargen.cli import options
from chargen.config import SamplerConfig

if TYPE_CHECKING:
    from chargen.api import Model
    from chargen.prompt import Fitted

_CHOICE = "Choice of characters"


def sample(
    checkpoint: options.CheckpointPath = None,
    *,
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="What to continue.")] = "",
    prompt_file: Annotated[
        str | None, typer.Option(help="Continue the text in this file; - is stdin.", show_default=False)
    ] = None,
    length: Annotated[int, typer.Option("--length", "-n", help="New characters, at most.")] = 500,
    temperature: Annotated[
        float,
        typer.Option(
            "--temperature", "-t", help="Below 1 safer, above 1 wilder, 0 likeliest.", rich_help_panel=_CHOICE
        ),
    ] = SamplerConfig.temperature,
    top_k: Annotated[
        int, typer.Option(help="Choose among the k likeliest; 0 for all.", rich_help_panel=_CHOICE)
    ] = SamplerConfig.top_k,
    top_p: Annotated[
        float, typer.Option(help="Choose among the likeliest that reach this probability.", rich_help_panel=_CHOICE)
    ] = SamplerConfig.top_p,
    min_p: Annotated[
        float,
        typer.Option(help="Leave out what is less likely than this share of the likeliest.", rich_help_panel=_CHOICE),
    ] = SamplerConfig.min_p,
    repetition_penalty: Annotated[
        float, typer.Option(help="Above 1: recently written characters become less likely.", rich_help_panel=_CHOICE)
    ] = SamplerConfig.repetition_penalty,
    penalty_window: Annotated[
        int, typer.Option(help="How many characters count as recent.", rich_help_panel=_CHOICE)
    ] = SamplerConfig.penalty_window,
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
    no_echo: Annotated[bool, typer.Option("--no-echo", help="Leave the prompt out of the output.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a prompt with unknown characters.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Let control characters reach the terminal.")] = False,
    interactive: Annotated[bool, typer.Option("--interactive", "-i", help="Write together, turn by turn.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write new text from a checkpoint, continuing a prompt."""
    from chargen import prompt as prompts
    from chargen.api import load, random_seed
    from chargen.errors import ConfigError

    if prompt and prompt_file is not None:
        raise ConfigError("--prompt and --prompt-file are two prompts; give one")
    if interactive and (as_json or prompt_file == "-"):
        raise ConfigError("--interactive needs the terminal; leave out --json and --prompt-file -")
    settings = SamplerConfig(
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        penalty_window=penalty_window,
    )
    model = load(checkpoint)
    text = prompt if prompt_file is None else _read(prompt_file)
    fitted = prompts.fit(text, model.vocab, strict=strict)
    if not quiet:
        for note in fitted.notes:
            options.note(str(note))
    how: dict[str, Any] = {"length": length, "stop": tuple(stop or ()), "until_sentence": until_sentence}
    if interactive:
        from chargen.cli.interactive import converse

        converse(model, fitted.text, settings, seed=seed, raw=raw, **how)
        return
    if seed is None:
        seed = random_seed()
        if not (quiet or as_json):
            options.note(f"seed {seed}")
    how |= {"seed": seed, "num_samples": num_samples, "sampler": settings}
    if as_json:
        _as_json(model, fitted, how)
    else:
        _stream(model, fitted, how, echo=not no_echo, raw=raw, quiet=quiet)


def _read(prompt_file: str) -> str:
    from chargen.reading import read_text

    return read_text(prompt_file)


def _as_json(model: "Model", fitted: "Fitted", how: dict[str, Any]) -> None:
    from dataclasses import asdict

    from chargen.inference.generate import collect

    texts = collect(model.pieces(fitted, **how))
    shown = {"checkpoint": str(model.path), **how, "sampler": asdict(how["sampler"])}
    flat = shown.pop("sampler") | shown
    samples = [
        {"prompt": fitted.text, "text": each.text, "seed": how["seed"] + at, "ended": each.ending.reason}
        for at, each in enumerate(texts)
    ]
    notes = [str(note) for note in fitted.notes]
    typer.echo(json.dumps({"settings": flat, "samples": samples, "notes": notes}))


def _stream(model: "Model", fitted: "Fitted", how: dict[str, Any], *, echo: bool, raw: bool, quiet: bool) -> None:
    """Write the first text as it comes, and the others, which grow in the same batch, after it."""
    from chargen.cli.terminal import Writer

    write = Writer(raw=raw)
    head = fitted.text if echo else ""
    later: dict[int, list[str]] = {at: [head] for at in range(1, how["num_samples"])}
    write(head)
    for piece in model.pieces(fitted, **how):
        if piece.sample == 0:
            write(piece.text)
        else:
            later[piece.sample].append(piece.text)
    write.end()
    for at, parts in later.items():
        if not quiet:
            options.note(f"sample {at + 1}, seed {how['seed'] + at}")
        write("".join(parts))
        write.end()
