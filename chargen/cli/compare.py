"""``chargen compare``: several cells trained alike, side by side."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from chargen import presets
from chargen.cli import options
from chargen.cli.options import option
from chargen.cli.output import tables
from chargen.cli.output.terminal import print_json
from chargen.config import CELLS, CompareConfig, ModelConfig, TrainConfig
from chargen.errors import ConfigError, TrainingError
from chargen.text.decode import Decoding
from chargen.wording import counted

if TYPE_CHECKING:
    from chargen.curves import Plot
    from chargen.experiments.compare import Result, Row

MINUTES: Final = 2.0


@options.settings(Decoding, CompareConfig)
@options.settings(
    ModelConfig,
    TrainConfig,
    # what is compared, what follows from the budget, and what would end a training before it
    without=["cell", "hidden_size", "bidirectional", "epochs", "steps", "minutes", "patience", "keep", "preview"],
    panel="Settings of all",
    defaults={**dict.fromkeys(presets.settled(), "by the text's size"), "learning_rate": "what suits each cell"},
)
def compare(
    corpus: options.Sources = None,
    *,
    cells: Annotated[str, typer.Option(help="Which cells, with commas between.")] = ",".join(CELLS),
    lines: options.Lines = False,
    separator: options.Separator = None,
    files: options.Files = False,
    minutes: Annotated[
        float | None, option("Budget", f"Minutes of a training; {MINUTES:g} where --steps is not given.")
    ] = None,
    steps: Annotated[int | None, option("Budget", "Optimizer steps of each training, instead of a time.")] = None,
    run: Annotated[str | None, option("Run", "What the runs' names begin with; they are NAME-CELL.")] = None,
    overwrite: Annotated[bool, option("Run", "Replace runs of the same names.", "--overwrite")] = False,
    html: options.Html = None,
    as_json: options.Json = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show each training as train does.")] = False,
    quiet: options.Quiet = False,
    **settings: Any,
) -> None:
    """Train several cells alike and compare them: as many parameters, the same text in the same order, the same time.

    The table gives bits per character (bpc), with several seeds their mean and standard deviation.
    Each training stays as a run of its own, for sample, gradflow and all other commands.
    Each cell learns at the rate that suits it and its size, which the table gives.
    """
    settings |= _budget(minutes, steps)
    options.refuse_unwritable("--html", html)
    from chargen.cli.output.training import LineDisplay, TrainingDisplay, encoding_bar
    from chargen.cli.processes import Stop
    from chargen.experiments import compare as comparing
    from chargen.journal import recorded
    from chargen.text.corpus import Texts
    from chargen.training.automatic import measured_speed

    division: dict[str, Any] = {"lines": lines, "separator": separator, "files": files}
    texts = Texts(sources=tuple(corpus or ()), **division, **options.taken(settings, Decoding))
    results: list[Result] = []
    failed: list[str] = []
    with Stop() as stop:
        with encoding_bar(quiet=quiet) as progress:
            text = texts.load(progress)
        contests = comparing.plan(
            texts,
            text,
            [cell.strip() for cell in cells.lower().split(",") if cell.strip()],
            CompareConfig(**options.taken(settings, CompareConfig)),
            name=run,
            overwrite=overwrite,
            speed=measured_speed,
            **settings,
        )
        options.notes(text.notes, quiet=quiet)
        try:
            for at, contest in enumerate(contests, 1):
                name = f"training {at} of {len(contests)}: {contest.model.cell}, seed {contest.train.seed}"
                if verbose:
                    options.note(name, quiet=quiet)
                display = TrainingDisplay(quiet=quiet) if verbose else LineDisplay(name, quiet=quiet)
                try:
                    trainer = contest.trainer(stop)
                    stop.watch()
                    finished = display.follow(recorded(trainer))
                except TrainingError as error:
                    options.note(f"{contest.run.name} is left out: {error}")
                    failed.append(contest.run.name)
                    continue
                if stop.signal:
                    break
                results.append(contest.result(finished))
        finally:
            if results:
                _show(results, by_time="minutes" in settings, html=html, as_json=as_json)
        if stop.signal:
            sys.exit(128 + stop.signal)
    if failed:
        raise TrainingError(f"{len(failed)} of {counted(len(contests), 'training')} broke down: {', '.join(failed)}")


def _budget(minutes: float | None, steps: int | None) -> dict[str, Any]:
    if minutes is not None and steps is not None:
        raise ConfigError("--minutes and --steps are two budgets; give one of them")
    if steps is None:
        minutes = MINUTES if minutes is None else minutes
        if not minutes > 0:
            raise ConfigError(f"minutes must be above 0, not {minutes:g}")
        return {"minutes": minutes}
    if steps < 1:
        raise ConfigError(f"steps must be a whole number of at least 1, not {steps}")
    return {"steps": steps}


def _show(results: "list[Result]", *, by_time: bool, html: Path | None, as_json: bool) -> None:
    from chargen.cli.output import page
    from chargen.cli.output.plot import draw
    from chargen.experiments.compare import summarise

    rows = summarise(results)
    columns, plot = [_columns(row) for row in rows], _plot(results, by_time=by_time)
    if html is not None:
        page.write(html, f"{counted(len(rows), 'cell')} compared", [columns, plot])
    if as_json:
        cells = [dataclasses.asdict(row) for row in rows]
        print_json({"cells": cells, "trainings": [_plain(result) for result in results]})
        return
    tables.show(columns, right=[*columns[0]][1:])
    console = options.stdout()
    console.print()
    console.print(draw(plot), soft_wrap=True)


def _plot(results: "list[Result]", *, by_time: bool) -> "Plot":
    """The validation losses of all trainings, by what each could spend."""
    from chargen.curves import Curve, Plot

    curves = []
    for result in results:
        history = [evaluation for evaluation in result.history if evaluation.val_bpc is not None]
        x = [evaluation.seconds if by_time else result.characters_at(evaluation) / 1e6 for evaluation in history]
        curves.append(Curve(result.cell, x, [evaluation.val_bpc or 0 for evaluation in history]))
    x_label = "seconds of training" if by_time else "million characters read"
    return Plot(title="validation", x_label=x_label, y_label="bits per character", curves=curves)


def _plain(result: "Result") -> dict[str, Any]:
    history = [
        {
            "step": evaluation.step,
            "characters": result.characters_at(evaluation),
            "seconds": evaluation.seconds,
            "train_bpc": evaluation.train_bpc,
            "val_bpc": evaluation.val_bpc,
        }
        for evaluation in result.history
    ]
    return dataclasses.asdict(result) | {"checkpoint": str(result.checkpoint), "history": history}


def _columns(row: "Row") -> dict[str, str]:
    return {
        "cell": row.cell,
        "hidden": f"{row.hidden_size}",
        "params": f"{row.parameters:,}",
        "rate": f"{row.learning_rate:.2g}",
        "steps": f"{row.steps:,.0f}",
        "char/s": f"{row.chars_per_second:,.0f}",
        "val bpc": str(row.val_bpc or "-"),
        "test bpc": str(row.test_bpc or "-"),
    }
