"""The forward pass in NumPy: characters in, logits out, the state advanced in place.

B batch, T time, V vocab, L layers, H hidden, E embedding, G gates x hidden, R width of the features that the read-out
sees, S parts of the state (2 for h and c, 1 for h alone).

A ``Network`` is weights, which never change, so that any number of threads may share one. What belongs to the texts
that are read, their state and the arrays that a step works in, lives in a ``Reader``.

Inside, the batch comes last: weights (G, H) times states (H, B), which leaves each gate in a contiguous block. The
states of a layer and of the one below it lie one behind the other, so that a step takes one product a layer; only the
GRU's candidate needs the two apart. What a character adds to the gates is a row of a table.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen.config import CELLS, ModelConfig
from chargen.errors import TextError
from chargen.inference.layer_weights import GAP, LayerWeights, float32, layer_weights
from chargen.inference.numpy_cells import UPDATES, Floats

BLOCK_ROWS: Final = 512
"""Characters whose input products are taken at once by ``run``; more gains nothing and costs memory."""

Ids = NDArray[np.integer[Any]]


class Network:
    """The weights of one stack of recurrent layers and of its read-out.

    Args:
        config: The architecture.
        weights: Arrays with the names and shapes of ``config.weight_shapes()``; computed with in float32.
        prefix: ``"backward."`` for the backward stack of a bidirectional model, which has features but no read-out.
        end: The end mark's id in a model of a list. The state before it is forgotten, so that each item begins from
            zeros with the end mark before it.
    """

    def __init__(
        self, config: ModelConfig, weights: Mapping[str, NDArray[Any]], *, prefix: str = "", end: int | None = None
    ) -> None:
        self.config = config
        self.end = end
        self.layers = layer_weights(config, weights, prefix)
        self._readout: tuple[Floats, Floats] | None = None
        if not prefix:
            weight, bias = float32(weights["readout.weight"]), float32(weights["readout.bias"])
            self._readout = np.ascontiguousarray(weight.T), bias  # (R, V), (V,)

    def reader(self, batch: int = 1, state: NDArray[Any] | None = None) -> "Reader":
        """A reader of ``batch`` texts side by side.

        Args:
            batch: Number of texts.
            state: Where they start, copied: (S, L, 1, H) for all of them or (S, L, B, H); zeros with None.

        Raises:
            TextError: the state's shape does not fit this network, or a value is not finite in float32.
        """
        reader = Reader(self, batch)
        if state is not None:
            parts, layers, _, size = reader.state.shape
            if state.shape not in ((parts, layers, 1, size), reader.state.shape):
                raise TextError(
                    f"a state of shape {state.shape} does not fit this {self.config.cell} model, "
                    f"which needs {(parts, layers, 1, size)}"
                )
            with np.errstate(over="ignore"):
                reader.state[:] = state
            if not np.isfinite(reader.state).all():
                raise TextError("the state holds values that are not finite, or too large for float32")
        return reader

    def readout(self, features: Floats) -> Floats:
        """The logits (..., V) of ``features`` (..., R).

        Raises:
            ValueError: this is a backward stack.
        """
        if self._readout is None:
            raise ValueError("a backward stack has no read-out of its own")
        weight, bias = self._readout
        logits: Floats = features.dot(weight)
        logits += bias
        return logits

    def logits(self, hidden: Floats) -> Floats:
        """The logits (..., V) of the ``hidden`` states of every layer (..., L, H)."""
        return self.readout(hidden.reshape(*hidden.shape[:-2], -1)[..., -self.config.readout_size :])


class Reader:
    """Texts that a network reads side by side, and the state in which the characters so far have left it.

    Like a file, a reader serves one thread at a time.

    Args:
        network: The weights.
        batch: Number of texts.

    Attributes:
        state: Shape (S, L, B, H), float32, zeros at first: h is ``state[0]``, c is ``state[1]``. In memory it lies as
            (S, L, H, B), the way the products take it.
    """

    def __init__(self, network: Network, batch: int) -> None:
        config = network.config
        inner = np.zeros((config.state_parts, config.num_layers, config.hidden_size, batch), np.float32)
        hidden, cell = inner[0], inner[-1]
        self._network = network
        self._layers = [
            _Bound(config.cell, layer, hidden[max(0, at - 1) : at + 1], cell[at])
            for at, layer in enumerate(network.layers)
        ]
        self._features = hidden.reshape(-1, batch)[-config.readout_size :]  # (R, B)
        self.state = inner.transpose(0, 1, 3, 2)

    def select(self, texts: Sequence[int]) -> "Reader":
        """A reader of these texts alone, given by their places, which goes on where this one stands.

        A text may be chosen several times.
        """
        selected = Reader(self._network, len(texts))
        selected.state[:] = self.state[:, :, texts]
        return selected

    def step(self, ids: Ids) -> Floats:
        """The logits (B, V) after one more character of each text, ``ids`` (B,)."""
        if self._network.end is not None and self._network.end in ids:
            self.state[:, :, ids == self._network.end] = 0
        rows = slice(int(ids[0]), int(ids[0]) + 1) if len(ids) == 1 else ids
        for layer in self._layers:
            x = layer.term(rows).T
            if layer.share is None:
                layer.joined.dot(layer.seen, layer.gates)
            else:
                if layer.below.size:
                    layer.times_below(layer.seen[: -len(layer.h)], layer.share)
                    x = np.add(layer.share, x, layer.share)
                layer.times_past(layer.h, layer.gates)
            layer.update(x)
        return self._network.readout(self._features.T)

    def run(self, ids: Ids) -> Floats:
        """The logits after each of many characters.

        Args:
            ids: Shape (T,) for one text, (T, B) for several.

        Returns:
            Shape (T, V) or (T, B, V).
        """
        return self._network.readout(self.features(ids))

    def features(self, ids: Ids) -> Floats:
        """What the read-out sees after each character, (T, R) or (T, B, R): arguments as for ``run``."""
        width = self._network.config.readout_size
        features = np.empty((*ids.shape, width), np.float32)
        done = 0
        for block in self.hidden(ids):
            rows = block.reshape(*block.shape[:2], -1)[:, :, -width:]
            features[done : done + len(block)] = rows.reshape(len(block), *features.shape[1:])
            done += len(block)
        return features

    def prime(self, ids: Ids) -> None:
        """Read ``ids``, shape (T,) or (T, B), and keep nothing but the state: memory does not grow with T."""
        for _ in self.hidden(ids):
            pass

    def hidden(self, ids: Ids) -> Iterator[Floats]:
        """The hidden states of every layer after each character, in stretches; arguments as for ``run``.

        Yields:
            Shape (t, B, L, H), valid until the next.
        """
        config = self._network.config
        if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < config.vocab_size:
            raise ValueError(f"ids must be from 0 to {config.vocab_size - 1}")
        batch, size, layers = self.state.shape[2], config.hidden_size, len(self._layers)
        steps = max(1, BLOCK_ROWS // batch)
        room = min(steps, len(ids)) * batch
        out, products = _gapped(room, layers * size), _gapped(room, len(self._layers[0].gates))
        for start in range(0, len(ids), steps):
            read = ids[start : start + steps].reshape(-1)
            hidden = out[: len(read)].reshape(-1, batch, layers, size)
            inputs = products[: len(read)]
            begun = self._items_begun(read.reshape(-1, batch))
            for at, layer in enumerate(self._layers):
                inputs[:] = layer.term(read)
                if at:
                    inputs += out[: len(read), (at - 1) * size : at * size] @ layer.below.T
                xs = inputs.reshape(-1, batch, inputs.shape[1])
                for x, h, texts in zip(xs, hidden[:, :, at], begun, strict=True):
                    if texts is not None:
                        layer.h[:, texts] = layer.c[:, texts] = 0
                    layer.times_past(layer.h, layer.gates)
                    layer.update(x.T)
                    h[:] = layer.h.T
            yield hidden

    def _items_begun(self, ids: Ids) -> list[NDArray[np.bool_] | None]:
        """For each step of ``ids`` (t, B) the texts (B,) that begin an item with it; None where none does."""
        if self._network.end is None:
            return [None] * len(ids)
        return [texts if texts.any() else None for texts in ids == self._network.end]


class _Bound:
    """One layer with the views of a reader's state that it advances, made once and used at every step.

    Args:
        cell: The cell.
        layer: The weights.
        hidden: h of the layer below, if there is one, and of this one, (1 or 2, H, B).
        c: Its c, (H, B); in a cell that has none its h.
    """

    def __init__(self, cell: str, layer: LayerWeights, hidden: Floats, c: Floats) -> None:
        h, batch = hidden[-1], hidden.shape[-1]
        self.term, self.h, self.c = layer.term, h, c
        self.seen = hidden.reshape(-1, batch)  # (H or 2H, B)
        # (G, H or 2H), weights of the layer below and recurrent ones, and the product of each with a state
        self.joined = layer.columns if batch == 1 else layer.rows
        self.below, past = np.split(self.joined, [self.joined.shape[1] - len(h)], axis=1)
        self.times_below, self.times_past = _times(self.below), _times(past)
        self.gates = np.empty((len(self.joined), batch), np.float32)  # room for the recurrent product, or that of both
        # room for the product with the layer below where the two must stay apart
        self.share = np.empty_like(self.gates) if CELLS[cell].reset_after else None
        self.update = UPDATES[cell](self.gates, h, c, layer.extra)


def _times(matrix: Floats) -> Callable[[Floats, Floats], object]:
    """The product of ``matrix`` with a state, into an array: dot is quicker to call, but would copy a part of rows."""
    return functools.partial(np.matmul, matrix) if matrix.strides[1] == matrix.itemsize else matrix.dot


def _gapped(rows: int, columns: int) -> Floats:
    return np.empty((rows, columns + GAP), np.float32)[:, :-GAP]
