"""The schedule of a training: how many steps, and the learning rate at each."""

import math
from typing import Final

from chargen.config import TrainConfig
from chargen.presets import RESERVE_SECONDS

EVALUATIONS: Final = 20  # in a run of long epochs, at most
MOST_EVALUATIONS: Final = 100  # in a run of short epochs
EVALUATION_WORTH: Final = 6  # characters trained on for one evaluated: less than a tenth of the time goes there
RESTART_SHARE: Final = 0.5
"""The share of its peak that the rate warms up to again when a finished training goes on. A 2x128 LSTM that has 1.812
bits per character after 16 epochs of Alice ends at 1.793 after 24 with 0.3 and 0.5; with 1 it gets no better."""


class Schedule:
    """Linear warm-up, then cosine decay to zero (Loshchilov and Hutter 2017, equation 5), restarted when asked to.

    Args:
        train: Settings; ``minutes`` rules over ``steps`` and ``steps`` over ``epochs``.
        steps_per_epoch: Windows in an epoch.

    Attributes:
        total_steps: Steps in all.
        restart_step: The step from which the rate warms up again, to a share of its peak; 0 for none.
    """

    def __init__(self, train: TrainConfig, steps_per_epoch: int) -> None:
        self._train, self._steps_per_epoch = train, steps_per_epoch
        self.restart_step = 0
        self.total_steps = train.steps or math.ceil(train.epochs * steps_per_epoch)

    def learning_rate(self, step: int) -> float:
        """The rate of optimizer step ``step`` (from 0)."""
        step, steps = step - self.restart_step, self.total_steps - self.restart_step
        warmup = min(self._train.warmup, steps // 10)
        if step < warmup:
            return self.peak * (step + 1) / warmup
        done = (step - warmup) / max(1, steps - warmup)
        return self.peak * (1 + math.cos(math.pi * min(1.0, done))) / 2

    @property
    def peak(self) -> float:
        """The rate at the end of the warm-up."""
        return self._train.learning_rate * (RESTART_SHARE if self.restart_step else 1.0)

    def evaluation_interval(self, characters: int) -> int:
        """Steps between evaluations: as set, else an epoch, or less where it is long, or more where it is short.

        Args:
            characters: Of the validation split.
        """
        cheap = EVALUATION_WORTH * characters // (self._train.batch_size * self._train.bptt)
        most = max(500, cheap, self.total_steps // EVALUATIONS)
        return self._train.eval_every or max(min(self._steps_per_epoch, most), self.total_steps // MOST_EVALUATIONS)

    def planned(self, step: int, seconds: float) -> int:
        """How many steps there will be: with a time budget, as many as the speed so far allows.

        Args:
            step: Steps done.
            seconds: Wall-clock time they took, evaluations and start-up included.
        """
        if not self._train.minutes:
            return self.total_steps
        left = self._train.minutes * 60 - RESERVE_SECONDS - seconds
        return step + max(0, int(left * step / seconds))
