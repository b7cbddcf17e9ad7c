"""Units of a network that follow something a reader can name, such as the inside of a quotation.

Karpathy, Johnson and Fei-Fei (2015) found such units by eye. Here each feature of a text gets the unit that follows it
best on the first half of the text, and the figures of that unit are those on the second half. A unit of a cell with a
cell state is read as tanh(c), others as h.

T characters, F features, L layers, H hidden, U = L x H units.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen.errors import TextError
from chargen.inference.generate import start_id
from chargen.inference.numpy_cells import Floats
from chargen.inference.numpy_network import Network
from chargen.text.features import KINDS, Feature, features
from chargen.text.vocab import Vocab

LEAST_CORRELATION: Final = 0.5
LEAST_AUC: Final = 0.9
"""A unit is named that reaches either, in both halves."""
LEAST_CHANGES: Final = 10
"""How often a feature changes in either half, at least; what changes less often, a unit may follow by chance."""
LEAST_CHARACTERS: Final = 1000
MOST_CHARACTERS: Final = 16_384
"""Enough for rare features; the values of 1,024 units then take 64 MB."""


@dataclass(frozen=True)
class NamedUnit:
    """A unit and what it follows, measured on text that it was not chosen on.

    Attributes:
        name: What the unit follows, for people.
        layer: From 0, the first.
        unit: From 0, its place in the layer.
        sign: 1 where the unit's value rises with what it follows, -1 where it falls.
        correlation: Between the unit's value times ``sign`` and what it follows (Pearson's r).
        auc: Probability that a character that has what is followed, or more of it than the median, gets a higher
            value, times ``sign``, than one that has not.
    """

    name: str
    layer: int
    unit: int
    sign: int
    correlation: float
    auc: float


def named_units(network: Network, vocab: Vocab, text: str) -> list[NamedUnit]:
    """The unit that follows each feature best, of those features that one follows closely.

    What the last character gives away takes no memory: a unit that is to remember a feature has to follow it more
    closely than anything could that knows the last character alone.

    Args:
        network: The model; of a bidirectional one the forward half.
        vocab: Its vocabulary.
        text: What is read, the first ``MOST_CHARACTERS`` of it; best a text that the model was not trained on.

    Returns:
        By the features' kinds in the order of ``KINDS``, the closest first in each.

    Raises:
        TextError: the text is too short, or has a character that the model does not know.
    """
    if len(text) < LEAST_CHARACTERS:
        raise TextError(f"{len(text):,} characters are too few to name units by; give at least {LEAST_CHARACTERS:,}")
    text = text[:MOST_CHARACTERS]
    ids = vocab.ids_of(text)
    values = unit_values(network, vocab, ids)
    followed = features(text)
    named: list[NamedUnit] = []
    for kind in KINDS:
        groups = ids if kind == "memory" else np.zeros_like(ids)
        units = _named([feature for feature in followed if feature.kind == kind], values, groups)
        named += sorted(units, key=lambda unit: -unit.correlation)
    return named


def unit_values(network: Network, vocab: Vocab, ids: NDArray[np.integer[Any]]) -> Floats:
    """What each unit holds after each character of a text, shape (T, L, H); ``ids`` (T,) begin it."""
    config = network.config
    reader = network.reader()
    reader.step(np.array([start_id(vocab)]))
    values = np.empty((len(ids), config.num_layers, config.hidden_size), np.float32)
    for at in range(len(ids)):
        reader.step(ids[at : at + 1])
        values[at] = reader.state[-1, :, 0]
    return np.tanh(values, values) if config.state_parts > 1 else values


def _named(followed: Sequence[Feature], values: Floats, groups: NDArray[np.integer[Any]]) -> Iterator[NamedUnit]:
    """The units that follow features more closely than their means over ``groups`` (T,) do, in both halves."""
    halves = slice(len(groups) // 2), slice(len(groups) // 2, None)
    flat, size = values.reshape(len(groups), -1), values.shape[-1]
    followed = [feature for feature in followed if all(_changes(feature.values[half]) for half in halves)]
    targets = np.array([feature.values for feature in followed]).reshape(-1, len(groups)).T
    means = np.concatenate([_means(targets[half], groups[half]) for half in halves])
    first = halves[0]
    r = correlations(flat[first] - _means(flat[first], groups[first]), targets[first] - means[first])
    for feature, row, target, guess in zip(followed, r, targets.T, means.T, strict=True):
        best = int(np.abs(row).argmax())
        sign = 1 if row[best] > 0 else -1
        unit = sign * flat[:, best]
        if all(_follows(unit[half], target[half], guess[half]) for half in halves):
            correlation, auc = _closeness(unit[halves[1]], target[halves[1]])
            yield NamedUnit(feature.name, best // size, best % size, sign, correlation, auc)


def _follows(unit: Floats, targets: NDArray[np.float64], guess: NDArray[np.float64]) -> bool:
    """Whether a unit is close to a feature, and closer than ``guess`` is; all have the shape (T,)."""
    (r, auc), (guess_r, guess_auc) = _closeness(unit, targets), _closeness(guess, targets)
    return (r >= LEAST_CORRELATION and r > guess_r) or (auc >= LEAST_AUC and auc > guess_auc)


def correlations(values: NDArray[Any], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's r of each feature with each unit, shape (F, U), of ``targets`` (T, F) and ``values`` (T, U).

    0 where either is constant.
    """
    x, y = values - values.mean(axis=0), targets - targets.mean(axis=0)
    scale = np.sqrt(np.square(y).sum(axis=0)[:, None] * np.square(x).sum(axis=0))
    r: NDArray[np.float64] = (y.T @ x) / np.where(scale > 0, scale, np.inf)
    return r


def area_under_curve(values: NDArray[Any], high: NDArray[np.bool_]) -> float:
    """Probability that a value where ``high`` is true exceeds one where it is not, shapes (T,); ties count half.

    The area under the ROC curve, as Mann and Whitney's U over the number of pairs (Hanley and McNeil 1982).
    """
    _, tied = np.unique(values, return_inverse=True)
    highs, lows = np.bincount(tied, high), np.bincount(tied, ~high)
    wins = highs @ (np.cumsum(lows) - lows / 2)
    return float(wins / (highs.sum() * lows.sum()))


def _closeness(values: NDArray[Any], targets: NDArray[np.float64]) -> tuple[float, float]:
    """The correlation, and the area under the curve, of some values with a feature that changes, shapes (T,)."""
    median = np.median(targets)
    high = targets > median if (targets > median).any() else targets >= median
    return float(correlations(values[:, None], targets[:, None])[0, 0]), area_under_curve(values, high)


def _changes(values: NDArray[np.float64]) -> bool:
    """Whether a feature changes often enough to be followed other than by chance."""
    return int(np.count_nonzero(np.diff(values))) >= LEAST_CHANGES


def _means(values: NDArray[Any], ids: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """The mean of ``values`` (T, U) over the characters of each id, at each of these characters."""
    _, members, counts = np.unique(ids, return_inverse=True, return_counts=True)
    starts = np.cumsum(counts) - counts
    sums = np.add.reduceat(values[np.argsort(members, kind="stable")], starts, axis=0, dtype=np.float64)
    means: NDArray[np.float64] = (sums / counts[:, None])[members]
    return means
