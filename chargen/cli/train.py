"""``chargen train``: a training, begun or gone on with."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from chargen import presets
from chargen.cli import completion, options
from chargen.cli.options import option
from chargen.cli.output.terminal import print_json
from chargen.config import ModelConfig, TrainConfig
from chargen.errors import ConfigError
from chargen.text.decode import Decoding


@options.settings(Decoding, ModelConfig, TrainConfig, defaults=dict.fromkeys(presets.settled(), "by the text's size"))
def train(
    corpus: options.Sources = None,
    *,
    run: Annotated[
        str | None,
        option(
            "Run",
            "Name of the run, whose folder is checkpoints/NAME; without one, the text's name, numbered where "
            "that is taken.",
        ),
    ] = None,
    resume: Annotated[
        str | None,
        option(
            "Run",
            "Go on with this run exactly where it stopped; with more epochs, steps or minutes, beyond its end.",
            autocompletion=completion.models,
        ),
    ] = None,
    init_from: Annotated[
        str | None,
        option("Run", "Start from this checkpoint's weights (fine-tuning).", autocompletion=completion.models),
    ] = None,
    overwrite: Annotated[bool, option("Run", "Replace the run if it exists.", "--overwrite")] = False,
    export: Annotated[
        Path | None, option("Run", "When done, also write the best model to this file, its weights in half precision.")
    ] = None,
    preset: Annotated[
        str | None,
        option(
            "Run", f"How much to spend: {presets.described()}. Without it, default.", metavar="|".join(presets.PRESETS)
        ),
    ] = None,
    glob: Annotated[
        str | None,
        option(
            "Text", "Which files of a folder to read, as in '**/*.py'; without it *.txt, *.text and *.md at any depth."
        ),
    ] = None,
    lines: options.Lines = False,
    separator: options.Separator = None,
    files: options.Files = False,
    min_count: Annotated[
        int | None, option("Text", "Characters rarer than this share one unknown id; without it, none do.")
    ] = None,
    printable: Annotated[
        bool, option("Text", "Give every printable ASCII character an id, also those the text lacks.", "--printable")
    ] = False,
    nproc: Annotated[int, option("Run", "Train in this many processes on this machine.")] = 1,
    log_to: Annotated[
        str | None,
        option(
            "Run",
            "Write the training's figures and samples for this program too, into the run's folder.",
            metavar="tensorboard",
        ),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    **settings: Any,
) -> None:
    """Train a network on a text. Settings not given take the values that suit the text's size and the preset."""
    choices: dict[str, Any] = {"glob": glob, "min_count": min_count, "printable": printable or None}
    choices |= {"lines": lines or None, "separator": separator, "files": files or None}
    reading = options.taken(settings, Decoding) | {name: at for name, at in choices.items() if at is not None}
    if export is not None:
        from chargen.store.runs import BEST, LAST

        if export.name in (BEST, LAST):
            raise typer.BadParameter(f"{export.name} is a run's own file; choose another name", param_hint="--export")
        options.refuse_unwritable("--export", export)
    _check_log(log_to)
    if nproc != 1 and "RANK" not in os.environ:  # which the processes that it starts have
        _launch(nproc)
    from chargen.cli.output.training import TrainingDisplay, encoding_bar
    from chargen.cli.processes import Stop
    from chargen.journal import recorded
    from chargen.store.checkpoint import load, save
    from chargen.text.corpus import Texts
    from chargen.training import distributed, start

    texts = Texts(sources=tuple(corpus or ()), **reading)
    with Stop() as stop, distributed.world() as world:
        display = TrainingDisplay(quiet=quiet or not world.leads)
        with encoding_bar(quiet=quiet or not world.leads) as progress:
            if resume is not None:
                _refuse_with_resume(run=run, init_from=init_from, overwrite=overwrite or None, preset=preset)
                if not corpus:
                    _refuse_with_resume(**reading)
                moved = {"sources": texts.sources, **reading} if corpus else None
                trainer = start.resume(resume, moved, progress=progress, stop=stop, world=world, **settings)
            else:
                trainer = start.begin(
                    texts,
                    run=run,
                    preset="default" if preset is None else preset,
                    init_from=init_from,
                    overwrite=overwrite,
                    progress=progress,
                    stop=stop,
                    world=world,
                    **settings,
                )
        stop.watch()
        result = display.follow(recorded(trainer, to_tensorboard=log_to is not None))
        if export is not None and world.leads:
            if stop.signal:
                options.note(f"it was stopped, so {export} was not written; give --export again with --resume")
            else:
                save(export, load(result.best), half=True)
        if as_json and world.leads:
            keys = ("run", "best", "val_bpc", "test_bpc", "seconds", "parameters", "chars_per_second")
            print_json({key: getattr(result, key) for key in keys} | {"best": str(result.best)})
    if stop.signal:  # not by typer's Exit, which also stands for a Ctrl-C that left the cursor in mid-line
        sys.exit(128 + stop.signal)


def _check_log(log_to: str | None) -> None:
    """Find out before a training whether it can be logged."""
    if log_to is None:
        return
    if log_to != "tensorboard":
        raise typer.BadParameter(f"tensorboard is what there is, not {log_to!r}", param_hint="--log-to")
    from chargen.training.tensorboard_log import require

    require()


def _launch(processes: int) -> None:
    """Run this command in several processes, and exit with their code."""
    from chargen.cli.processes import launch

    if processes < 1:
        raise ConfigError(f"--nproc must be at least 1, not {processes}")
    raise typer.Exit(launch(processes, sys.argv[1:]))


def _refuse_with_resume(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise ConfigError(f"--{name.replace('_', '-')} has no meaning with --resume; leave it out")
