"""Which embeddings of characters lie close together.

V vocab, E embedding, N characters asked about, K neighbours.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chargen.errors import ConfigError

BLOCK_VALUES = 1 << 22
"""Cosines held at once."""


def neighbours(
    vectors: NDArray[np.float32], ids: Sequence[int], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The rows of ``vectors`` that point most nearly where those of ``ids`` do, the nearest first.

    Args:
        vectors: Shape (V, E).
        ids: Rows to find neighbours of, N of them; none is its own.
        count: How many neighbours, at most.

    Returns:
        Their rows and their cosines, both of shape (N, K); the cosine with a vector of zeros is 0.

    Raises:
        ConfigError: ``count`` is not a positive whole number.
    """
    if count < 1:
        raise ConfigError(f"neighbours must be a whole number of at least 1, not {count}")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)  # float32 squares over- and underflow
    directions = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    nearest = np.empty((len(ids), min(count, len(vectors) - 1)), np.int64)
    cosines = np.empty(nearest.shape, np.float32)
    rows = max(1, BLOCK_VALUES // len(vectors))
    for start in range(0, len(ids), rows):
        places = np.array(ids[start : start + rows])
        near = directions[places] @ directions.T  # (rows, V)
        near[np.arange(len(places)), places] = -np.inf
        order = np.argsort(-near, axis=1, kind="stable")[:, : nearest.shape[1]]
        nearest[start : start + rows] = order
        cosines[start : start + rows] = np.take_along_axis(near, order, axis=1)
    return nearest, cosines
