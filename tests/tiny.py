"""Small trainings: a fraction of a second each."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from chargen.text.corpus import Texts
from chargen.training import hardware, start
from chargen.training.events import Event, Finished
from chargen.training.trainer import Trainer

SETTINGS: Final[dict[str, Any]] = {
    "num_layers": 1,
    "hidden_size": 8,
    "embedding_size": 6,
    "batch_size": 4,
    "bptt": 10,
    "steps": 6,
    "warmup": 2,
    "device": "cpu",
    "precision": "fp32",
    "threads": 1,
    "preview": 0,
    "dropout": 0.4,
    "weight_drop": 0.4,
    "input_dropout": 0.1,
    "output_dropout": 0.5,
}

needs_bf16: Final = pytest.mark.skipif(not hardware.runs_bf16(), reason="this processor runs no bfloat16")


def begin(text: Path, root: Path, *, run: str = "run", **wanted: Any) -> Trainer:
    """A new training of a tiny network on a text file."""
    return start.begin(Texts(sources=(str(text),)), run=run, root=root, **{**SETTINGS, **wanted})


def train(text: Path, root: Path, **wanted: Any) -> Finished:
    """The result of such a training."""
    return finish(begin(text, root, **wanted))


def finish(trainer: Trainer) -> Finished:
    """The last event of a training."""
    *_, last = trainer.events()
    assert isinstance(last, Finished)
    return last


def events(trainer: Trainer, kind: type[Event]) -> list[Any]:
    """All events of one kind."""
    return [event for event in trainer.events() if isinstance(event, kind)]


def stop_after(steps: int) -> Callable[[], bool]:
    """Something that asks a training to stop once it has done so many steps in this sitting."""
    asked = itertools.count()
    return lambda: next(asked) >= steps
