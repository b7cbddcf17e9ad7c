"""The state of a run's folder: which of its files are usable, after a crash, a full disk or a bad copy."""

import json
from dataclasses import dataclass
from pathlib import Path

from chargen.errors import CheckpointError
from chargen.store import runs
from chargen.store.checkpoint import load


@dataclass(frozen=True)
class Finding:
    """One file that a run's folder has or should have.

    Attributes:
        name: The file's name.
        state: ``usable``, ``damaged``, ``missing`` or ``leftover``.
        remark: What there is to know beside that, empty where nothing is.
    """

    name: str
    state: str
    remark: str = ""

    @property
    def is_checkpoint(self) -> bool:
        """Whether it is a file that text can be written from."""
        return self.name.endswith(".safetensors")


def examine(folder: Path) -> list[Finding]:
    """What stands of the run in ``folder``: best, last, other checkpoints, metrics, leftovers."""
    names = [runs.BEST, runs.LAST]
    names += sorted(path.name for path in folder.glob("*.safetensors") if path.name not in names)
    findings = [_checkpoint(folder / name) for name in names]
    findings.append(_metrics(folder / runs.METRICS))
    findings += [
        Finding(path.name, "leftover", "of a process that was killed; resuming the run removes it")
        for path in sorted(folder.glob(runs.LEFTOVER))
    ]
    return findings


def _checkpoint(path: Path) -> Finding:
    is_last = path.name == runs.LAST
    if not path.exists():
        return Finding(path.name, "missing", "the run cannot be resumed" if is_last else "")
    try:
        checkpoint = load(path, with_state=True)
    except CheckpointError as error:
        return Finding(path.name, "damaged", str(error))
    if is_last and checkpoint.resume is None:
        return Finding(path.name, "usable", "but without a training's state: the run cannot be resumed")
    return Finding(path.name, "usable")


def _metrics(path: Path) -> Finding:
    again = "the next validation writes it anew"
    if path.exists() and not path.is_file():
        return Finding(path.name, "damaged", f"it is no file; {again}")
    try:
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if not _is_object(line):
                return Finding(path.name, "damaged", f"line {number} is no JSON object; {again}")
    except FileNotFoundError:
        return Finding(path.name, "missing", again)
    except OSError as error:
        return Finding(path.name, "damaged", f"it cannot be read ({error.strerror or error}); {again}")
    return Finding(path.name, "usable")


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
