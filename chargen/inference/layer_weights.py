"""The weights of each recurrent layer, laid out in memory as the NumPy network's products take them.

V vocab, E embedding, H hidden, G gates x hidden.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen.config import CELLS, ModelConfig
from chargen.inference.numpy_cells import Floats, arranged

TABLE_BYTES: Final = 64 << 20
"""Largest size of the tables of input products; beyond it (huge vocabularies) the products are taken at each step."""
GAP: Final = 16
"""Unused values behind each row of an array that is read by columns, a cache line of them.

Where the rows are a power of two long, all values of a column compete for the same few places in the cache; the gap
makes reading them four times as fast.
"""

Ids = NDArray[np.integer[Any]]


class InputTerm:
    """What a character adds to one layer's gates, biases included: a row of G values for each id.

    Args:
        bias: The sum of the layer's biases, (G,).
        weight: (E, G) or, one-hot, (V, G); None where the layer does not see the character.
        embedding: (V, E); None for one-hot characters.
        tabulate: Take the products once, for all characters.
    """

    def __init__(self, bias: Floats, weight: Floats | None, embedding: Floats | None, *, tabulate: bool) -> None:
        self._bias = bias[None]  # (1, G)
        self._weight = weight
        self._embedding = embedding
        self._gapped: Floats | None = None  # (V, G + GAP)
        if weight is not None and (tabulate or embedding is None):
            products = weight if embedding is None else embedding @ weight
            self._gapped = np.pad(products + bias, ((0, 0), (0, GAP)))
            self._table = self._gapped[:, :-GAP]

    def __call__(self, ids: Ids | slice) -> Floats:
        """The rows of the characters ``ids``, shape (N, G); (1, G) where they do not matter."""
        if self._gapped is not None:
            return self._table[ids] if isinstance(ids, slice) else self._gapped[ids][:, :-GAP]
        if self._weight is None or self._embedding is None:
            return self._bias
        product: Floats = self._embedding[ids] @ self._weight
        product += self._bias
        return product


class LayerWeights:
    """One layer's weights.

    Of the two layouts each is made when it is first needed. Threads that need it at the same moment may each make it:
    they make the same. Measured with OpenBLAS on matrices of 0.25 to 32 MB: a product with one vector reads columns up
    to a third faster than rows, one with several reads rows up to a third faster.

    Args:
        cell: The cell.
        term: What the character adds to the gates.
        below: Weights of the layer below, (G, H); (G, 0) in the first layer.
        past: Recurrent weights, (G, H).
        extra: Peepholes or the GRU's b_hn.

    Attributes:
        term: The same.
        extra: The same.
    """

    def __init__(self, cell: str, term: InputTerm, below: Floats, past: Floats, extra: Floats) -> None:
        self._cell, self._below, self._past = cell, below, past
        self.term, self.extra = term, extra

    @cached_property
    def columns(self) -> Floats:
        """``below`` and ``past`` side by side, (G, H or 2H), each column contiguous: for one text."""
        return np.asfortranarray(self._joined())

    @cached_property
    def rows(self) -> Floats:
        """The same, each row contiguous: for several texts."""
        return self._joined()

    def _joined(self) -> Floats:
        return arranged(self._cell, np.concatenate([self._below, self._past], axis=1))


def layer_weights(config: ModelConfig, weights: Mapping[str, NDArray[Any]], prefix: str) -> list[LayerWeights]:
    """Each layer's weights, the first one first.

    Args:
        config: The architecture.
        weights: Arrays with the names and shapes of ``config.weight_shapes()``.
        prefix: Of the names of one stack, ``""`` or ``"backward."``.
    """
    cell, size = config.cell, config.hidden_size
    embedding = None if config.one_hot else float32(weights["embedding.weight"])
    seeing = config.num_layers if config.skip else 1
    rows = len(weights[f"{prefix}layers.0.bias_ih"])
    tabulate = config.vocab_size * rows * seeing * 4 <= TABLE_BYTES
    layers = []
    for at in range(config.num_layers):
        layer = {
            name: float32(weights[f"{prefix}layers.{at}.{name}"])
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        extra = np.empty(0, np.float32)
        recurrent_bias = layer["bias_hh"]
        if CELLS[cell].reset_after:
            recurrent_bias, extra = np.split(recurrent_bias, [-size])
            recurrent_bias = np.concatenate([recurrent_bias, np.zeros(size, np.float32)])
        elif CELLS[cell].peepholes:
            extra = float32(weights[f"{prefix}layers.{at}.weight_peephole"])
        below, from_input = np.split(layer["weight_ih"], [size if at else 0], axis=1)
        term = InputTerm(
            arranged(cell, layer["bias_ih"] + recurrent_bias),
            np.ascontiguousarray(arranged(cell, from_input).T) if from_input.size else None,
            embedding,
            tabulate=tabulate,
        )
        layers.append(LayerWeights(cell, term, below, layer["weight_hh"], extra))
    return layers


def float32(weight: NDArray[Any]) -> Floats:
    """The same values in single precision, contiguous; the array itself where it is both."""
    return np.ascontiguousarray(weight, dtype=np.float32)
