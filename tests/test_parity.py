"""The forward pass stands twice, in torch and in NumPy: a checkpoint gives the same logits in both."""

from pathlib import Path

import numpy as np
import pytest
import torch
from samples import checkpoint

from chargen.config import CELLS
from chargen.model import Model
from chargen.store.checkpoint import load, save
from chargen.training.torch_network import StackedRNN

TOLERANCE = 1e-4


@pytest.mark.parametrize("one_hot", [True, False], ids=["one-hot", "embedding"])
@pytest.mark.parametrize("skip", [True, False], ids=["skip", "plain"])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_numpy_gives_torchs_logits(cell: str, num_layers: int, skip: bool, one_hot: bool, tmp_path: Path) -> None:
    """Through the same file, a few hundred characters give the same logits and the same state, run or stepped."""
    characters = "".join(map(chr, range(97, 137)))
    save(
        tmp_path / "file",
        checkpoint(characters, scale=0.2, cell=cell, num_layers=num_layers, skip=skip, one_hot=one_hot, hidden_size=24),
    )
    found = load(tmp_path / "file")
    network, torchs = Model(found, tmp_path).network, StackedRNN(found.model)
    torchs.load(found.weights)
    ids = np.random.default_rng(0).integers(0, 40, (300, 2))
    with torch.no_grad():
        expected, after = torchs(torch.from_numpy(ids), torchs.initial_state(2))
    reader, stepped = network.reader(2), network.reader(2)
    np.testing.assert_allclose(reader.run(ids), expected, atol=TOLERANCE, rtol=0)
    np.testing.assert_allclose(reader.state, after, atol=TOLERANCE, rtol=0)
    np.testing.assert_allclose(np.stack([stepped.step(row) for row in ids]), expected, atol=TOLERANCE, rtol=0)
    assert expected.std() > 0.1


def test_a_trained_model_has_the_loss_that_training_told(trained: Path, text: str) -> None:
    """Scored in NumPy, the validation split costs the bits per character that torch measured."""
    found = load(trained / "best.safetensors")
    model = Model(found, trained)
    start, stop = found.corpus.val
    bits = model.score(text[:stop]).bits[start:stop]
    assert found.val_bpc == pytest.approx(float(bits.mean()), abs=2e-3)
