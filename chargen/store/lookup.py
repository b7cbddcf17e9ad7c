"""Names looked up: the checkpoint's file, or the run to go on with, that a path or a run's name means."""

import contextlib
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chargen.errors import CheckpointError, RunError
from chargen.store.checkpoint import Checkpoint
from chargen.store.checkpoint import load as load_checkpoint
from chargen.store.runs import BEST, LAST, LEFTOVER, METRICS, ROOT, Run

PRETRAINED: Final = "alice"
"""What is taken where no model is named and no run is there."""
ENGLISH: Final = "english"
"""A model to start from, of English prose."""


def find(where: str | Path | None = None, *, root: str | Path = ROOT) -> Path:
    """The checkpoint file that ``where`` means.

    Args:
        where: A file, a run's folder, a run's name, or None for the newest run; a model that comes with chargen where
            no run has its name, for None that of Alice.
        root: The folder of all runs.

    Raises:
        CheckpointError: there is no such checkpoint.
    """
    root = Path(root)
    if where is None:
        best = newest(root) or bundled().get(PRETRAINED)
        if best is None:
            raise CheckpointError(f"there is no checkpoint in {root}/ yet; make one with: chargen train")
        return best
    places = _places(where, root)
    try:
        for place in places:
            for file in (place, place / BEST, place / LAST):
                if file.is_file():
                    return file
        folders = [place for place in places if place.is_dir()]
    except OSError as error:
        raise CheckpointError(f"cannot read {str(where)!r}: {error.strerror or error}") from error
    if folders:
        raise CheckpointError(f"{folders[-1]} is a folder without {BEST} or {LAST}")
    models = bundled()
    if str(where) in models:
        return models[str(where)]
    raise CheckpointError(f"there is no checkpoint or run {str(where)!r}; {_advice(where, root, *models)}")


def newest(root: str | Path = ROOT) -> Path | None:
    """The best checkpoint of the run whose best is the newest; None without any."""
    best = Path(root).glob(f"*/{BEST}")
    return max(sorted(best), key=lambda path: path.stat().st_mtime, default=None)


def explain(where: str | Path | None, path: Path) -> str:
    """Which model ``find`` took, and why, where its name did not say so; else nothing.

    Args:
        where: The name that ``find`` was given.
        path: The file that it gave.
    """
    name = name_of(path)
    if where is None:
        known = path.name == BEST
        return f"model {name}, {'the newest run' if known else 'the pretrained one, since there is no run yet'}"
    if path.name == LAST and Path(where).name != LAST:
        return f"model {name}, its last checkpoint, since it has no {BEST}"
    return ""


def load(path: Path) -> Checkpoint:
    """The checkpoint in a file that ``find`` gave.

    Raises:
        CheckpointError: it is damaged; of a run's best, the error also names its last, if that can be used.
    """
    try:
        return load_checkpoint(path)
    except CheckpointError as error:
        last = path.with_name(LAST)
        if path.name != BEST or not _usable(last):
            raise
        raise CheckpointError(f"{error}; {last} can be used") from error


def name_of(path: Path) -> str:
    """What people call the model in a file that ``find`` gave: its run, or the file."""
    path = path.absolute()
    return path.parent.name if path.name in (BEST, LAST) else path.stem


def names_of(paths: Sequence[Path]) -> list[str]:
    """The same of several files: by run or file where that tells them apart, else by path."""
    names = [name_of(path) for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _usable(path: Path) -> bool:
    try:
        load_checkpoint(path)
    except CheckpointError:
        return False
    return True


def find_run(where: str | Path, *, root: str | Path = ROOT) -> Run:
    """The run that ``where`` means: a run's name, its folder, or a checkpoint in that.

    Raises:
        CheckpointError: ``where`` is empty, or cannot be read.
        RunError: there is no such run.
    """
    folder = folder_of(where, root=root)
    if folder is None:
        folder = next((place.parent for place in _places(where, root) if place.is_file()), None)
    if folder is None:
        raise RunError(f"there is no run {str(where)!r} in {root}/ to go on with; {_advice(where, root)}")
    if folder.name in ("", ".."):
        folder = folder.resolve()
    return Run(folder.name, folder.parent)


def folder_of(where: str | Path, *, root: str | Path = ROOT) -> Path | None:
    """The folder of the run that ``where``, its path or name, means; None where it means none.

    Raises:
        CheckpointError: ``where`` is empty, or cannot be read.
    """
    try:
        for place in _places(where, root):
            if place.is_dir() and _holds_a_run(place):
                return place
    except OSError as error:
        raise CheckpointError(f"cannot read {str(where)!r}: {error.strerror or error}") from error
    return None


def runs_in(root: str | Path = ROOT) -> list[Path]:
    """The folders of all runs, by name.

    Raises:
        CheckpointError: one cannot be read.
    """
    try:
        return [folder for folder in sorted(Path(root).glob("*")) if folder.is_dir() and _holds_a_run(folder)]
    except OSError as error:
        raise CheckpointError(f"cannot read {error.filename or root}: {error.strerror or error}") from error


def _advice(where: str | Path, root: str | Path, *others: str) -> str:
    """What to do about a name that is none: the runs or ``others`` it may have meant, or how to see or make one."""
    names: list[str] = []
    with contextlib.suppress(CheckpointError):
        names = [folder.name for folder in runs_in(root)]
    near = difflib.get_close_matches(Path(where).name, [*names, *others])
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "chargen runs lists those that there are" if names else f"chargen train makes one in {root}/"


def _holds_a_run(folder: Path) -> bool:
    return any(
        path.suffix == ".safetensors" or path.name == METRICS or path.match(LEFTOVER) for path in folder.iterdir()
    )


def _places(where: str | Path, root: str | Path) -> tuple[Path, Path]:
    """What a file's or folder's path or a run's name may mean, in the order in which it is looked for.

    Raises:
        CheckpointError: it is empty, as a variable of a shell that is not set.
    """
    if where == "":
        raise CheckpointError("the checkpoint's name is empty; give a file, a run's folder or a run's name")
    return Path(where), Path(root) / where


def bundled() -> dict[str, Path]:
    """The files of the models that come with chargen, in a wheel or a checkout, by the models' names."""
    package = Path(__file__).parent.parent
    folders = (package.parent / "checkpoints", package / "checkpoints")
    return {file.stem: file for folder in folders for file in folder.glob("*.safetensors")}
