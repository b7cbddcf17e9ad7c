"""Means over the steps between two evaluations."""

import math
import time
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from chargen.store.checkpoint import Tally

EMPTY: Final = Tally(steps=0, sums=(0.0, 0.0, 0.0))


class RunningMeans:
    """Mean loss, gradient norm and clipping since the last evaluation.

    Losses and norms are read where a number is shown, so that no other step waits for a GPU.

    Args:
        grad_clip: The gradient norm above which a step is clipped, 0 for none.
        tally: What to go on from.
    """

    def __init__(self, grad_clip: float, tally: Tally = EMPTY) -> None:
        self.steps = tally.steps
        self._grad_clip = grad_clip
        self._read = tally.sums  # nats, gradient norms, clipped steps
        self._unread: list[Tensor] = []
        self._began, self._timed = time.perf_counter(), 0

    def add(self, loss: Tensor, norm: Tensor) -> None:
        """Count one step: mean loss in nats and gradient norm before clipping, 0-dimensional."""
        self._unread += loss, norm
        self.steps += 1
        self._timed += 1

    def _sums(self) -> Sequence[float]:
        """The sums so far: nats, gradient norms, clipped steps."""
        if self._unread:
            nats, norms, clipped = self._read
            for loss, norm in torch.stack(self._unread).view(-1, 2).tolist():
                nats, norms, clipped = nats + loss, norms + norm, clipped + (0 < self._grad_clip < norm)
            self._read = nats, norms, clipped
            self._unread.clear()
        return self._read

    @property
    def finite(self) -> bool:
        """Whether every loss and gradient so far was finite."""
        return all(map(math.isfinite, self._sums()))

    def values(self) -> tuple[float, float, float]:
        """Mean loss in bits per character, mean gradient norm before clipping, and share of steps that were clipped."""
        nats, norms, clipped = (total / max(1, self.steps) for total in self._sums())
        return nats / math.log(2), norms, clipped

    def chars_per_second(self, characters: int) -> float:
        """Speed of steps of ``characters`` each."""
        return self._timed * characters / (time.perf_counter() - self._began)

    @property
    def tally(self) -> Tally:
        """The sums so far, which others go on from."""
        nats, norms, clipped = self._sums()
        return Tally(steps=self.steps, sums=(nats, norms, clipped))
