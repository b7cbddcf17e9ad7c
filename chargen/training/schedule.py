"""The schedule of a training: how many steps, and the learning rate at each."""

import math

from chargen.config import TrainConfig
from chargen.presets import RESERVE_SECONDS


class Schedule:
    """Linear warm-up, then cosine decay to zero (Loshchilov and Hutter 2017, equation 5, without restarts).

    Args:
        train: Settings; ``minutes`` rules over ``steps`` and ``steps`` over ``epochs``.
        steps_per_epoch: Windows in an epoch.
    """

    def __init__(self, train: TrainConfig, steps_per_epoch: int) -> None:
        self._peak, self._warmup, self._minutes = train.learning_rate, train.warmup, train.minutes
        self.total_steps = train.steps or math.ceil(train.epochs * steps_per_epoch)

    def learning_rate(self, step: int) -> float:
        """The rate of optimizer step ``step`` (from 0)."""
        warmup = min(self._warmup, self.total_steps // 10)
        if step < warmup:
            return self._peak * (step + 1) / warmup
        done = (step - warmup) / max(1, self.total_steps - warmup)
        return self._peak * (1 + math.cos(math.pi * min(1.0, done))) / 2

    def planned(self, step: int, seconds: float) -> int:
        """How many steps there will be: with a time budget, as many as the speed so far allows.

        Args:
            step: Steps done.
            seconds: Wall-clock time they took, evaluations and start-up included.
        """
        if not self._minutes:
            return self.total_steps
        left = self._minutes * 60 - RESERVE_SECONDS - seconds
        return step + max(0, int(left * step / seconds))
