"""``chargen runs``: the trainings that there are."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chargen.cli import options
from chargen.cli.output import tables
from chargen.cli.output.terminal import print_json

if TYPE_CHECKING:
    from chargen.store.run_list import Entry


def runs(*, as_json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List the runs: what each was trained on, its network, its losses, and whether it is finished; the newest last.

    The losses are those of the best checkpoint, in bits per character (bpc). The newest run is the one whose best
    checkpoint is the newest, and what other commands take where none is named.
    """
    from chargen.store import lookup, run_list
    from chargen.store.runs import ROOT

    with options.bar("reading", len(lookup.runs_in(ROOT)), quiet=quiet, unit="run") as bar:
        entries = run_list.entries(ROOT, bar.update)
    if as_json:
        print_json({"folder": str(ROOT), "runs": [_plain(entry) for entry in entries]})
        return
    tables.show([_row(entry) for entry in entries], right=("val bpc", "test bpc"))
    if not entries:
        options.note(f"there are no runs in {ROOT}/ yet; make one with: chargen train", quiet=quiet)
    for entry in entries:
        if entry.problem:
            options.note(f"{entry.problem}; chargen inspect {entry.name} tells what can be used", quiet=quiet)


def _row(entry: "Entry") -> dict[str, str]:
    checkpoint, state = entry.checkpoint, entry.state
    model = checkpoint and checkpoint.model
    if entry.steps and state in ("stopped", "running"):
        state += f" at {entry.steps[0] / max(1, entry.steps[1]):.0%}"
    return {
        "name": entry.name,
        "text": checkpoint.corpus.name if checkpoint else "",
        "model": f"{model.num_layers}x{model.hidden_size} {model.cell}" if model else "",
        "val bpc": tables.bits(checkpoint.val_bpc if checkpoint else None),
        "test bpc": tables.bits(checkpoint.test_bpc if checkpoint else None),
        "when": _moment(entry.modified),
        "state": state,
    }


def _moment(seconds: float) -> str:
    """A time as people here say it: with its hour if it is of this year, else with its year."""
    moment = datetime.fromtimestamp(seconds).astimezone()
    this_year = moment.year == datetime.now().astimezone().year
    return f"{moment.day} {moment:%b} {moment:%H:%M}" if this_year else f"{moment.day} {moment:%b} {moment.year}"


def _plain(entry: "Entry") -> dict[str, Any]:
    checkpoint, (step, total) = entry.checkpoint, entry.steps or (None, None)
    model = checkpoint and checkpoint.model
    of_model = ("cell", "num_layers", "hidden_size", "parameters", "bidirectional")
    return {
        "name": entry.name,
        "state": entry.state,
        "problem": entry.problem,
        "text": checkpoint and checkpoint.corpus.name,
        **{name: model and getattr(model, name) for name in of_model},
        "val_bpc": checkpoint and checkpoint.val_bpc,
        "test_bpc": checkpoint and checkpoint.test_bpc,
        "step": step,
        "total_steps": total,
        "modified": datetime.fromtimestamp(entry.modified, UTC).isoformat(timespec="seconds"),
    }
