"""Means over the steps between two evaluations."""

import math
import time
from typing import Final

import torch
from torch import Tensor

from chargen.store.checkpoint import Tally

EMPTY: Final = Tally(steps=0, sums=(0.0, 0.0, 0.0))


class RunningMeans:
    """Mean loss, gradient norm and clipping since the last evaluation, summed on the device.

    The sums are read only where a number is shown, so that a GPU never waits for them.

    Args:
        device: Where the losses and norms are.
        tally: What to go on from.
    """

    def __init__(self, device: torch.device, tally: Tally = EMPTY) -> None:
        self.steps = tally.steps
        # nats, gradient norms, clipped steps; MPS has no float64
        kind = torch.float32 if device.type == "mps" else torch.float64
        self._sums = torch.tensor(tally.sums, dtype=kind, device=device)
        self._began, self._timed = time.perf_counter(), 0

    def add(self, loss: Tensor, norm: Tensor, limit: float) -> None:
        """Count one step: mean loss in nats, gradient norm before clipping, and the clipping limit (0 for none)."""
        clipped = (norm > limit) if limit else torch.zeros_like(norm)
        self._sums += torch.stack((loss, norm, clipped.to(loss.dtype)))
        self.steps += 1
        self._timed += 1

    @property
    def finite(self) -> bool:
        """Whether every loss and gradient so far was finite."""
        return bool(torch.isfinite(self._sums).all())

    def values(self) -> tuple[float, float, float]:
        """Mean loss in bits per character, mean gradient norm before clipping, and share of steps that were clipped."""
        nats, norms, clipped = (total / max(1, self.steps) for total in self._sums.tolist())
        return nats / math.log(2), norms, clipped

    def chars_per_second(self, characters: int) -> float:
        """Speed of steps of ``characters`` each."""
        return self._timed * characters / (time.perf_counter() - self._began)

    @property
    def tally(self) -> Tally:
        """The sums so far, which others go on from."""
        nats, norms, clipped = self._sums.tolist()
        return Tally(steps=self.steps, sums=(nats, norms, clipped))
