"""What a training tells of itself while it runs."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chargen.config import ModelConfig, TrainConfig
from chargen.store.checkpoint import CorpusInfo, Evaluation
from chargen.wording import counted


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
    """The last event, and what the library's functions for training return.

    ``best_step`` is the step of the best checkpoint; ``reason`` says why an early end came; ``evaluations`` are all
    validations so far; ``notes`` are as those of ``Evaluated``.
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
    evaluations: tuple[Evaluation, ...]
    reason: str | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        losses = [("validation", self.val_bpc), ("test", self.test_bpc)]
        figures = ", ".join(f"{split} {bpc:.3f}" for split, bpc in losses if bpc is not None)
        reason = f", {self.reason}" if self.reason else ""
        return (
            f"<Finished {self.run}: {figures + ' bits per character' if figures else 'not measured'} after "
            f"{counted(self.step, 'step')} in {self.seconds:.0f} seconds{reason}, best in {self.best}>"
        )

    @property
    def history(self) -> list[dict[str, Any]]:
        """The validations as plain data, a mapping each, as ``pandas.DataFrame`` takes them."""
        return [asdict(evaluation) for evaluation in self.evaluations]


Event = Started | Stepped | Evaluated | Finished
