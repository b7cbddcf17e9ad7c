"""Units of a network that follow something a reader can name, such as the inside of a quotation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NamedUnit:
    """A unit and what it follows, measured on text that it was not chosen on.

    Attributes:
        name: What the unit follows, for people.
        layer: From 0, the first.
        unit: From 0, its place in the layer.
        sign: 1 where the unit's value rises with what it follows, -1 where it falls.
        correlation: Between the unit's value times ``sign`` and what it follows (Pearson's r).
        auc: Probability that a character that has what is followed gets a higher value, times ``sign``, than one that
            has not; nan for what is a number and not a yes or no.
    """

    name: str
    layer: int
    unit: int
    sign: int
    correlation: float
    auc: float
