"""What each cell does with its gates, elementwise, once the matrix products are done.

B batch, H hidden, G gates x hidden. Sigmoids are taken as ``0.5 tanh(0.5 a) + 0.5`` with the inner half folded into
the weights, so that one call of ``tanh`` serves all gates of a layer; ``arranged`` folds it.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chargen.config import GATES

Floats = NDArray[np.float32]
Update = Callable[[Floats], None]
"""Advances one layer in place, given the input's share (B, G) of the gates, biases included; it may broadcast."""

_HALF: Final = np.array(0.5, dtype=np.float32)  # a 0-d array is quicker in a ufunc than a Python float

# Blocks of rows in the order used here, as places in PyTorch's order, and whether each is a sigmoid gate.
_BLOCKS: Final[dict[str, tuple[tuple[int, bool], ...]]] = {
    "lstm": ((0, True), (1, True), (3, True), (2, False)),  # i f o | g
    "peephole": ((0, True), (1, True), (2, False), (3, True)),  # i f | g | o, which waits for the new cell state
    "gru": ((0, True), (1, True), (2, False)),  # r z | n
    "rnn": ((0, False),),
}


def arranged(cell: str, weight: Floats) -> Floats:
    """``weight`` (G, ...) with its blocks of rows in this module's order and the sigmoid gates' rows halved."""
    blocks = weight.reshape(GATES[cell], -1, *weight.shape[1:])
    rows = [blocks[at] * _HALF if sigmoid else blocks[at] for at, sigmoid in _BLOCKS[cell]]
    return np.concatenate(rows)


def lstm(a: Floats, h: Floats, c: Floats, _: Floats) -> Update:
    """The update of an LSTM layer: c = f c + i g, h = o tanh(c) (Gers et al. 2000, without peepholes).

    Args:
        a: The products' share of the gates i, f, o, g, shape (B, 4H); overwritten.
        h: Hidden state (B, H), advanced in place.
        c: Cell state (B, H), advanced in place.
    """
    size = h.shape[1]
    sigmoids = a[:, : 3 * size]
    i, f, o, g = (a[:, at * size : (at + 1) * size] for at in range(4))

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
        a: The products' share of the gates i, f, g, o, shape (B, 4H); overwritten.
        h: Hidden state (B, H), advanced in place.
        c: Cell state (B, H), advanced in place.
        weight: Peepholes of i, f and o (3, H); i and f see the previous cell state, o the new one.
    """
    size = h.shape[1]
    early, sigmoids = a[:, : 3 * size], a[:, : 2 * size]
    i, f, g, o = (a[:, at * size : (at + 1) * size] for at in range(4))
    peep_i, peep_f, peep_o = weight * _HALF
    seen = np.empty_like(i)

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
        a: The recurrent product alone, for r, z, n, shape (B, 3H); overwritten.
        h: Hidden state (B, H), advanced in place.
        bias: ``b_hn`` (H,), the recurrent bias of n, which the reset gate scales too.
    """
    size = h.shape[1]
    sigmoids, n = a[:, : 2 * size], a[:, 2 * size :]
    r, z = a[:, :size], a[:, size : 2 * size]

    def update(x: Floats) -> None:
        np.add(sigmoids, x[:, : 2 * size], sigmoids)
        np.tanh(sigmoids, sigmoids)
        np.multiply(sigmoids, _HALF, sigmoids)
        np.add(sigmoids, _HALF, sigmoids)
        np.add(n, bias, n)
        np.multiply(n, r, n)
        np.add(n, x[:, 2 * size :], n)
        np.tanh(n, n)
        np.subtract(h, n, h)
        np.multiply(h, z, h)
        np.add(h, n, h)

    return update


def rnn(a: Floats, h: Floats, _c: Floats, _: Floats) -> Update:
    """The update of an Elman layer: h = tanh(a + x) (Elman 1990, with tanh).

    Args:
        a: The products' share of the gate, shape (B, H); overwritten.
        h: Hidden state (B, H), advanced in place.
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
