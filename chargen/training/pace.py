"""How fast a training goes, and with how many threads.

Other programs come and go while it runs. Where they slow it down far, a person is told once. Under a time budget the
steps depend on the clock anyway, so there the number of threads may follow: now and then each is tried for a few steps.
"""

import math
from collections.abc import Sequence
from typing import Final

import torch

INTERVAL_SECONDS: Final = 10.0  # over which a speed is measured
SLOW: Final = 0.5  # of the highest speed so far, in two intervals one after the other, is worth telling
SLOWER: Final = 0.75  # of it is worth a trial at once
TRIAL_SECONDS: Final = 0.2  # for each number of threads; at least a step
REST_SECONDS: Final = 60.0  # until the next trial where nothing has slowed down
REST: Final = 20  # times a trial's length at least: no more than a twentieth of the time goes into trials


class Pace:
    """Measures the steps, and says with how many threads to go on.

    Args:
        threads: What the training begins with.
        choices: The numbers that may be tried; none where the number stays as it is.

    Attributes:
        threads: Those of the next step.
    """

    def __init__(self, threads: int, choices: Sequence[int] = ()) -> None:
        self.threads = threads
        self._choices = choices
        self._untried: list[int] = []
        self._tried: dict[int, float] = {}
        self._steps, self._seconds = 0, 0.0
        self._highest, self._last = 0.0, math.inf
        self._slowed, self._told = False, False
        self._since_trial = self._trial_seconds = 0.0

    def stepped(self, seconds: float) -> None:
        """Count a step that took so long."""
        self._steps += 1
        self._seconds += seconds
        if self._tried or self._untried:
            if self._seconds >= TRIAL_SECONDS:
                self._go_on_trying()
        elif self._seconds >= INTERVAL_SECONDS:
            self._judge()

    def news(self, characters: int, run: str) -> tuple[str, ...]:
        """A note, once, when the speed has fallen far below what it was.

        Args:
            characters: Trained on by a step.
            run: What ``--resume`` takes to go on.
        """
        if self._told or not self._slowed:
            return ()
        self._told = True
        was, now = (f"{characters * speed:,.0f}" for speed in (self._highest, self._last))
        fewer = " --threads 1" if self.threads > 1 and not self._choices else ""
        note = (
            f"training has slowed down from {was} to {now} characters/s, as it does beside other programs; close them, "
            f"or stop it and go on {'with fewer threads' if fewer else 'later'}: chargen train --resume {run}{fewer}"
        )
        return (note,)

    def _measured(self) -> float:
        """The speed since the last call, in steps a second."""
        speed = self._steps / self._seconds
        self._steps, self._seconds = 0, 0.0
        return speed

    def _judge(self) -> None:
        """Compare the speed of an interval with what it was."""
        self._since_trial += self._seconds
        speed = self._measured()
        self._slowed = max(speed, self._last) < SLOW * self._highest
        self._last, self._highest = speed, max(speed, self._highest)
        is_due = speed < SLOWER * self._highest or self._since_trial >= REST_SECONDS
        if len(self._choices) > 1 and is_due and self._since_trial >= REST * self._trial_seconds:
            self._untried = [choice for choice in self._choices if choice != self.threads]
            self._untried.append(self.threads)
            self._since_trial = self._trial_seconds = 0.0
            self._use(self._untried.pop())

    def _go_on_trying(self) -> None:
        """Note the speed of the number that was tried, and take the next one, or the best of all."""
        self._trial_seconds += self._seconds
        self._tried[self.threads] = self._measured()
        if self._untried:
            self._use(self._untried.pop())
        else:
            self._use(max(self._tried, key=self._tried.__getitem__))
            self._tried = {}

    def _use(self, threads: int) -> None:
        if threads != self.threads:
            self.threads = threads
            torch.set_num_threads(threads)
