"""The runs in a folder, each with what a list of them shows."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chargen.errors import CheckpointError, RunError
from chargen.store import lookup
from chargen.store.checkpoint import Checkpoint, load
from chargen.store.runs import ROOT, Run, is_finished


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One run.

    Attributes:
        name: Its folder's name.
        modified: When its best checkpoint was written, which decides what the newest run is, in seconds since 1970;
            without a best, when its folder was changed.
        state: ``finished``, ``stopped`` before its end, ``running``, ``best only`` where it has no ``last`` to go on
            from, or ``damaged``.
        checkpoint: Its best or, failing that, its last; None where neither can be used.
        steps: Optimizer steps done and planned; None where that is not known.
        problem: What is damaged, empty where nothing is.
    """

    name: str
    modified: float
    state: str
    checkpoint: Checkpoint | None = None
    steps: tuple[int, int] | None = None
    problem: str = ""


def entries(root: str | Path = ROOT, progress: Callable[[], object] = lambda: None) -> list[Entry]:
    """The runs in ``root``, the newest last. Their checkpoints are read whole, so that damage shows.

    Args:
        root: The folder of all runs.
        progress: Called after each run.

    Raises:
        CheckpointError: the folder cannot be read.
    """
    listed = []
    for folder in lookup.runs_in(root):
        listed.append(_entry(folder))
        progress()
    return sorted(listed, key=lambda entry: (entry.modified, entry.name))


def _entry(folder: Path) -> Entry:
    run = Run(folder.name, folder.parent)
    problems: list[str] = []
    best, last = (_read(path, problems) for path in (run.best, run.last))
    if not run.best.exists():
        problems.append(f"{run.best} is missing")
    resume = last.resume if last else None
    if problems:
        state = "damaged"
    elif best is None or last is None or resume is None:
        state = "best only"
    elif is_finished(last, best):
        state = "finished"
    else:
        state = "running" if run.is_claimed() else "stopped"
    return Entry(
        name=folder.name,
        modified=_modified(run),
        state=state,
        checkpoint=best or last,
        steps=(resume.step, resume.total_steps) if resume else None,
        problem="; ".join(problems),
    )


def _read(path: Path, problems: list[str]) -> Checkpoint | None:
    """The checkpoint, None where there is none or it is damaged, which ``problems`` is told."""
    if not path.exists():
        return None
    try:
        return load(path, with_state=True)
    except CheckpointError as error:
        problems.append(str(error))
        return None


def _modified(run: Run) -> float:
    for path in (run.best, run.folder):
        with contextlib.suppress(OSError):
            return path.stat().st_mtime
    raise RunError(f"{run.folder} was removed while the runs were listed; list them again")
