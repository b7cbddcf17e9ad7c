"""Run folders: what a training writes, and in which order, so that it can go on whatever happens."""

import contextlib
import dataclasses
import errno
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from chargen.atomic import replacing
from chargen.errors import CheckpointError, RunError
from chargen.store.checkpoint import Checkpoint, Resume, load, save
from chargen.store.records import out_of_patience

if TYPE_CHECKING:
    from filelock import BaseFileLock

ROOT: Final = Path("checkpoints")
BEST: Final = "best.safetensors"
LAST: Final = "last.safetensors"
METRICS: Final = "metrics.jsonl"
SAMPLES: Final = "samples.jsonl"
REPORT: Final = "report.html"
LOCK: Final = ".lock"
LEFTOVER: Final = ".*.tmp"
"""What ``atomic.replacing`` leaves where its process is killed."""
UNLOCKABLE: Final = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)
"""How filesystems say that they have no locks, as some network ones have not."""


class Run:
    """One training's folder: ``best``, ``last``, periodic checkpoints, ``metrics.jsonl``, samples and a report.

    Args:
        name: Of the run; its folder is ``root/name``.
        root: The folder of all runs.

    Attributes:
        notes: What a person should know of the folder.

    Raises:
        RunError: the name is not a plain folder name.
    """

    def __init__(self, name: str, root: str | Path = ROOT) -> None:
        if not name or name in (".", "..") or "/" in name or "\\" in name or not name.isprintable():
            raise RunError(f"run name {name!r} is not a plain folder name; choose one without slashes, such as mine")
        self.name = name
        self.folder = Path(root) / name
        self.best = self.folder / BEST
        self.last = self.folder / LAST
        self.metrics = self.folder / METRICS
        self.samples = self.folder / SAMPLES
        self.report = self.folder / REPORT
        self.event_folder = self.folder / "tensorboard"
        self.notes: tuple[str, ...] = ()
        self._lock: BaseFileLock | None = None

    def exists(self) -> bool:
        """Whether the folder holds anything but a lock and what a killed process left of a file."""
        try:
            if not self.folder.is_dir():
                return self.folder.exists()
            return not {*self.folder.iterdir()} <= {self.folder / LOCK, *self.folder.glob(LEFTOVER)}
        except OSError as error:
            raise RunError(f"cannot read {self.folder}: {error.strerror or error}") from error

    def prepare(self, *, overwrite: bool = False) -> None:
        """Claim the folder for a new training; with ``overwrite``, drop what an older one left.

        Raises:
            RunError: the run exists and is not to be overwritten, is being trained, or the folder cannot be made.
        """
        if not overwrite:
            self.refuse_existing()
        self.claim()
        try:
            # ``last`` first: a process that dies in between leaves nothing that could be resumed
            files = [self.metrics, self.samples, self.report, *self.event_files()]
            for old in [self.last, *self.folder.glob("*.safetensors"), *files]:
                old.unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"cannot use {self.folder}: {error.strerror or error}") from error
        self.tidy()

    def event_files(self) -> list[Path]:
        """What the trainings of the run have written for TensorBoard."""
        return sorted(self.event_folder.glob("events.out.tfevents.*"))

    def claim(self) -> None:
        """Keep the folder for this process, which trains in it, until ``close`` or its own end.

        Raises:
            RunError: another process is training in it, or it cannot be made.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / LOCK, timeout=0, thread_local=False)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise RunError(
                f"run {self.name!r} is being trained by another process in {self.folder}; wait for its end, or choose "
                "another --run name"
            ) from error
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            if isinstance(error, OSError) and error.errno not in UNLOCKABLE:
                raise RunError(f"cannot use {self.folder}: {reason}") from error
            self.notes = (f"{self.folder} takes no lock ({reason}), so nothing keeps a second training out of it",)
            with contextlib.suppress(OSError):
                (self.folder / LOCK).unlink(missing_ok=True)
        else:
            self._lock = lock

    def is_claimed(self) -> bool:
        """Whether a process is training in the folder."""
        from filelock import FileLock, Timeout

        if not (self.folder / LOCK).exists():
            return False
        try:
            with FileLock(self.folder / LOCK, timeout=0):
                return False
        except Timeout:
            return True
        except (OSError, NotImplementedError):  # where there are no locks, nobody knows
            return False

    def close(self) -> None:
        """Let others train in the folder again."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                (self.folder / LOCK).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def refuse_existing(self) -> None:
        """Raise a RunError if the run exists."""
        if self.exists():
            raise RunError(
                f"run {self.name!r} exists in {self.folder}: go on with --resume {self.name}, replace it with "
                "--overwrite, or choose another --run name"
            )

    def tidy(self) -> None:
        """Remove the temporary files that a killed process left, where the system allows it."""
        with contextlib.suppress(OSError):
            for leftover in self.folder.glob(LEFTOVER):
                leftover.unlink(missing_ok=True)

    def to_resume(self) -> tuple[Checkpoint, Resume, bool]:
        """The ``last`` checkpoint, what it keeps for going on, and whether the training is finished.

        Raises:
            RunError: there is no such run.
            CheckpointError: it has no ``last``, one that is damaged or holds no training's state, or a ``best`` that is
                damaged, missing or another run's.
        """
        if not self.exists():
            raise RunError(f"there is no run {self.name!r} in {self.folder.parent}/ to go on with")
        if not self.last.exists():
            raise CheckpointError(
                f"run {self.name!r} has no {LAST}: it was stopped before its first one, or lost it; start it anew with "
                "--overwrite"
            )
        last = load(self.last, with_state=True)
        if last.resume is None:
            raise CheckpointError(f"{self.last} holds no training state to resume from")
        best = load(self.best)  # the test at the end needs it: better to know now that it is damaged
        if not _of_one_run(best, last):
            raise CheckpointError(
                f"{self.best} belongs to another run than {self.last}; put back the one that was beside it, or start "
                "the run anew with --overwrite"
            )
        return last, last.resume, is_finished(last, best)

    def write(self, last: Checkpoint, *, best: bool, keep: int = 0) -> None:
        """Write ``last``, with ``best`` also the best one, the metrics and, with ``keep``, a periodic checkpoint.

        The best one comes first: whatever moment the process dies at, ``last`` never knows of a best that is missing.
        What comes after it, ``reconcile`` makes up for.

        Args:
            last: What resuming needs.
            best: Whether this is the best one so far.
            keep: How many periodic checkpoints to keep.
        """
        model = for_use(last)
        if best:
            save(self.best, model)
        save(self.last, last)
        self._write_metrics(last)
        self._write_periodic(model, keep)

    def reconcile(self, last: Checkpoint, *, keep: int = 0) -> None:
        """Make the other files agree with the ``last`` on the disk, as they do not where a process was killed.

        Args:
            last: That checkpoint.
            keep: How many periodic checkpoints to keep.
        """
        model, resume = for_use(last), last.resume
        if resume and resume.best_step == resume.step and load(self.best).history != last.history:
            save(self.best, model)
        self._write_metrics(last)
        if resume and last.history and last.history[-1].step == resume.step:
            self._write_periodic(model, keep)

    def _write_metrics(self, last: Checkpoint) -> None:
        lines = [json.dumps(dataclasses.asdict(evaluation)) for evaluation in last.history]
        with replacing(self.metrics) as file:
            file.write("".join(line + "\n" for line in lines).encode())

    def _write_periodic(self, model: Checkpoint, keep: int) -> None:
        if keep and model.history:
            save(self.folder / f"step-{model.history[-1].step:08d}.safetensors", model)
            with contextlib.suppress(OSError):
                for old in sorted(self.folder.glob("step-*.safetensors"))[:-keep]:
                    old.unlink()


def for_use(last: Checkpoint) -> Checkpoint:
    """The model of a ``last`` without what only resuming needs, its logits scaled as the last evaluation found best."""
    scale = np.float32(last.history[-1].logit_scale if last.history else 1.0)
    weights = {name: weight * scale if name.startswith("readout.") else weight for name, weight in last.weights.items()}
    return dataclasses.replace(last, weights=weights, resume=None)


def is_finished(last: Checkpoint, best: Checkpoint) -> bool:
    """Whether a training is over: no step is left or its patience ran out, and its best was tested if it is to be."""
    resume = last.resume
    if resume is None:
        return False
    impatient = out_of_patience(last.history, last.train.patience, restart_step=resume.restart_step)
    over = resume.step >= resume.total_steps or impatient
    return over and (best.test_bpc is not None or last.corpus.test[0] == last.corpus.test[1])


def _of_one_run(best: Checkpoint, last: Checkpoint) -> bool:
    """Whether both may be of one training: the same text and architecture, and the same evaluations, with their times.

    A process killed between writing the two leaves a ``best`` that has one evaluation more.
    """
    evaluations = min(len(best.history), len(last.history))
    return (
        (best.model, best.vocab) == (last.model, last.vocab)
        and best.corpus == dataclasses.replace(last.corpus, name=best.corpus.name)  # a text may have moved
        and best.history[:evaluations] == last.history[:evaluations]
    )


def address(folder: Path) -> str:
    """What means the run in ``folder`` to ``find`` and ``folder_of``: its name alone where that is enough.

    A path comes before a name, so that one that is there already takes the name from the run.
    """
    return folder.name if folder.parent == ROOT and not Path(folder.name).exists() else str(folder)
