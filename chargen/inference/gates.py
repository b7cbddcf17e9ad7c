"""What each cell does with its gates, elementwise, once the matrix products are done.

B batch, H hidden, G gates x hidden. With the sigmoid as (1 + tanh(a / 2)) / 2 one call of ``tanh`` serves all gates of
a layer, and a gate t = tanh(a / 2) lets (t v + v) / 2 of a value v through; ``halved`` folds the inner half into the
weights. Results go to contiguous arrays wherever they can: with a batch, a gate is a slice of each row, and NumPy
writes to such slices several times slower than it reads them.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Update = Callable[[Floats], None]
"""Advances one layer in place, given the input's share (B, G) of the gates, biases included; it may broadcast."""

_HALF: Final = np.array(0.5, dtype=np.float32)  # a 0-d array is quicker in a ufunc than a Python float

_SIGMOID: Final[dict[str, tuple[bool, ...]]] = {
    "lstm": (True, True, False, True),  # i, f, g, o
    "peephole": (True, True, False, True),
    "gru": (True, True, False),  # r, z, n
    "rnn": (False,),
}


def halved(cell: str, weight: Floats) -> Floats:
    """``weight`` (G, ...) with the rows of the sigmoid gates halved."""
    factors = np.where(_SIGMOID[cell], _HALF, np.float32(1))
    blocks = weight.reshape(len(factors), -1)
    product: Floats = (blocks * factors[:, None]).reshape(weight.shape)
    return product


def lstm(a: Floats, h: Floats, c: Floats, _: Floats) -> Update:
    """The update of an LSTM layer: c = f c + i g, h = o tanh(c) (Gers et al. 2000, without peepholes).

    In gates of this module c = ((f c + c) + (i g + g)) / 2, h = (o tanh(c) + tanh(c)) / 2.

    Args:
        a: The products' share of the gates i, f, g, o, shape (B, 4H); overwritten.
        h: Hidden state (B, H), advanced in place.
        c: Cell state (B, H), advanced in place.
    """
    i, f, g, o = np.split(a, 4, axis=1)
    kept, new = np.empty_like(i), np.empty_like(i)

    def update(x: Floats) -> None:
        np.add(a, x, a)
        np.tanh(a, a)
        np.multiply(f, c, kept)
        np.add(kept, c, kept)
        np.multiply(i, g, new)
        np.add(new, g, new)
        np.add(kept, new, kept)
        np.multiply(kept, _HALF, c)
        np.tanh(c, kept)
        np.multiply(o, kept, new)
        np.add(new, kept, new)
        np.multiply(new, _HALF, h)

    return update


def peephole(a: Floats, h: Floats, c: Floats, weight: Floats) -> Update:
    """The update of a peephole LSTM layer (Graves 2013, equations 7 to 11).

    Args:
        a: The products' share of the gates i, f, g, o, shape (B, 4H); overwritten.
        h: Hidden state (B, H), advanced in place.
        c: Cell state (B, H), advanced in place.
        weight: Peepholes of i, f and o (3, H); i and f see the previous cell state, o the new one.
    """
    i, f, g, o = np.split(a, 4, axis=1)
    early = a[:, : 3 * h.shape[1]]
    peep_i, peep_f, peep_o = weight * _HALF
    kept, new = np.empty_like(i), np.empty_like(i)

    def update(x: Floats) -> None:
        np.add(a, x, a)
        np.add(i, np.multiply(c, peep_i, new), i)
        np.add(f, np.multiply(c, peep_f, new), f)
        np.tanh(early, early)
        np.multiply(f, c, kept)
        np.add(kept, c, kept)
        np.multiply(i, g, new)
        np.add(new, g, new)
        np.add(kept, new, kept)
        np.multiply(kept, _HALF, c)
        np.add(o, np.multiply(c, peep_o, new), new)
        np.tanh(new, new)
        np.tanh(c, kept)
        np.multiply(new, kept, new)
        np.add(new, kept, new)
        np.multiply(new, _HALF, h)

    return update


def gru(a: Floats, h: Floats, _: Floats, bias: Floats) -> Update:
    """The update of a GRU layer: n = tanh(x_n + r (a_n + b_hn)), h = (1 - z) n + z h (Cho et al. 2014, as in cuDNN).

    In gates of this module, with m = a_n + b_hn and d = h - n: n = tanh(x_n + (r m + m) / 2), h = n + (z d + d) / 2.

    Args:
        a: The recurrent product alone, for r, z, n, shape (B, 3H); overwritten.
        h: Hidden state (B, H), advanced in place.
        bias: ``b_hn`` (H,), the recurrent bias of n, which the reset gate scales too.
    """
    r, z, n = np.split(a, 3, axis=1)
    early = a[:, : 2 * h.shape[1]]
    candidate, change = np.empty_like(n), np.empty_like(n)

    def update(x: Floats) -> None:
        np.add(early, x[:, : early.shape[1]], early)
        np.tanh(early, early)
        np.add(n, bias, change)
        np.multiply(r, change, candidate)
        np.add(candidate, change, candidate)
        np.multiply(candidate, _HALF, candidate)
        np.add(candidate, x[:, early.shape[1] :], candidate)
        np.tanh(candidate, candidate)
        np.subtract(h, candidate, change)
        np.multiply(z, change, h)
        np.add(h, change, change)
        np.multiply(change, _HALF, change)
        np.add(candidate, change, h)

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
