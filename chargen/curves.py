"""Curves, plots of them and the round numbers beside their axes, whatever they are drawn with."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Curve:
    """Points to be joined in their order; curves of the same label look alike, one that is dashed is a broken line."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False

    def points(self, *, log_y: bool = False) -> list[tuple[float, float]]:
        """The points that can be drawn: finite ones and, with ``log_y``, those above 0, their y as its log10."""
        finite = [(x, y) for x, y in zip(self.x, self.y, strict=True) if math.isfinite(x) and math.isfinite(y)]
        return [(x, math.log10(y)) for x, y in finite if y > 0] if log_y else finite


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Curves over one pair of axes, whose labels have the units.

    Values that are not finite, and with ``log_y``, a logarithmic axis, those not above 0, are left out.
    """

    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve]
    log_y: bool = False

    @property
    def labels(self) -> list[str]:
        """The labels of the curves, each once."""
        return list(dict.fromkeys(curve.label for curve in self.curves))


class Axis:
    """One axis: its ``ticks``, two at least, the first of which stands at ``start`` and the last at ``end``."""

    def __init__(self, ticks: Sequence[float], start: float, end: float) -> None:
        self.ticks = ticks
        self._start, self._scale = start, (end - start) / (ticks[-1] - ticks[0])

    def place(self, value: float) -> float:
        """Where ``value`` stands."""
        return self._start + (value - self.ticks[0]) * self._scale


def ticks(values: Sequence[float], *, integers: bool = False) -> list[float]:
    """Round numbers at equal distances from the lowest of ``values``, or below, to the highest or above.

    Args:
        values: At least one.
        integers: Take whole numbers alone, as for logarithms.
    """
    low, high = min(values), max(values)
    rough = ((high - low) or abs(high) or 1) / 7
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * nice for nice in (1, 2, 5, 10) if unit * nice >= rough)
    if integers:
        step = math.ceil(step)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [at * step for at in range(first, max(last, first + 1) + 1)]
