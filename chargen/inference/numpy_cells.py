"""The elementwise update of each cell's state, once the matrix products are done.

B batch, H hidden, G gates x hidden. Arrays stand with the batch last, so that a gate is a contiguous block whatever
the batch. Sigmoids are taken as tanh(a / 2) / 2 + 1 / 2 with the inner half folded into the weights, so that one call
of ``tanh`` serves all gates of a layer; ``arranged`` folds it.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Update = Callable[[Floats], None]
"""Advances one layer in place, given all but the recurrent product of its gates, biases included: (G, B) or (G, 1)."""

_HALF: Final = np.array(0.5, dtype=np.float32)  # a 0-d array is quicker in a ufunc than a Python float

# Blocks of rows in the order used here, as places in PyTorch's order, and whether each is a sigmoid gate.
_BLOCKS: Final[dict[str, tuple[tuple[int, bool], ...]]] = {
    "lstm": ((0, True), (1, True), (3, True), (2, False)),  # i f o | g
    "peephole": ((0, True), (1, True), (2, False), (3, True)),  # i f | g | o, which waits for the new cell state
    "gru": ((0, True), (1, True), (2, False)),  # r z | n
    "rnn": ((0, False),),
}


def arranged(cell: str, weight: Floats) -> Floats:
    """``weight`` (G, ...) with its blocks of rows in this module's order and those of the sigmoid gates halved."""
    order = _BLOCKS[cell]
    blocks = weight.reshape(len(order), -1, *weight.shape[1:])
    return np.concatenate([blocks[at] * _HALF if sigmoid else blocks[at] for at, sigmoid in order])


def lstm(a: Floats, h: Floats, c: Floats, _: Floats) -> Update:
    """The update of an LSTM layer: c = f c + i g, h = o tanh(c) (Gers et al. 2000, without peepholes).

    Args:
        a: The recurrent product of the gates i, f, o, g, shape (4H, B); overwritten.
        h: Hidden state (H, B), advanced in place.
        c: Cell state (H, B), advanced in place.
    """
    sigmoids = a[: 3 * len(h)]
    i, f, o, g = np.split(a, 4)

    def update(x: Floats) -> None:
        np.add(a, x, a)
        np.tanh(a, a)
        np.multiply(sigmoids, _HALF, sigmoids)
        np.add(sigmoids, _HALF, sigmoids)
        np.multiply(c, f, c)
        np.multiply(i, g, i)
        np.add(c, i, c)
        np.tanh(c, h)
        np.multiply(h, o, h)

    return update


def peephole(a: Floats, h: Floats, c: Floats, weight: Floats) -> Update:
    """The update of a peephole LSTM layer (Graves 2013, equations 7 to 11).

    Args:
        a: The recurrent product of the gates i, f, g, o, shape (4H, B); overwritten.
        h: Hidden state (H, B), advanced in place.
        c: Cell state (H, B), advanced in place.
        weight: Peepholes of i, f and o (3, H); i and f see the previous cell state, o the new one.
    """
    early, sigmoids = a[: 3 * len(h)], a[: 2 * len(h)]
    i, f, g, o = np.split(a, 4)
    peep_i, peep_f, peep_o = weight[:, :, None] * _HALF
    seen = np.empty_like(c)

    def update(x: Floats) -> None:
        np.add(a, x, a)
        np.add(i, np.multiply(c, peep_i, seen), i)
        np.add(f, np.multiply(c, peep_f, seen), f)
        np.tanh(early, early)
        np.multiply(sigmoids, _HALF, sigmoids)
        np.add(sigmoids, _HALF, sigmoids)
        np.multiply(c, f, c)
        np.multiply(i, g, i)
        np.add(c, i, c)
        np.add(o, np.multiply(c, peep_o, seen), o)
        np.tanh(o, o)
        np.multiply(o, _HALF, o)
        np.add(o, _HALF, o)
        np.tanh(c, h)
        np.multiply(h, o, h)

    return update


def gru(a: Floats, h: Floats, _: Floats, bias: Floats) -> Update:
    """The update of a GRU layer: n = tanh(x_n + r (a_n + b_hn)), h = (1 - z) n + z h (Cho et al. 2014, as in cuDNN).

    Args:
        a: The recurrent product of the gates r, z, n, shape (3H, B); overwritten.
        h: Hidden state (H, B), advanced in place.
        bias: ``b_hn`` (H,), the recurrent bias of n, which the reset gate scales too.
    """
    sigmoids = a[: 2 * len(h)]
    r, z, n = np.split(a, 3)
    bias = bias[:, None]

    def update(x: Floats) -> None:
        np.add(sigmoids, x[: len(sigmoids)], sigmoids)
        np.tanh(sigmoids, sigmoids)
        np.multiply(sigmoids, _HALF, sigmoids)
        np.add(sigmoids, _HALF, sigmoids)
        np.add(n, bias, n)
        np.multiply(n, r, n)
        np.add(n, x[len(sigmoids) :], n)
        np.tanh(n, n)
        np.subtract(h, n, h)
        np.multiply(h, z, h)
        np.add(h, n, h)

    return update


def rnn(a: Floats, h: Floats, _c: Floats, _: Floats) -> Update:
    """The update of an Elman layer: h = tanh(a + x) (Elman 1990, with tanh).

    Args:
        a: The recurrent product, shape (H, B); overwritten.
        h: Hidden state (H, B), advanced in place.
    """

    def update(x: Floats) -> None:
        np.add(a, x, a)
        np.tanh(a, h)

    return update


UPDATES: Final[dict[str, Callable[[Floats, Floats, Floats, Floats], Update]]] = {
    "lstm": lstm,
    "peephole": peephole,
    "gru": gru,
    "rnn": rnn,
}
