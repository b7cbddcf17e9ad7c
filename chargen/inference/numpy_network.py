"""The forward pass in NumPy: characters in, logits out, the state advanced in place.

B batch, T time, V vocab, L layers, H hidden, E embedding, G gates x hidden, R width of the features that the read-out
sees, S parts of the state (2 for h and c, 1 for h alone).

Inside, the batch comes last: weights (G, H) times states (H, B), which leaves each gate in a contiguous block. The
states of a layer and of the one below it lie one behind the other, so that a step of one sequence takes one product a
layer; only the GRU's candidate needs the two apart. What a character adds to the gates is a row of a table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen.config import CELLS, ModelConfig
from chargen.errors import TextError
from chargen.inference.numpy_cells import UPDATES, Floats, Update, arranged

TABLE_BYTES: Final = 64 << 20
"""Largest size of the tables of input products; beyond it (huge vocabularies) the products are taken at each step."""
BLOCK_ROWS: Final = 512
"""Characters whose input products are taken at once by ``run``; more gains nothing and costs memory."""

Ids = NDArray[np.integer[Any]]


class _Input:
    """What a character adds to one layer's gates, biases included: a row of G values for each id."""

    def __init__(self, bias: Floats, weight: Floats | None, embedding: Floats | None, *, tabulate: bool) -> None:
        self._bias = bias[None]  # (1, G)
        self._weight = weight  # (E, G) or, one-hot, (V, G); None where the layer does not see the character
        self._embedding = embedding
        self._table: Floats | None = None  # (V, G)
        if weight is not None and (tabulate or embedding is None):
            self._table = (weight if embedding is None else embedding @ weight) + bias

    def __call__(self, which: Ids | slice) -> Floats:
        """The rows of the characters ``which``, shape (N, G); (1, G) where they do not matter."""
        if self._table is not None:
            return self._table[which]
        if self._weight is None or self._embedding is None:
            return self._bias
        product: Floats = self._embedding[which] @ self._weight
        product += self._bias
        return product


@dataclass
class _Layer:
    """One layer's weights, arranged for the step."""

    input: _Input
    below: Floats  # (G, H), of the layer below; (G, 0) in the first
    past: Floats  # (G, H), recurrent
    extra: Floats  # peepholes or the GRU's b_hn
    joined: Floats | None = None  # (G, H or 2H), ``below`` and ``past`` side by side
    apart: tuple[Floats, Floats] | None = None  # both, row by row

    def laid_out(self, batch: int) -> tuple[Floats, Floats, Floats | None]:
        """``below``, ``past`` and ``joined`` in the order in memory that products with a batch of this size like best.

        Measured with OpenBLAS on matrices of 0.25 to 32 MB: one sequence reads columns up to a third faster than rows,
        and one product instead of two; several sequences read rows up to a third faster. Parts of rows would be copied
        at every product, so with several sequences there is no joined matrix. What was made once is kept.
        """
        if batch > 1:
            if self.apart is None:
                self.apart = np.ascontiguousarray(self.below), np.ascontiguousarray(self.past)
            return *self.apart, None
        if self.joined is None:
            self.joined = np.asfortranarray(np.concatenate([self.below, self.past], axis=1))
            self.below, self.past = np.split(self.joined, [self.below.shape[1]], axis=1)
        return self.below, self.past, self.joined


@dataclass(frozen=True)
class _Bound:
    """One layer with the views of a state that it advances, made once and used at every step."""

    input: _Input
    below: Floats  # the layer's weights, as laid out for the batch
    past: Floats
    joined: Floats | None  # where one product will do
    seen: Floats  # (H or 2H, B), h of the layer below and of this one
    share: Floats  # (G, B), room for the product with the layer below
    gates: Floats  # (G, B), room for the recurrent product, or for that of both
    h: Floats  # (H, B)
    update: Update


class Network:
    """One stack of recurrent layers with its read-out.

    Args:
        config: The architecture.
        weights: Arrays with the names and shapes of ``config.weight_shapes()``; computed with in float32.
        prefix: ``"backward."`` for the backward stack of a bidirectional model, which has features but no read-out.
    """

    def __init__(self, config: ModelConfig, weights: Mapping[str, NDArray[Any]], *, prefix: str = "") -> None:
        self.config = config
        embedding = None if config.one_hot else _float32(weights["embedding.weight"])
        self._layers = _layers(config, weights, prefix, embedding)
        self._readout: tuple[Floats, Floats] | None = None
        if not prefix:
            weight, bias = _float32(weights["readout.weight"]), _float32(weights["readout.bias"])
            self._readout = np.ascontiguousarray(weight.T), bias  # (R, V), (V,)
        self._state: Floats | None = None  # the state that ``_bound`` belongs to
        self._bound: list[_Bound] = []
        self._features: Floats = np.empty((0, 0), np.float32)

    def initial_state(self, batch: int = 1) -> Floats:
        """A state of zeros, shape (S, L, B, H), float32: h is ``state[0]``, c is ``state[1]``.

        In memory it lies as (S, L, H, B), the way the products take it.
        """
        config = self.config
        state = np.zeros((config.state_parts, config.num_layers, config.hidden_size, batch), np.float32)
        return state.transpose(0, 1, 3, 2)

    def adopt_state(self, values: NDArray[Any], batch: int = 1) -> Floats:
        """A copy of a state from elsewhere, shape (S, L, 1 or B, H), for ``batch`` sequences.

        Raises:
            TextError: its shape does not fit this network, or a value is not finite in float32.
        """
        state = self.initial_state(batch)
        parts, layers, _, hidden = state.shape
        if values.ndim != 4 or values.shape not in ((parts, layers, 1, hidden), state.shape):
            raise TextError(
                f"a state of shape {values.shape} does not fit this {self.config.cell} model, "
                f"which needs {(parts, layers, 1, hidden)}"
            )
        with np.errstate(over="ignore"):
            state[:] = values
        if not np.isfinite(state).all():
            raise TextError("the state holds values that are not finite, or too large for float32")
        return state

    def step(self, ids: Ids, state: Floats) -> Floats:
        """The logits (B, V) after one more character of each sequence, ``ids`` (B,); ``state`` is advanced in place.

        Raises:
            ValueError: ``state`` was not made by ``initial_state`` or ``adopt_state`` for this batch.
        """
        if state is not self._state:
            self._bind(state)
        which = slice(int(ids[0]), int(ids[0]) + 1) if len(ids) == 1 else ids
        for bound in self._bound:
            x = bound.input(which).T
            if bound.joined is not None:
                bound.joined.dot(bound.seen, bound.gates)
            else:
                if bound.below.size:
                    bound.below.dot(bound.seen[: -len(bound.h)], bound.share)
                    x = np.add(bound.share, x, bound.share)
                bound.past.dot(bound.h, bound.gates)
            bound.update(x)
        return self.readout(self._features.T)

    def run(self, ids: Ids, state: Floats) -> Floats:
        """The logits after each of many characters, ``state`` advanced in place.

        Args:
            ids: Shape (T,) for one sequence, (T, B) for several.
            state: Shape (S, L, B, H).

        Returns:
            Shape (T, V) or (T, B, V).
        """
        return self.readout(self.features(ids, state))

    def features(self, ids: Ids, state: Floats) -> Floats:
        """What the read-out sees after each character, (T, R) or (T, B, R): arguments as for ``run``."""
        features = np.empty((*ids.shape, self.config.readout_size), np.float32)
        done = 0
        for block in self.hidden(ids, state):
            rows = block.reshape(*block.shape[:2], -1)[:, :, -self.config.readout_size :]
            features[done : done + len(block)] = rows.reshape(len(block), *features.shape[1:])
            done += len(block)
        return features

    def prime(self, ids: Ids, state: Floats) -> None:
        """Advance ``state`` over ``ids``, shape (T,) or (T, B), and keep nothing else: memory does not grow with T."""
        for _ in self.hidden(ids, state):
            pass

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

    def hidden(self, ids: Ids, state: Floats) -> Iterator[Floats]:
        """The hidden states of every layer after each character, in stretches; arguments as for ``run``.

        Yields:
            Shape (t, B, L, H), valid until the next.
        """
        if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < self.config.vocab_size:
            raise ValueError(f"ids must be from 0 to {self.config.vocab_size - 1}")
        self._bind(state)
        batch, size, layers = state.shape[2], self.config.hidden_size, len(self._layers)
        steps = max(1, BLOCK_ROWS // batch)
        out = np.empty((min(steps, len(ids)) * batch, layers * size), np.float32)
        for start in range(0, len(ids), steps):
            which = ids[start : start + steps].reshape(-1)
            rows = out[: len(which)]
            for at, bound in enumerate(self._bound):
                x = bound.input(which)
                if at:
                    x = x + rows[:, (at - 1) * size : at * size].dot(bound.below.T)
                x = np.broadcast_to(x, (len(which), x.shape[1])).reshape(-1, batch, x.shape[1])
                own = rows[:, at * size : (at + 1) * size].reshape(-1, batch, size)
                for now, share in zip(own, x, strict=True):
                    bound.past.dot(bound.h, bound.gates)
                    bound.update(share.T)
                    now[:] = bound.h.T
            yield rows.reshape(-1, batch, layers, size)

    def _bind(self, state: Floats) -> None:
        """Make the views of ``state`` that every step uses."""
        config = self.config
        size, batch = config.hidden_size, state.shape[2] if state.ndim == 4 else 0
        inner = state.transpose(0, 1, 3, 2) if batch else state
        expected = (config.state_parts, config.num_layers, size, batch)
        if inner.shape != expected or state.dtype != np.float32 or not inner.flags.c_contiguous:
            raise ValueError("a state must come from initial_state or adopt_state")
        hidden, cell = inner[0], inner[-1]
        self._bound = []
        for at, layer in enumerate(self._layers):
            below, past, joined = layer.laid_out(batch)
            if CELLS[config.cell].reset_after:
                joined = None
            seen = hidden[max(0, at - 1) : at + 1].reshape(-1, batch)
            share, gates = np.empty((2, len(layer.past), batch), np.float32)
            update = UPDATES[config.cell](gates, hidden[at], cell[at], layer.extra)
            self._bound.append(_Bound(layer.input, below, past, joined, seen, share, gates, hidden[at], update))
        self._features = hidden.reshape(-1, batch)[-config.readout_size :]
        self._state = state


def _layers(
    config: ModelConfig, weights: Mapping[str, NDArray[Any]], prefix: str, embedding: Floats | None
) -> list[_Layer]:
    cell, size = config.cell, config.hidden_size
    seeing = config.num_layers if config.skip else 1
    rows = len(weights[f"{prefix}layers.0.bias_ih"])
    tabulate = config.vocab_size * rows * seeing * 4 <= TABLE_BYTES
    layers = []
    for at in range(config.num_layers):
        own = {
            name: _float32(weights[f"{prefix}layers.{at}.{name}"])
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        extra = np.empty(0, np.float32)
        recurrent_bias = own["bias_hh"]
        if CELLS[cell].reset_after:
            extra = recurrent_bias[2 * size :]
            recurrent_bias = np.concatenate([recurrent_bias[: 2 * size], np.zeros(size, np.float32)])
        elif CELLS[cell].peepholes:
            extra = _float32(weights[f"{prefix}layers.{at}.weight_peephole"])
        below, from_input = np.split(arranged(cell, own["weight_ih"]), [size if at else 0], axis=1)
        term = _Input(
            arranged(cell, own["bias_ih"] + recurrent_bias),
            np.ascontiguousarray(from_input.T) if from_input.size else None,
            embedding,
            tabulate=tabulate,
        )
        layers.append(_Layer(term, below, arranged(cell, own["weight_hh"]), extra))
    return layers


def _float32(weight: NDArray[Any]) -> Floats:
    return np.ascontiguousarray(weight, dtype=np.float32)
