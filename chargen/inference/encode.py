"""Texts as vectors, and a vector as the state that a new text starts from.

N texts, L layers, H hidden, S parts of the state.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chargen.errors import CheckpointError, MismatchError, TextError
from chargen.inference.numpy_cells import Floats
from chargen.inference.numpy_network import Network
from chargen.inference.ragged import side_by_side


def encode(
    network: Network, texts: Sequence[NDArray[np.integer[Any]]], *, mean: bool = False, layer: int | None = -1
) -> Floats:
    """The hidden state of each text, read from a state of zeros as a prompt is.

    A text is the ids of its characters, (T,); a bidirectional network reads with its forward half, and an LSTM's cell
    state is not part of it. ``mean`` and ``layer`` are as in ``chargen.model.Model.encode``.

    Returns:
        Shape (N, H), or (N, L, H) for all layers; float32.

    Raises:
        MismatchError: there is no such layer.
        TextError: a text is empty.
        CheckpointError: the states are not finite.
    """
    layers = network.config.num_layers
    if layer is not None and not -layers <= layer < layers:
        raise MismatchError(f"layer must be from 0 (the first) to {layers - 1} (the top) for this model, not {layer}")
    for at, ids in enumerate(texts, 1):
        if len(ids) == 0:
            raise TextError(f"text {at} has no character that the model can read; there is nothing to encode")
    sums = np.zeros((len(texts), layers, network.config.hidden_size))
    for running, _, hidden in side_by_side(network, texts):
        if mean:
            sums[running] += hidden.sum(axis=0, dtype=np.float64)
        else:
            sums[running] = hidden[-1]
    if mean:
        sums /= np.array([len(ids) for ids in texts]).reshape(-1, 1, 1)
    if not np.isfinite(sums).all():
        raise CheckpointError("the model's hidden states are not finite; its weights are damaged or too large")
    vectors = sums.astype(np.float32)
    return vectors if layer is None else vectors[:, layer]


def state_from(network: Network, vector: NDArray[Any]) -> Floats:
    """The state whose hidden part is ``vector``; an LSTM's cell state is zero.

    Args:
        network: The model.
        vector: The top layer's hidden state, shape (H,), with zeros below it; or that of every layer, (L, H).

    Returns:
        Shape (S, L, 1, H).

    Raises:
        TextError: the shape does not fit the network, or a value is not a finite number of float32.
    """
    layers, size = network.config.num_layers, network.config.hidden_size
    if vector.dtype.kind not in "fiu":
        raise TextError(f"a vector of {vector.dtype} is not one of numbers")
    if vector.shape not in ((size,), (layers, size)):
        raise TextError(
            f"a vector of shape {vector.shape} does not fit this model, which needs ({size},) for its top layer or "
            f"({layers}, {size}) for all"
        )
    state = np.zeros((network.config.state_parts, layers, 1, size), vector.dtype)
    state[0, layers - vector.size // size :, 0] = vector
    return network.reader(state=state).state
