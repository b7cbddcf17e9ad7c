"""Embeddings and who lies next to whom."""

from pathlib import Path

import numpy as np
import pytest
import samples

from chargen.errors import ConfigError
from chargen.inference import embeddings as module
from chargen.inference.embeddings import neighbours
from chargen.model import Model

COMPASS = np.array([[1, 0], [2, 2], [0, 3], [-1, 0], [0, 0]], np.float32)


def test_embeddings_are_the_models() -> None:
    """One row for each id, the reserved one last."""
    checkpoint = samples.checkpoint(unknown=True)
    found = Model(checkpoint, Path("x")).embeddings()
    assert found.shape == (8, 3)
    np.testing.assert_array_equal(found, checkpoint.weights["embedding.weight"])


def test_a_one_hot_model_has_none() -> None:
    """It is an error that says why."""
    with pytest.raises(ConfigError, match="reads one-hot characters; it has no embeddings"):
        Model(samples.checkpoint(one_hot=True), Path("x")).embeddings()


def test_neighbours_are_ordered_by_cosine() -> None:
    """By direction, not by distance; nobody is their own neighbour; a vector of zeros is at right angles to all."""
    nearest, cosines = neighbours(COMPASS, [0, 2, 4], 3)
    assert nearest.tolist() == [[1, 2, 4], [1, 0, 3], [0, 1, 2]]
    half = np.sqrt(0.5)
    np.testing.assert_allclose(cosines, [[half, 0, 0], [half, 0, 0], [0, 0, 0]], atol=1e-6)


def test_there_are_no_more_neighbours_than_others() -> None:
    """Asked for more, all others come, the opposite last."""
    nearest, cosines = neighbours(COMPASS, [0], 99)
    assert nearest.tolist() == [[1, 2, 4, 3]]
    assert cosines[0, -1] == -1


def test_many_characters_are_compared_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks change nothing."""
    vectors = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    expected = neighbours(vectors, range(20), 5)
    monkeypatch.setattr(module, "BLOCK_VALUES", 60)
    nearest, cosines = neighbours(vectors, range(20), 5)
    np.testing.assert_array_equal(nearest, expected[0])
    np.testing.assert_allclose(cosines, expected[1], atol=1e-6)


def test_at_least_one_neighbour_is_asked_for() -> None:
    """Zero and less are refused."""
    for count in (0, -1):
        with pytest.raises(ConfigError, match="neighbours"):
            neighbours(COMPASS, [0], count)


def test_lengths_do_not_matter() -> None:
    """Nor do they where their squares are beyond float32."""
    expected = neighbours(COMPASS, [0, 2, 4], 3)
    for length in (1e30, 1e-30):
        nearest, cosines = neighbours(COMPASS * np.float32(length), [0, 2, 4], 3)
        np.testing.assert_array_equal(nearest, expected[0])
        np.testing.assert_allclose(cosines, expected[1], atol=1e-6)
