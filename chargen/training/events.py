"""What a training tells of itself while it runs."""

from dataclasses import dataclass
from pathlib import Path

from chargen.config import ModelConfig, TrainConfig
from chargen.store.checkpoint import CorpusInfo, Evaluation


@dataclass(frozen=True, kw_only=True)
class Started:
    """The first event: what is about to be trained, with every automatic setting resolved.

    ``finished`` says that a run was resumed of which nothing is left to train.
    """

    run: str
    corpus: CorpusInfo
    model: ModelConfig
    train: TrainConfig
    step: int
    total_steps: int
    finished: bool
    steps_per_epoch: int
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Stepped:
    """A few steps on; means since the last evaluation, and notes on what has come up."""

    step: int
    total_steps: int
    epoch: float
    train_bpc: float
    learning_rate: float
    chars_per_second: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """A validation is done and ``last`` is on the disk, ``best`` too where it is one.

    ``sample`` is a text that the model now writes, and ``notes`` what went wrong with it or with the run's report;
    who draws the trainer's events as they are gets neither.
    """

    evaluation: Evaluation
    best: bool
    last: Path
    sample: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The last event. ``best_step`` is the step of the best checkpoint; ``reason`` says why an early end came.

    ``notes`` are as those of ``Evaluated``.
    """

    run: str
    best: Path
    best_step: int
    step: int
    total_steps: int
    val_bpc: float | None
    test_bpc: float | None
    seconds: float
    parameters: int
    chars_per_second: float
    reason: str | None = None
    notes: tuple[str, ...] = ()


Event = Started | Stepped | Evaluated | Finished
