"""The cells' updates against their equations, written out plainly."""

import numpy as np
import pytest
from numpy.typing import NDArray

from chargen.config import CELLS
from chargen.inference.numpy_cells import UPDATES, arranged

Array = NDArray[np.float32]
B, H = 3, 5


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(np.float32)


def draw(seed: int, *shape: int) -> Array:
    """Normally distributed values."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def advance(cell: str, product: Array, x: Array, h: Array, c: Array, extra: Array) -> tuple[Array, Array]:
    """The state (B, H) after one update, from gates (B, G) in PyTorch's order."""
    h, c = np.array(h.T, order="C"), np.array(c.T, order="C")
    update = UPDATES[cell](arranged(cell, product.T), h, c, extra)
    update(arranged(cell, x.T))
    return h.T, c.T


def drawn(cell: str) -> tuple[Array, Array, Array, Array]:
    """A product and an input's share (B, G), in PyTorch's order of gates, and a state."""
    rows = len(CELLS[cell].gates) * H
    return draw(1, B, rows), draw(2, B, rows), draw(3, B, H), draw(4, B, H)


def test_lstm_follows_its_equations() -> None:
    """The new state is c = f c + i g and h = o tanh(c), with sigmoid gates and a tanh candidate."""
    product, x, h, c = drawn("lstm")
    i, f, g, o = np.split(product + x, 4, axis=1)
    expected = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    after_h, after_c = advance("lstm", product, x, h, c, np.empty(0, np.float32))
    np.testing.assert_allclose(after_c, expected, atol=1e-6)
    np.testing.assert_allclose(after_h, sigmoid(o) * np.tanh(expected), atol=1e-6)


def test_peephole_follows_its_equations() -> None:
    """The gates i and f see the previous cell state, o sees the new one (Graves 2013, equations 7 to 11)."""
    product, x, h, c = drawn("peephole")
    weight = draw(5, 3, H)
    i, f, g, o = np.split(product + x, 4, axis=1)
    expected = sigmoid(f + weight[1] * c) * c + sigmoid(i + weight[0] * c) * np.tanh(g)
    after_h, after_c = advance("peephole", product, x, h, c, weight)
    np.testing.assert_allclose(after_c, expected, atol=1e-6)
    np.testing.assert_allclose(after_h, sigmoid(o + weight[2] * expected) * np.tanh(expected), atol=1e-6)


def test_gru_follows_its_equations() -> None:
    """The reset gate scales the recurrent product and its bias together: n = tanh(x + r (a + b))."""
    product, x, h, c = drawn("gru")
    bias = draw(5, H)
    (a_r, a_z, a_n), (x_r, x_z, x_n) = np.split(product, 3, axis=1), np.split(x, 3, axis=1)
    n, z = np.tanh(x_n + sigmoid(a_r + x_r) * (a_n + bias)), sigmoid(a_z + x_z)
    after, _ = advance("gru", product, x, h, c, bias)
    np.testing.assert_allclose(after, (1 - z) * n + z * h, atol=1e-6)


def test_rnn_follows_its_equation() -> None:
    """The new state is h = tanh(a + x)."""
    product, x, h, c = drawn("rnn")
    after, _ = advance("rnn", product, x, h, c, np.empty(0, np.float32))
    np.testing.assert_allclose(after, np.tanh(product + x), atol=1e-6)


@pytest.mark.parametrize("cell", UPDATES)
def test_one_input_serves_every_sequence(cell: str) -> None:
    """An input of one row acts as if it were repeated for the whole batch."""
    product, x, h, c = drawn(cell)
    extra = draw(5, 3, H) if cell == "peephole" else draw(5, H)
    one = advance(cell, product, x[:1], h, c, extra)
    many = advance(cell, product, np.repeat(x[:1], B, axis=0), h, c, extra)
    np.testing.assert_array_equal(one, many)
