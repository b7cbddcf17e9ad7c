"""``chargen inspect``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chargen.cli import options
from chargen.cli.terminal import visible

if TYPE_CHECKING:
    from chargen.checkpoint import Checkpoint


def inspect(checkpoint: options.CheckpointPath = None, *, as_json: options.Json = False) -> None:
    """Show what a checkpoint holds: architecture, settings, corpus, metrics and vocabulary.

    Of a run's folder where something is damaged or missing, show which of its files are usable.
    """
    from chargen import runs
    from chargen.checkpoint import load

    if checkpoint is not None:
        _survey(checkpoint, as_json)
    path = runs.find(checkpoint)
    found = load(path)
    if as_json:
        typer.echo(json.dumps({"path": str(path), **_everything(found)}))
        return
    _show(str(path), found)


def _survey(where: Path, as_json: bool) -> None:
    """Tell which files of a run's folder are usable, if not all of them are.

    Raises:
        CheckpointError: a checkpoint among them is damaged.
    """
    from chargen.errors import CheckpointError
    from chargen.survey import examine, folder

    run = folder(where)
    findings = examine(run) if run else []
    if not any(finding.state != "usable" or finding.remark for finding in findings):
        return
    checkpoints = [finding for finding in findings if finding.is_checkpoint]
    damaged = [finding.name for finding in checkpoints if finding.state == "damaged"]
    if not as_json:
        for each in findings:
            typer.echo(visible(f"{each.name:24}  {each.state}{f': {each.remark}' if each.remark else ''}"))
    elif damaged:
        typer.echo(json.dumps({"folder": str(run), "files": [asdict(finding) for finding in findings]}))
    if damaged:
        usable = [finding.name for finding in checkpoints if finding.state == "usable"]
        raise CheckpointError(
            f"{run} is damaged: {', '.join(damaged)} cannot be used, {', '.join(usable) or 'no other checkpoint'} can"
        )


def _everything(found: "Checkpoint") -> dict[str, Any]:
    return {
        "parameters": found.model.parameters,
        "model": asdict(found.model),
        "train": asdict(found.train),
        "corpus": asdict(found.corpus),
        "val_bpc": found.val_bpc,
        "test_bpc": found.test_bpc,
        "history": [asdict(evaluation) for evaluation in found.history],
        "vocab": {"characters": found.vocab.characters, "unknown": found.vocab.unknown_id is not None},
    }


def _show(path: str, found: "Checkpoint") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))

    def row(name: str, value: str) -> None:
        table.add_row(name, Text(visible(value)))

    def settings(values: dict[str, Any]) -> str:
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())

    corpus = found.corpus
    row("checkpoint", path)
    row("model", settings(asdict(found.model)))
    row("parameters", f"{found.model.parameters:,}")
    row("training", settings(asdict(found.train)))
    row("corpus", f"{corpus.name}, {corpus.characters:,} characters, sha256 {corpus.sha256}")
    spans = {"train": corpus.train, "validation": corpus.val, "test": corpus.test}
    row("splits", ", ".join(f"{name} {start:,} to {stop:,}" for name, (start, stop) in spans.items()))
    row("validation", "not measured" if found.val_bpc is None else f"{found.val_bpc:.4f} bits per character")
    row("test", "not measured" if found.test_bpc is None else f"{found.test_bpc:.4f} bits per character")
    unknown = ", and one id for all others" if found.vocab.unknown_id is not None else ""
    row("vocabulary", f"{len(found.vocab.characters)} characters{unknown}: {_some(found.vocab.characters)}")
    console = options.stdout()
    console.print(table)
    if found.history:
        console.print(_history(found))


def _history(found: "Checkpoint") -> Any:
    from rich.table import Table

    table = Table(title="history", title_justify="left")
    for name in ("step", "epoch", "train bpc", "val bpc", "learning rate", "gradient norm", "clipped", "seconds"):
        table.add_column(name, justify="right")
    for each in found.history:
        table.add_row(
            f"{each.step:,}",
            f"{each.epoch:.1f}",
            "" if each.train_bpc is None else f"{each.train_bpc:.3f}",
            "" if each.val_bpc is None else f"{each.val_bpc:.3f}",
            f"{each.learning_rate:.2g}",
            f"{each.grad_norm:.2f}",
            f"{each.clipped:.0%}",
            f"{each.seconds:,.0f}",
        )
    return table


def _some(characters: str) -> str:
    """The characters, printable, the first 200 of them."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in characters[:200])
    return shown + (" ..." if len(characters) > 200 else "")
