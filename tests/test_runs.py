"""Run folders: what is written where, in which order, and how it is found again."""

import dataclasses
import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from samples import assert_equal, checkpoint, evaluation

from chargen.errors import RunError
from chargen.store import runs
from chargen.store.checkpoint import Checkpoint, load, save
from chargen.store.runs import Run


def lean(whole: Checkpoint) -> Checkpoint:
    """The checkpoint without what resuming needs, its read-out scaled as the last evaluation says."""
    scale = np.float32(whole.history[-1].logit_scale)
    scaled = {name: scale * weight for name, weight in whole.weights.items() if name.startswith("readout.")}
    return dataclasses.replace(whole, weights={**whole.weights, **scaled}, resume=None)


def at_step(step: int) -> Checkpoint:
    """A checkpoint whose last evaluation is of ``step``."""
    return dataclasses.replace(checkpoint(), history=(evaluation(step),))


def write(run: Run, step: int = 1, *, best: bool = True, keep: int = 0) -> None:
    """Write what a training writes at ``step``."""
    run.write(at_step(step), best=best, keep=keep)


def names(run: Run) -> list[str]:
    """What is in the run's folder."""
    return sorted(path.name for path in run.folder.iterdir() if path.name != runs.LOCK)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "/", "a\nb", "a\0b", "\x1b[2J", "\ud800"])
def test_a_run_has_a_plain_name(name: str) -> None:
    """A name that is no plain folder name, or could command a terminal, is refused."""
    with pytest.raises(RunError, match="is not a plain folder name") as caught:
        Run(name)
    assert str(caught.value).isprintable()


def test_a_run_holds_best_last_and_metrics(tmp_path: Path) -> None:
    """Best lacks what only resuming needs; metrics has a line an evaluation."""
    run = Run("a", tmp_path)
    run.write(checkpoint(), best=True)
    assert names(run) == ["best.safetensors", "last.safetensors", "metrics.jsonl"]
    assert_equal(load(run.best, with_state=True), lean(checkpoint()))
    assert_equal(load(run.last, with_state=True), checkpoint())
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert lines == [dataclasses.asdict(each) for each in checkpoint().history]


def test_best_stays_while_nothing_is_better(tmp_path: Path) -> None:
    """An evaluation that is no new best changes last alone."""
    run = Run("a", tmp_path)
    write(run, 1)
    write(run, 2, best=False)
    assert [load(path).history[-1].step for path in (run.best, run.last)] == [1, 2]


def test_best_is_written_before_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies between the two leaves no last that knows of a best that is missing."""
    run = Run("a", tmp_path)
    replaced: list[str] = []
    rename = Path.replace

    def note(source: Path, target: Path) -> Path:
        replaced.append(target.name)
        return rename(source, target)

    monkeypatch.setattr(Path, "replace", note)
    write(run, 3, keep=1)
    assert replaced == ["best.safetensors", "last.safetensors", "metrics.jsonl", "step-00000003.safetensors"]


def test_periodic_checkpoints_are_pruned(tmp_path: Path) -> None:
    """With keep, the newest periodic ones stay."""
    run = Run("a", tmp_path)
    for step in (5, 10, 90, 100):
        write(run, step, keep=2)
    assert [name for name in names(run) if name.startswith("step")] == [
        "step-00000090.safetensors",
        "step-00000100.safetensors",
    ]
    assert load(run.folder / "step-00000100.safetensors").history[-1].step == 100


def test_what_follows_from_last_is_made_up_for(tmp_path: Path) -> None:
    """Metrics, a periodic checkpoint and a best of the same moment agree with last again, and too old ones go."""
    run = Run("a", tmp_path)
    for step in (10, 20):
        write(run, step, keep=1)
    names_before, metrics = names(run), run.metrics.read_bytes()
    (run.folder / "step-00000020.safetensors").rename(run.folder / "step-00000010.safetensors")
    run.metrics.write_text("")
    save(run.best, lean(at_step(30)))
    last = load(run.last, with_state=True)
    assert last.resume is not None
    run.reconcile(dataclasses.replace(last, resume=dataclasses.replace(last.resume, step=20, best_step=20)), keep=1)
    assert names(run) == names_before
    assert run.metrics.read_bytes() == metrics
    for path in (run.best, run.folder / "step-00000020.safetensors"):
        assert_equal(load(path, with_state=True), lean(at_step(20)))


def test_a_full_disk_leaves_best_and_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing more can be written, one clear error, and both stay as they were."""
    run = Run("a", tmp_path)
    write(run, 1)
    before = {name: (run.folder / name).read_bytes() for name in names(run)}

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"cannot write .*best.safetensors: No space left on device"):
        write(run, 2)
    assert {name: (run.folder / name).read_bytes() for name in names(run)} == before


def test_an_existing_run_is_not_overwritten(tmp_path: Path) -> None:
    """Any file in its folder makes a run exist; the error says what to do, and nothing is touched."""
    run = Run("a", tmp_path)
    assert not run.exists()
    run.folder.mkdir()
    assert not run.exists()
    (run.folder / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="--resume a, replace it with --overwrite"):
        run.prepare()
    assert names(run) == ["notes.txt"]
    (tmp_path / "file").write_text("mine")
    assert Run("file", tmp_path).exists()


def test_what_a_killed_process_left_is_no_run(tmp_path: Path) -> None:
    """A process killed before its first checkpoint leaves nothing that stands in the way."""
    run = Run("a", tmp_path)
    run.folder.mkdir()
    (run.folder / ".best.safetensors.x1y2.tmp").write_bytes(b"half")
    assert not run.exists()
    run.prepare()
    assert names(run) == []


def test_one_process_at_a_time_trains_in_a_folder(tmp_path: Path) -> None:
    """Until it closes the folder, nobody else can claim it, not to overwrite it either; a lock alone is no run."""
    first = Run("a", tmp_path)
    first.prepare()
    assert not first.exists()
    write(first, 5)
    for attempt in (Run("a", tmp_path).claim, lambda: Run("a", tmp_path).prepare(overwrite=True)):
        with pytest.raises(RunError, match="run 'a' is being trained by another process"):
            attempt()
    assert load(first.last).history[-1].step == 5
    first.close()
    first.close()
    assert not (first.folder / runs.LOCK).exists()
    Run("a", tmp_path).prepare(overwrite=True)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_where_there_are_no_locks_training_goes_on(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filesystem that refuses locks, simulated here, is worth a note and no more."""

    def refuse(_handle: int, _operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", refuse)
    run = Run("a", tmp_path)
    run.prepare()
    assert names(run) == []
    assert len(run.notes) == 1
    assert os.strerror(code) in run.notes[0]
    write(run)
    run.close()
    monkeypatch.setattr("fcntl.flock", lambda _handle, _operation: None)
    assert Run("a", tmp_path).notes == ()


def test_overwriting_drops_the_old_run(tmp_path: Path) -> None:
    """Checkpoints, metrics and leftovers go, last first; other files stay."""
    run = Run("a", tmp_path)
    write(run, 5, keep=1)
    (run.folder / "notes.txt").write_text("mine")
    (run.folder / ".last.safetensors.x.tmp").write_bytes(b"")
    run.prepare(overwrite=True)
    assert names(run) == ["notes.txt"]


def test_a_process_killed_while_overwriting_leaves_nothing_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old run's last goes first: it is never there without the best that belongs to it."""
    run = Run("a", tmp_path)
    write(run, 5)
    unlink = Path.unlink

    def one_only(path: Path, *, missing_ok: bool = False) -> None:
        unlink(path, missing_ok=missing_ok)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", one_only)
    with pytest.raises(KeyboardInterrupt):
        run.prepare(overwrite=True)
    assert not run.last.exists()
    assert run.best.exists()


def test_a_folder_that_cannot_be_made_or_read_is_reported(tmp_path: Path) -> None:
    """A file in the place of the folder, or a name too long, is one clear error."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot use"):
        Run("a", tmp_path / "file").prepare()
    with pytest.raises(RunError, match="name too long"):
        Run("x" * 300, tmp_path).prepare()


def test_leftovers_that_cannot_be_removed_do_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an old periodic checkpoint nor a temporary file that stays stops a training."""
    run = Run("a", tmp_path)
    write(run, 1, keep=1)
    (run.folder / ".last.safetensors.x.tmp").write_bytes(b"")

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "unlink", refuse)
    run.tidy()
    write(run, 2, keep=1)
    assert load(run.last).history[-1].step == 2
