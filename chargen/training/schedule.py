"""How many steps, and how fast to learn at each."""

import math

from chargen.config import TrainConfig
from chargen.errors import ConfigError

RESERVE_SECONDS = 4.0  # of a time budget, for the start of the program and the final test


class Schedule:
    """Linear warm-up, then cosine decay to zero (Loshchilov and Hutter 2017, equation 5, without restarts).

    Args:
        train: Settings; ``minutes`` rules over ``steps`` and ``steps`` over ``epochs``.
        steps_per_epoch: Windows in an epoch.

    Raises:
        ConfigError: the settings come to less than one step.
    """

    def __init__(self, train: TrainConfig, steps_per_epoch: int) -> None:
        self._peak, self._warmup, self._minutes = train.learning_rate, train.warmup, train.minutes
        self.total_steps = train.steps or math.ceil(train.epochs * steps_per_epoch)
        if self.total_steps < 1:
            raise ConfigError(f"epochs {train.epochs} comes to no step at all; raise it")

    def learning_rate(self, step: int) -> float:
        """The rate of optimizer step ``step`` (from 0)."""
        warmup = min(self._warmup, self.total_steps // 10)
        if step < warmup:
            return self._peak * (step + 1) / warmup
        done = (step - warmup) / max(1, self.total_steps - warmup)
        return self._peak * (1 + math.cos(math.pi * min(1.0, done))) / 2

    def replan(self, step: int, seconds: float) -> None:
        """With a time budget, fit the number of steps to the speed so far.

        Args:
            step: Steps done.
            seconds: Wall-clock time they took, evaluations and start-up included.
        """
        if self._minutes and step:
            left = self._minutes * 60 - RESERVE_SECONDS - seconds
            self.total_steps = max(step + 1, step + int(left * step / seconds)) if left > 0 else step
