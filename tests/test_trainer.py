"""A whole training: what it tells, what it writes, how it stops, and that going on is never having stopped."""

import dataclasses
import errno
import itertools
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from samples import arrays, resume_of, without_arrays
from tiny import stop_after

from chargen.config import CELLS
from chargen.errors import RunError, TrainingError
from chargen.store.checkpoint import Checkpoint, load
from chargen.store.runs import LOCK
from chargen.training import start, trainer
from chargen.training.bptt import Windows
from chargen.training.evaluate import calibrate, evaluate
from chargen.training.events import Evaluated, Finished, Started, Stepped
from chargen.training.pace import Pace
from chargen.training.schedule import Schedule
from chargen.training.step import Learner
from chargen.training.torch_network import StackedRNN


def without_times(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint without what a clock put into it, and without its arrays."""
    history = tuple(dataclasses.replace(each, seconds=0, chars_per_second=0) for each in checkpoint.history)
    resume = checkpoint.resume and dataclasses.replace(checkpoint.resume, seconds=0)
    return without_arrays(dataclasses.replace(checkpoint, history=history, resume=resume))


def assert_same_checkpoint(one: Path, other: Path) -> None:
    """Fail unless both files hold the same bits, but for times."""
    left, right = (load(path, with_state=True) for path in (one, other))
    assert without_times(left) == without_times(right)
    assert arrays(left).keys() == arrays(right).keys()
    for name, array in arrays(left).items():
        assert array.tobytes() == arrays(right)[name].tobytes(), name


def assert_same_run(one: Path, other: Path) -> None:
    """Fail unless both runs' best and last hold the same bits, but for times."""
    for name in ("best.safetensors", "last.safetensors"):
        assert_same_checkpoint(one / "run" / name, other / "run" / name)


def test_a_training_tells_of_itself_in_order(text_file: Path, tmp_path: Path) -> None:
    """Started, progress every ten steps, an evaluation where it was asked for and at the end, and finished."""
    events = list(tiny.begin(text_file, tmp_path, steps=25, eval_every=10).events())
    assert [type(event) for event in events] == [
        Started, Stepped, Evaluated, Stepped, Evaluated, Evaluated, Finished,
    ]  # fmt: skip
    started = events[0]
    assert isinstance(started, Started)
    assert (started.step, started.total_steps, started.train.device) == (0, 25, "cpu")
    assert [event.evaluation.step for event in events if isinstance(event, Evaluated)] == [10, 20, 25]
    assert [event.step for event in events if isinstance(event, Stepped)] == [10, 20]


def test_without_eval_every_each_epoch_is_evaluated(text_file: Path, tmp_path: Path) -> None:
    """By default an evaluation ends every epoch."""
    made = tiny.begin(text_file, tmp_path, steps=0, epochs=2, batch_size=16, bptt=50)
    per_epoch = made.windows.per_epoch
    assert [event.evaluation.epoch for event in tiny.events(made, Evaluated)] == [1, 2]
    assert load(tmp_path / "run" / "last.safetensors").history[-1].step == 2 * per_epoch


def test_a_training_learns(trained: Path) -> None:
    """The loss falls below that of guessing, on text that was not trained on too."""
    last = load(trained / "last.safetensors")
    guess = math.log2(len(last.vocab))
    first, final = last.history[0], last.history[-1]
    assert final.val_bpc is not None
    assert first.val_bpc is not None
    assert final.val_bpc < first.val_bpc < guess
    assert load(trained / "best.safetensors").test_bpc is not None


def test_best_is_the_evaluation_with_the_lowest_loss(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever came after, best holds the weights of the lowest validation loss, and that loss."""
    measured, evaluations = calibrate, itertools.count(1)

    def worse_after_the_third(*of: Any, **named: Any) -> tuple[float, float]:
        scale, bpc = measured(*of, **named)
        return scale, bpc + (next(evaluations) > 3)

    monkeypatch.setattr(trainer, "calibrate", worse_after_the_third)
    made = tiny.begin(text_file, tmp_path, steps=60, eval_every=10)
    result = tiny.finish(made)
    history = load(tmp_path / "run" / "last.safetensors").history
    losses = {each.step: each.val_bpc for each in history}
    assert result.best_step == min(losses, key=lambda step: losses[step] or math.inf) != 60
    best = load(result.best)
    assert best.history[-1].step == result.best_step
    assert result.val_bpc == best.val_bpc == min(loss for loss in losses.values() if loss is not None)
    network = StackedRNN(best.model)
    network.load(best.weights)
    (bpc,) = evaluate(network, made.corpus.ids, made.split.val)
    assert bpc == pytest.approx(best.val_bpc, abs=1e-4)


def test_the_test_split_is_scored_by_the_best_checkpoint(text_file: Path, tmp_path: Path) -> None:
    """The test loss is that of best's weights on the last part of the text, and best records it."""
    made = tiny.begin(text_file, tmp_path, steps=20)
    result = tiny.finish(made)
    best = load(result.best)
    network = StackedRNN(best.model)
    network.load(best.weights)
    assert result.test_bpc == best.test_bpc == evaluate(network, made.corpus.ids, made.split.test, column=8192)[0]
    assert best.corpus.test == (4750, 5000)


def test_metrics_has_a_line_an_evaluation(trained: Path) -> None:
    """Each line of metrics.jsonl is what the checkpoint's history says."""
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert lines == [dataclasses.asdict(each) for each in load(trained / "last.safetensors").history]
    assert [line["step"] for line in lines] == [20, 40]


@pytest.mark.parametrize(("val", "test"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.1)])
def test_splits_may_be_empty(val: float, test: float, text_file: Path, tmp_path: Path) -> None:
    """Without validation the newest checkpoint is the best; without a test split there is no test loss."""
    result = tiny.train(text_file, tmp_path, val_fraction=val, test_fraction=test, eval_every=2)
    assert result.best_step == (6 if not val else result.best_step)
    assert (result.val_bpc is None) == (not val)
    assert (result.test_bpc is None) == (not test)


def test_the_trainer_walks_the_text_as_the_textbook_does(text_file: Path, tmp_path: Path) -> None:
    """Window after window at the scheduled rates, from the zero state at each epoch: the weights of a plain loop."""
    made = tiny.begin(text_file, tmp_path, steps=24, batch_size=16, bptt=50, ema_decay=0)
    learner = Learner(made.model, made.train)
    windows = Windows(made.corpus.ids, made.split.train, made.train)
    schedule = Schedule(made.train, windows.per_epoch)
    assert 2 < windows.per_epoch < 12
    for step in range(24):
        if step % windows.per_epoch == 0:
            learner.hidden = learner.hidden * 0
        learner.learn(*windows.at(step), schedule.learning_rate(step))
    tiny.finish(made)
    for name, weight in learner.network.export().items():
        np.testing.assert_allclose(made.learner.network.export()[name], weight, atol=1e-6)


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_going_on_is_never_having_stopped(
    cell: str, num_layers: int, ema_decay: float, text_file: Path, tmp_path: Path
) -> None:
    """2N steps, and N steps, a stop in mid-epoch, a resumption and N more: the same bits in best and last."""
    how: dict[str, Any] = {"cell": cell, "num_layers": num_layers, "ema_decay": ema_decay, "steps": 8, "eval_every": 3}
    tiny.train(text_file, tmp_path / "whole", **how)
    half = tiny.train(text_file, tmp_path / "halves", stop=stop_after(4), **how)
    assert (half.step, half.reason, half.test_bpc) == (4, "interrupted", None)
    result = tiny.finish(start.resume("run", root=tmp_path / "halves"))
    assert (result.step, result.reason) == (8, None)
    assert_same_run(tmp_path / "whole", tmp_path / "halves")


@pytest.mark.parametrize(
    "how",
    [
        {"one_hot": True},
        {"skip": False},
        {"bidirectional": True},
        pytest.param({"precision": "bf16"}, marks=tiny.needs_bf16),
        {"batch_size": 16, "bptt": 50},
        {"eval_every": 0, "epochs": 0.05, "steps": 0},
        {"grad_clip": 0, "dropout": 0, "weight_drop": 0, "val_fraction": 0.0},
    ],
    ids=str,
)
def test_it_may_stop_at_every_step(how: dict[str, Any], text_file: Path, tmp_path: Path) -> None:
    """However it is set up, a training stopped after each single step ends with the same bits."""
    how = {"steps": 5, "eval_every": 2, **how}
    whole = tiny.train(text_file, tmp_path / "whole", **how)
    result = tiny.train(text_file, tmp_path / "parts", stop=stop_after(1), **how)
    sittings = 1
    while result.reason == "interrupted":
        result = tiny.finish(start.resume("run", root=tmp_path / "parts", stop=stop_after(1)))
        sittings += 1
    assert sittings >= whole.step - 1
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_resuming_what_is_finished_changes_nothing(text_file: Path, tmp_path: Path) -> None:
    """There is no step left to take, and the result is told again."""
    first = tiny.train(text_file, tmp_path)
    before = load(first.best)
    again = tiny.finish(start.resume("run", root=tmp_path))
    assert (again.val_bpc, again.test_bpc, again.step) == (first.val_bpc, first.test_bpc, first.step)
    assert load(first.best).history == before.history


def test_the_seed_decides(text_file: Path, tmp_path: Path) -> None:
    """The same seed gives the same bits, whatever was drawn before; another seed gives others."""
    for at, seed in enumerate((3, 3, 4)):
        torch.rand(at)
        tiny.train(text_file, tmp_path / str(at), seed=seed)
    assert_same_run(tmp_path / "0", tmp_path / "1")
    one, other = (load(tmp_path / name / "run" / "last.safetensors").weights for name in "02")
    assert any((one[name] != other[name]).any() for name in one)


def test_stopping_saves_everything(text_file: Path, tmp_path: Path) -> None:
    """Stopped between evaluations, last holds the very step, and the test split is kept for the end."""
    result = tiny.train(text_file, tmp_path, stop=stop_after(3))
    assert (result.reason, result.step, result.test_bpc) == ("interrupted", 3, None)
    assert resume_of(tmp_path / "run" / "last.safetensors").step == 3


def test_a_training_that_never_evaluates_is_saved_now_and_then(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between evaluations far apart, last is written as time passes."""
    monkeypatch.setattr(trainer, "SAVE_SECONDS", 0.0)
    made = tiny.begin(text_file, tmp_path, steps=40, eval_every=40)
    saved = [
        resume_of(tmp_path / "run" / "last.safetensors").step for event in made.events() if isinstance(event, Stepped)
    ]
    assert saved == [0, 10, 20, 30]


def test_patience_ends_a_training_that_gets_no_better(text_file: Path, tmp_path: Path) -> None:
    """After so many evaluations without a new best it stops, says why, and scores the test split."""
    result = tiny.train(
        text_file, tmp_path, steps=200, eval_every=5, learning_rate=2.0, warmup=0, grad_clip=0, patience=3
    )
    assert result.reason == "no better validation in the last 3"
    assert result.step == result.best_step + 15
    assert result.test_bpc is not None


def test_a_time_budget_that_is_spent_ends_the_training(text_file: Path, tmp_path: Path) -> None:
    """With less time than the end takes, the first plan ends it, evaluated and scored."""
    result = tiny.train(text_file, tmp_path, steps=0, minutes=0.001)
    assert result.step == 10
    assert result.val_bpc is not None
    assert result.test_bpc is not None


def test_periodic_checkpoints_are_kept(text_file: Path, tmp_path: Path) -> None:
    """With keep, each evaluation leaves its own checkpoint, and the newest stay."""
    tiny.train(text_file, tmp_path, steps=6, eval_every=2, keep=2)
    kept = sorted((tmp_path / "run").glob("step-*"))
    assert [path.name for path in kept] == ["step-00000004.safetensors", "step-00000006.safetensors"]
    assert [load(path).history[-1].step for path in kept] == [4, 6]


def test_a_loss_that_is_not_finite_stops_with_the_last_good_state(text_file: Path, tmp_path: Path) -> None:
    """Weights that broke down are never saved: an error says what to try, and best and last stay."""
    made = tiny.begin(text_file, tmp_path, steps=30, eval_every=5)
    events = made.events()
    next(event for event in events if isinstance(event, Evaluated))
    files = {path: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.name != LOCK}
    made.learner.network.readout.bias.data[0] = math.nan
    with pytest.raises(TrainingError, match=r"stopped being finite at step \d+.*lower --learning-rate"):
        list(events)
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.name != LOCK} == files
    assert resume_of(tmp_path / "run" / "last.safetensors").step == 5
    assert tiny.finish(start.resume("run", root=tmp_path)).step == 30


def test_a_full_disk_stops_with_the_last_good_state(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a checkpoint cannot be written the training ends with an error, and what was written stays."""
    events = tiny.begin(text_file, tmp_path, steps=30, eval_every=5).events()
    next(event for event in events if isinstance(event, Evaluated))
    files = {path: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.name != LOCK}

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RunError, match="No space left on device"):
            list(events)
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.name != LOCK} == files
    tiny.train(text_file, tmp_path / "whole", steps=30, eval_every=5)
    tiny.finish(start.resume("run", root=tmp_path))
    assert_same_run(tmp_path / "whole", tmp_path)


def test_torch_is_left_as_it_was(text_file: Path, tmp_path: Path) -> None:
    """The number of threads is put back."""
    before = torch.get_num_threads()
    tiny.train(text_file, tmp_path, threads=2)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("settings", "counts"), [({"minutes": 1, "steps": 0}, (1, 2)), ({"steps": 6}, ())])
def test_threads_may_change_under_a_time_budget_alone(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], counts: tuple[int, ...]
) -> None:
    """Where steps follow the clock the trainer may go on with another number, and records it; else it keeps its own."""
    monkeypatch.setattr(start, "thread_counts", lambda *_: (1, 2))
    given: list[tuple[int, ...]] = []

    class Changed(Pace):
        def __init__(self, threads: int, counts: tuple[int, ...]) -> None:
            super().__init__(threads, counts)
            given.append(counts)
            self.threads = 2

    monkeypatch.setattr(trainer, "Pace", Changed)
    made = tiny.begin(text_file, tmp_path, **settings)
    next(made.events())
    assert given == [counts]
    made.stop = stop_after(0)
    tiny.finish(made)
    assert load(tmp_path / "run" / "last.safetensors").train.threads == 2


def test_a_training_that_slows_down_says_so(text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note that its pace has stands in the progress that it tells."""
    monkeypatch.setattr(Pace, "news", lambda _self, characters, run: (f"{characters} {run}",))
    [event] = tiny.events(tiny.begin(text_file, tmp_path, steps=10), Stepped)
    assert event.notes == (f"40 {tmp_path / 'run'}",)
