"""The softmax and what follows from it, in float64; logits that are not finite are told of here.

V vocab.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chargen.errors import CheckpointError

Doubles = NDArray[np.float64]
Logits = NDArray[np.floating[Any]]


def centred(logits: Logits) -> Doubles:
    """``logits`` (..., V) less the largest of each row, which becomes 0; -inf stands for what is impossible.

    Raises:
        CheckpointError: a row's largest is not finite.
    """
    values = logits.astype(np.float64)
    largest = values.max(axis=-1, keepdims=True)  # nan where any is nan
    _check_finite(largest)
    values -= largest
    return values


def softmax(logits: Logits) -> Doubles:
    """The probabilities (..., V) of ``logits``.

    Raises:
        CheckpointError: a row's largest is not finite.
    """
    values = centred(logits)
    np.exp(values, out=values)
    values /= values.sum(axis=-1, keepdims=True)
    return values


def log_softmax(logits: Logits) -> Doubles:
    """The natural logarithms of the probabilities (..., V) of ``logits``.

    Raises:
        CheckpointError: a row's largest is not finite.
    """
    values = centred(logits)
    values -= np.log(np.exp(values).sum(axis=-1, keepdims=True))
    return values


def bits_of(logits: Logits, targets: NDArray[np.int64]) -> Doubles:
    """-log2 of the probability of ``targets`` (N,) under ``logits`` (N, V).

    Raises:
        CheckpointError: a row's largest is not finite, or a target is impossible.
    """
    values = centred(logits)
    nats = np.log(np.exp(values).sum(axis=1)) - values[np.arange(len(targets)), targets]
    _check_finite(nats)
    bits: Doubles = nats / np.log(2)
    return bits


def _check_finite(values: Doubles) -> None:
    if not all(map(math.isfinite, values.ravel().tolist())):  # of a few values quicker than np.isfinite
        raise CheckpointError("the model's logits are not finite: its weights are damaged; train it again")
