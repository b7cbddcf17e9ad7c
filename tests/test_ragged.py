"""Texts side by side: each as if it were alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_network

from chargen.config import CELLS
from chargen.inference import ragged as module
from chargen.inference.ragged import side_by_side


@pytest.mark.parametrize("cell", CELLS)
@given(lengths=st.lists(st.integers(0, 12), max_size=9), skip=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=8, deadline=None)
def test_every_text_is_read_as_if_it_were_alone(cell: str, lengths: list[int], skip: bool, seed: int) -> None:
    """Whatever the lengths, each text's stretches join up to the hidden states of a run of its own."""
    network = random_network(cell=cell, skip=skip, num_layers=2)
    generator = np.random.default_rng(seed)
    texts = [generator.integers(0, 7, length) for length in lengths]
    found = [np.empty((0, 2, 6), np.float32) for _ in texts]
    for running, start, hidden in side_by_side(network, texts):
        for column, text in enumerate(running):
            assert len(found[text]) == start
            found[text] = np.concatenate([found[text], hidden[:, column]])
    for ids, states in zip(texts, found, strict=True):
        alone = [block[:, 0].copy() for block in network.reader().hidden(ids)]
        np.testing.assert_allclose(states, np.concatenate([states[:0], *alone]), atol=1e-5)


def test_a_batch_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """More texts than that run in several batches, the longest texts together."""
    monkeypatch.setattr(module, "BATCH", 2)
    texts = [np.zeros(length, np.int64) for length in (3, 1, 3, 2, 1)]
    stretches = [(running, start, len(hidden)) for running, start, hidden in side_by_side(random_network(), texts)]
    assert stretches == [([0, 2], 0, 3), ([3, 1], 0, 1), ([3], 1, 1), ([4], 0, 1)]
