"""Stopping a training in good order."""

import signal
from types import FrameType, TracebackType
from typing import Self

from chargen.training.launch import stopping


class Stop:
    """Called, says whether a signal to stop has come since the ``with`` began.

    The first signal only asks: the training saves and ends by itself. A second one breaks off at once.
    """

    def __init__(self) -> None:
        self.signal = 0

    def __call__(self) -> bool:
        """Whether to stop."""
        return bool(self.signal)

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._ask) for number in stopping()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number
