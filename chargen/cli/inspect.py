"""``chargen inspect``: what a checkpoint or a run's folder holds."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import typer

from chargen.cli import options
from chargen.cli.output import tables
from chargen.cli.output.terminal import print_json, printable, visible
from chargen.errors import CheckpointError

if TYPE_CHECKING:
    from chargen.store.checkpoint import Checkpoint, Evaluation

_BOTH: Final = "both sides bpc"


def inspect(
    checkpoint: options.CheckpointPath = None, *, as_json: options.Json = False, quiet: options.Quiet = False
) -> None:
    """Show what a checkpoint holds: architecture, settings, corpus, metrics and vocabulary.

    Of a run's folder where something is damaged or missing, show which of its files are usable.
    """
    from chargen.store.checkpoint import load

    if checkpoint:
        _survey(checkpoint, as_json)
    path = options.checkpoint_file(checkpoint, quiet=quiet)
    loaded = load(path)
    if as_json:
        print_json({"path": str(path), **_everything(loaded)})
        return
    _show(str(path), loaded)


def _survey(where: str, as_json: bool) -> None:
    """Tell which files of a run's folder are usable, if not all of them are.

    Raises:
        CheckpointError: a checkpoint among them is damaged.
    """
    from chargen.store.diagnose import examine
    from chargen.store.lookup import folder_of

    run = folder_of(where)
    findings = examine(run) if run else []
    if not any(finding.state != "usable" or finding.remark for finding in findings):
        return
    checkpoints = [finding for finding in findings if finding.is_checkpoint]
    damaged = [finding.name for finding in checkpoints if finding.state == "damaged"]
    if not as_json:
        for finding in findings:
            typer.echo(visible(f"{finding.name:24}  {finding.state}{f': {finding.remark}' if finding.remark else ''}"))
    elif damaged:
        print_json({"folder": str(run), "files": [asdict(finding) for finding in findings]})
    if damaged:
        usable = [finding.name for finding in checkpoints if finding.state == "usable"]
        raise CheckpointError(
            f"{run} is damaged: {', '.join(damaged)} cannot be used, {', '.join(usable) or 'no other checkpoint'} can"
        )


def _everything(checkpoint: "Checkpoint") -> dict[str, Any]:
    return {
        "parameters": checkpoint.model.parameters,
        "model": asdict(checkpoint.model),
        "train": asdict(checkpoint.train),
        "corpus": asdict(checkpoint.corpus),
        "seen_items": None if checkpoint.seen is None else len(checkpoint.seen),
        "val_bpc": checkpoint.val_bpc,
        "test_bpc": checkpoint.test_bpc,
        "history": [asdict(evaluation) for evaluation in checkpoint.history],
        "vocab": {"characters": checkpoint.vocab.characters, "unknown": checkpoint.vocab.unknown_id is not None},
    }


def _show(path: str, checkpoint: "Checkpoint") -> None:
    def listed(values: dict[str, Any]) -> str:
        return ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in values.items())

    corpus = checkpoint.corpus
    spans = {"train": corpus.train, "validation": corpus.val, "test": corpus.test}
    characters = checkpoint.vocab.characters
    shown = printable(characters[:200]) + (" ..." if len(characters) > 200 else "")
    unknown = ", and one id for all others" if checkpoint.vocab.unknown_id is not None else ""
    facts = {
        "checkpoint": path,
        "model": listed(asdict(checkpoint.model)),
        "parameters": f"{checkpoint.model.parameters:,}",
        "training": listed(asdict(checkpoint.train)),
        "corpus": f"{corpus.name}, {corpus.characters:,} characters, sha256 {corpus.sha256}",
        "splits": ", ".join(f"{name} {start:,} to {stop:,}" for name, (start, stop) in spans.items()),
        **_of_list(checkpoint),
        "validation": _loss(checkpoint.val_bpc),
        "test": _loss(checkpoint.test_bpc),
        "vocabulary": f"{len(characters)} characters{unknown}: {shown}",
    }
    _list(facts)
    history = [_row(evaluation) for evaluation in checkpoint.history]
    if not any(evaluation.joint_bpc is not None for evaluation in checkpoint.history):
        for row in history:
            del row[_BOTH]
    tables.show(history, right=history[0] if history else ())


def _plain(value: object) -> str:
    """A setting's value; of a fraction six digits, since that which follows from a text's size has many."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _of_list(checkpoint: "Checkpoint") -> dict[str, str]:
    """What there is to say of the list that a model was trained on."""
    items, seen = checkpoint.corpus.items, checkpoint.seen
    if items is None or seen is None:
        return {}
    divided = f", divided by {items.division.separator!r}" if items.division.separator is not None else ""
    return {
        "list": f"{items.count:,} {items.division.noun}{divided}: train {items.train:,} ({len(seen):,} distinct, the "
        f"longest of {items.longest:,} characters), validation {items.val:,}, test {items.test:,}"
    }


def _list(facts: dict[str, str]) -> None:
    """Print names and values: in two columns on a terminal, elsewhere a line each, however long."""
    console = options.stdout()
    if not console.is_terminal:
        for name, value in facts.items():
            typer.echo(f"{name:12}{visible(value)}")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in facts.items():
        table.add_row(name, Text(visible(value)))
    console.print(table)


def _loss(bpc: float | None) -> str:
    return "not measured" if bpc is None else f"{bpc:.4f} bits per character"


def _row(evaluation: "Evaluation") -> dict[str, str]:
    return {
        "step": f"{evaluation.step:,}",
        "epoch": f"{evaluation.epoch:.1f}",
        "train bpc": tables.bits(evaluation.train_bpc),
        "val bpc": tables.bits(evaluation.val_bpc),
        _BOTH: tables.bits(evaluation.joint_bpc),
        "learning rate": f"{evaluation.learning_rate:.2g}",
        "gradient norm": f"{evaluation.grad_norm:.2f}",
        "clipped": f"{evaluation.clipped:.0%}",
        "seconds": f"{evaluation.seconds:,.0f}",
    }
