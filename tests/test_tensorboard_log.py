"""A training as TensorBoard shows it."""

import importlib.util
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
from conftest import Command

from chargen.journal import recorded
from chargen.store.checkpoint import load
from chargen.training import start, tensorboard_log
from chargen.training.events import Evaluated, Finished
from chargen.training.trainer import Trainer

Points = dict[str, list[tuple[int, Any]]]


def logged(folder: Path) -> Points:
    """Steps and values of everything in a run's event files."""
    from tensorboard.backend.event_processing import event_file_loader  # type: ignore[import-untyped]

    points: Points = {}
    for file in sorted((folder / "tensorboard").iterdir()):
        for event in event_file_loader.EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                tensor = value.tensor
                content = tensor.string_val[0].decode() if tensor.string_val else tensor.float_val[0]
                points.setdefault(value.tag, []).append((event.step, content))
    return points


def begin(text_file: Path, root: Path) -> Trainer:
    """A small training with five evaluations."""
    return tiny.begin(text_file, root, steps=10, eval_every=2, preview=5)


def test_every_evaluation_is_logged(text_file: Path, tmp_path: Path) -> None:
    """Losses in nats and bits, what the steps were like, and the sample as it is; the test at the best step."""
    events = list(recorded(begin(text_file, tmp_path), to_tensorboard=True))
    points = logged(tmp_path / "run")
    evaluated = [event for event in events if isinstance(event, Evaluated)]
    history = [event.evaluation for event in evaluated]
    for tag, values in {
        "train/loss": [(at.train_bpc or 0) * math.log(2) for at in history],
        "val/loss": [(at.val_bpc or 0) * math.log(2) for at in history],
        "train/bpc": [at.train_bpc for at in history],
        "val/bpc": [at.val_bpc for at in history],
        "train/grad_norm": [at.grad_norm for at in history],
        "train/clipped": [at.clipped for at in history],
        "train/learning_rate": [at.learning_rate for at in history],
        "train/chars_per_second": [at.chars_per_second for at in history],
    }.items():
        assert [step for step, _ in points[tag]] == [2, 4, 6, 8, 10], tag
        assert [value for _, value in points[tag]] == pytest.approx(values), tag
    texts = ["\n".join(f"    {line}" for line in event.sample.split("\n")) for event in evaluated]
    assert [value for _, value in points["sample/text_summary"]] == texts
    (finished,) = (event for event in events if isinstance(event, Finished))
    assert points["test/bpc"] == [(finished.best_step, pytest.approx(finished.test_bpc))]
    assert "both_sides/loss" not in points


def test_a_resumed_training_repeats_no_step(text_file: Path, tmp_path: Path) -> None:
    """Nor does one go missing, also where the log was begun late or the process died before it wrote a step."""
    begun = begin(text_file, tmp_path)
    begun.stop = tiny.stop_after(5)
    list(recorded(begun, to_tensorboard=True))
    killed = start.resume("run", root=tmp_path).events()
    next(event for event in killed if isinstance(event, Evaluated))
    killed.close()
    list(recorded(start.resume("run", root=tmp_path), to_tensorboard=True))
    points = logged(tmp_path / "run")
    history = load(tmp_path / "run" / "last.safetensors").history
    assert points["val/bpc"] == [(at.step, pytest.approx(at.val_bpc)) for at in history]
    assert [step for step, _ in points["sample/text_summary"]] == [2, 4, 6, 8, 10]


def test_an_overwritten_run_begins_without(text_file: Path, tmp_path: Path) -> None:
    """Whether the new training is logged or not."""
    list(recorded(begin(text_file, tmp_path), to_tensorboard=True))
    tiny.begin(text_file, tmp_path, overwrite=True)
    assert logged(tmp_path / "run") == {}


def test_a_log_that_fails_stops_nothing(text_file: Path, tmp_path: Path) -> None:
    """It is told once, and the report is still written."""
    trainer = begin(text_file, tmp_path)
    (tmp_path / "run" / "tensorboard").write_text("in the way")
    events = list(recorded(trainer, to_tensorboard=True))
    notes = [note for event in events for note in getattr(event, "notes", ()) if "TensorBoard" in note]
    assert len(notes) == 1
    assert isinstance(events[-1], Finished)
    assert trainer.run.report.exists()


@pytest.fixture
def train(chargen: Command, text_file: Path) -> Callable[..., Any]:
    """Runs a small training on the command line."""
    small = ["--layers", "1", "--hidden-size", "8", "--steps", "4", "--eval-every", "2", "--threads", "1", "-q"]
    return lambda *more: chargen("train", text_file, "--run", "a", "--device", "cpu", *small, *more)


def test_the_command_logs_where_it_is_asked_to(train: Callable[..., Any], folder: Path) -> None:
    """And without the option TensorBoard is not imported."""
    loaded = [name for name in sys.modules if name.split(".")[0] == "tensorboard"]
    for name in loaded:
        del sys.modules[name]
    assert train().code == 0
    assert not [name for name in sys.modules if name.split(".")[0] == "tensorboard"]
    assert not (folder / "checkpoints" / "a" / "tensorboard").exists()
    assert train("--overwrite", "--log-to", "tensorboard").code == 0
    assert [step for step, _ in logged(folder / "checkpoints" / "a")["val/loss"]] == [2, 4]


def test_what_cannot_be_logged_to_is_known_before_the_training(
    train: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program, and a package that is missing."""
    result = train("--log-to", "paper")
    assert (result.code, "'paper'" in result.error) == (2, True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert "pip install 'chargen[tensorboard]'" in train("--log-to", "tensorboard").error
    assert not (folder / "checkpoints").exists()
    monkeypatch.undo()
    tensorboard_log.require()
