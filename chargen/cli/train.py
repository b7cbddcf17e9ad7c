"""``chargen train``."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from chargen.cli import options
from chargen.cli.output.terminal import print_json
from chargen.config import CELLS, DEVICES, PRECISIONS
from chargen.presets import PRESETS

_MODEL = "Model"
_TRAINING = "Training"
_REGULARISATION = "Regularisation"
_RUN = "Run"
_TEXT = "Text"


def _option(panel: str, text: str, *names: str) -> Any:
    """An option whose default is the preset's; ``names`` where its parameter does not give them."""
    return typer.Option(*names, help=text, rich_help_panel=panel, show_default=False)


def train(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            help="A built-in corpus, files, folders, or - for stdin; without any, Alice.", show_default=False
        ),
    ] = None,
    *,
    run: Annotated[str | None, _option(_RUN, "Name of the run; its folder is checkpoints/NAME.")] = None,
    resume: Annotated[str | None, _option(_RUN, "Go on with this run exactly where it stopped.")] = None,
    init_from: Annotated[str | None, _option(_RUN, "Start from this checkpoint's weights (fine-tuning).")] = None,
    overwrite: Annotated[bool, _option(_RUN, "Replace the run if it exists.", "--overwrite")] = False,
    keep: Annotated[int | None, _option(_RUN, "Keep this many periodic checkpoints beside best and last.")] = None,
    export: Annotated[
        Path | None, _option(_RUN, "When done, also write the best model to this file, its weights in half precision.")
    ] = None,
    preview: Annotated[int | None, _option(_RUN, "Characters of sample text after each evaluation.")] = None,
    preset: Annotated[str | None, _option(_RUN, f"One of {', '.join(PRESETS)}.")] = None,
    encoding: Annotated[str | None, _option(_TEXT, "Of the text, where it is not UTF-8.")] = None,
    glob: Annotated[str | None, _option(_TEXT, "Which files of a folder to read, as in '**/*.py'.")] = None,
    min_count: Annotated[int | None, _option(_TEXT, "Characters rarer than this share one unknown id.")] = None,
    val_fraction: Annotated[float | None, _option(_TEXT, "Share of the text for validation.")] = None,
    test_fraction: Annotated[float | None, _option(_TEXT, "Share of the text for the test, at its end.")] = None,
    cell: Annotated[str | None, _option(_MODEL, f"One of {', '.join(CELLS)}.")] = None,
    layers: Annotated[int | None, _option(_MODEL, "Stacked recurrent layers.")] = None,
    hidden_size: Annotated[int | None, _option(_MODEL, "Units in each layer.")] = None,
    embedding_size: Annotated[int | None, _option(_MODEL, "Width of the character embedding.")] = None,
    one_hot: Annotated[bool, _option(_MODEL, "Feed one-hot characters instead of an embedding.", "--one-hot")] = False,
    skip: Annotated[
        bool | None, _option(_MODEL, "Connect the input to every layer, every layer to the read-out.")
    ] = None,
    bidirectional: Annotated[
        bool, _option(_MODEL, "Add a backward stack, to fill gaps from both sides.", "--bidirectional")
    ] = False,
    epochs: Annotated[float | None, _option(_TRAINING, "Passes over the training text.")] = None,
    steps: Annotated[int | None, _option(_TRAINING, "Optimizer steps, instead of epochs.")] = None,
    minutes: Annotated[float | None, _option(_TRAINING, "Time to spend, instead of epochs.")] = None,
    batch_size: Annotated[int | None, _option(_TRAINING, "Columns of text side by side.")] = None,
    bptt: Annotated[int | None, _option(_TRAINING, "Steps that gradients go back.")] = None,
    learning_rate: Annotated[float | None, _option(_TRAINING, "Peak learning rate of AdamW.")] = None,
    warmup: Annotated[int | None, _option(_TRAINING, "Steps of linear warm-up.")] = None,
    grad_clip: Annotated[float | None, _option(_TRAINING, "Largest gradient norm; 0 for no clipping.")] = None,
    eval_every: Annotated[int | None, _option(_TRAINING, "Steps between validations; 0 to choose.")] = None,
    patience: Annotated[int | None, _option(_TRAINING, "Stop after this many validations without a new best.")] = None,
    dropout: Annotated[float | None, _option(_REGULARISATION, "Locked dropout between layers.")] = None,
    output_dropout: Annotated[float | None, _option(_REGULARISATION, "Locked dropout before the read-out.")] = None,
    input_dropout: Annotated[float | None, _option(_REGULARISATION, "Locked dropout on the embedding.")] = None,
    weight_drop: Annotated[float | None, _option(_REGULARISATION, "DropConnect on the recurrent weights.")] = None,
    weight_decay: Annotated[float | None, _option(_REGULARISATION, "Decoupled weight decay.")] = None,
    ema_decay: Annotated[float | None, _option(_REGULARISATION, "Decay of the averaged weights; 0 for none.")] = None,
    device: Annotated[str | None, _option(_TRAINING, f"One of {', '.join(DEVICES)}.")] = None,
    precision: Annotated[str | None, _option(_TRAINING, f"One of {', '.join(PRECISIONS)}.")] = None,
    nproc: Annotated[int, _option(_TRAINING, "Train in this many processes on this machine.")] = 1,
    threads: Annotated[int | None, _option(_TRAINING, "CPU threads; 0 to choose.")] = None,
    seed: Annotated[int | None, _option(_TRAINING, "Of initial weights, dropout and column offsets.")] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a network on a text. Options not given take the values that suit the text's size."""
    given = {
        "keep": keep,
        "preview": preview,
        "val_fraction": val_fraction,
        "test_fraction": test_fraction,
        "cell": cell,
        "num_layers": layers,
        "hidden_size": hidden_size,
        "embedding_size": embedding_size,
        "one_hot": one_hot or None,
        "skip": skip,
        "bidirectional": bidirectional or None,
        "epochs": epochs,
        "steps": steps,
        "minutes": minutes,
        "batch_size": batch_size,
        "bptt": bptt,
        "learning_rate": learning_rate,
        "warmup": warmup,
        "grad_clip": grad_clip,
        "eval_every": eval_every,
        "patience": patience,
        "dropout": dropout,
        "input_dropout": input_dropout,
        "output_dropout": output_dropout,
        "weight_drop": weight_drop,
        "weight_decay": weight_decay,
        "ema_decay": ema_decay,
        "device": device,
        "precision": precision,
        "threads": threads,
        "seed": seed,
    }
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    reading: dict[str, Any] = {"encoding": encoding, "glob": glob, "min_count": min_count}
    if export is not None:
        _refuse_unwritable(export)
    if nproc != 1 and "RANK" not in os.environ:  # which the processes that it starts have
        _launch(nproc)
    from chargen.cli.output.training import TrainingDisplay, encoding_bar
    from chargen.cli.processes import Stop
    from chargen.store.checkpoint import load, save
    from chargen.training import distributed, start

    how = {name: value for name, value in reading.items() if value is not None}
    texts = start.Texts(sources=tuple(corpus or ()), **how)
    with Stop() as stop, distributed.world() as world:
        display = TrainingDisplay(quiet=quiet or not world.leads)
        with encoding_bar(quiet=quiet or not world.leads) as progress:
            if resume:
                _refuse_with_resume(run=run, init_from=init_from, overwrite=overwrite or None, preset=preset)
                if not corpus:
                    _refuse_with_resume(**how)
                moved = {"sources": texts.sources, **how} if corpus else None
                trainer = start.resume(resume, moved, progress=progress, stop=stop, world=world, **wanted)
            else:
                trainer = start.begin(
                    texts,
                    run=run,
                    preset=preset or "default",
                    init_from=init_from,
                    overwrite=overwrite,
                    progress=progress,
                    stop=stop,
                    world=world,
                    **wanted,
                )
        result = display.follow(trainer.events())
        if as_json and world.leads:
            keys = ("run", "best", "val_bpc", "test_bpc", "seconds", "parameters", "chars_per_second")
            print_json({key: getattr(result, key) for key in keys} | {"best": str(result.best)})
        if export is not None and world.leads:
            if stop.signal:
                options.note(f"it was stopped, so {export} was not written; give --export again with --resume")
            else:
                save(export, load(result.best), half=True)
        if stop.signal:
            raise typer.Exit(128 + stop.signal)


def _refuse_unwritable(export: Path) -> None:
    """Find out before hours of training whether the file can be written after them."""
    from chargen.store.runs import BEST, LAST

    if export.is_dir():
        raise typer.BadParameter(f"{export} is a folder; name a file in it", param_hint="--export")
    if export.name in (BEST, LAST):
        raise typer.BadParameter(f"{export.name} is a run's own file; choose another name", param_hint="--export")
    folder = next(parent for parent in export.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise typer.BadParameter(f"{export} cannot be written, since {folder} cannot", param_hint="--export")


def _launch(processes: int) -> None:
    """Run this command in several processes, and exit with their code."""
    import sys

    from chargen.cli.processes import launch
    from chargen.errors import ConfigError

    if processes < 1:
        raise ConfigError(f"--nproc must be at least 1, not {processes}")
    raise typer.Exit(launch(processes, sys.argv[1:]))


def _refuse_with_resume(**given: object) -> None:
    from chargen.errors import ConfigError

    for name, value in given.items():
        if value is not None:
            raise ConfigError(f"--{name.replace('_', '-')} has no meaning with --resume; leave it out")
