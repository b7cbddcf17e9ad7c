"""Networks to measure, and the texts to measure them on."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import samples
from samples import load_corpus

from chargen.config import ModelConfig
from chargen.errors import CorpusError
from chargen.experiments.networks import of_cell, of_checkpoint
from chargen.store.checkpoint import Checkpoint, load
from chargen.text.corpus import Texts
from chargen.training.torch_network import StackedRNN


def test_a_checkpoint_is_measured_before_and_after(trained: Path, text_file: Path) -> None:
    """It gives the network that its seed starts from and the one it holds, on what its own text held out."""
    path = trained / "best.safetensors"
    checkpoint = load(path)
    initial, final = of_checkpoint(path, checkpoint, "tiny")
    assert (initial.name, initial.cell, initial.weights) == ("tiny", "lstm", "initial")
    assert final.weights == "trained"
    seeded = StackedRNN(checkpoint.model, seed=checkpoint.train.seed).export()
    for name, weight in checkpoint.weights.items():
        np.testing.assert_array_equal(initial.network.export()[name], seeded[name])
        np.testing.assert_array_equal(final.network.export()[name], weight)
    expected = load_corpus([text_file]).ids[checkpoint.corpus.val[0] :]
    np.testing.assert_array_equal(initial.ids, expected)
    np.testing.assert_array_equal(final.ids, expected)


def test_a_checkpoint_without_its_text_is_refused(trained: Path, tmp_path: Path) -> None:
    """Where a checkpoint's text cannot be found, or nothing of it was held out, the error asks for a text."""
    path = trained / "best.safetensors"
    checkpoint = load(path)

    def changed(**changes: Any) -> Checkpoint:
        return dataclasses.replace(checkpoint, corpus=dataclasses.replace(checkpoint.corpus, **changes))

    with pytest.raises(CorpusError, match=r"trained on, tiny, is not at hand"):
        of_checkpoint(tmp_path / "best.safetensors", checkpoint, "tiny")
    with pytest.raises(CorpusError, match="is not at hand"):
        of_checkpoint(path, changed(sha256="0" * 64), "tiny")
    with pytest.raises(CorpusError, match="held no text out; name one with --text"):
        of_checkpoint(path, changed(val=(5000, 5000), test=(5000, 5000)), "tiny")
    initial, _ = of_checkpoint(path, changed(val=(5000, 5000)), "tiny")
    assert len(initial.ids) == 250


def test_another_text_is_read_in_the_models_characters(tmp_path: Path) -> None:
    """A text of the user's choice is taken whole, and what became of characters that the model lacks is told."""
    file = tmp_path / "text.txt"
    file.write_text("abç dé…\n" * 3, encoding="utf-8")
    checkpoint = samples.checkpoint("\n .abcdé")
    first, second = of_checkpoint(Path("x.safetensors"), checkpoint, "x", Texts(sources=(str(file),)))
    assert checkpoint.vocab.text_of(first.ids) == "abc dé...\n" * 3
    assert first.notes == ("'ç' (U+00E7), 3 times, was read as 'c'", "'…' (U+2026), 3 times, was read as '...'")
    assert second.notes == ()


def test_a_network_that_reads_both_ways_gives_its_forward_half(tmp_path: Path) -> None:
    """A bidirectional checkpoint is taken, and told to be measured in part."""
    file = tmp_path / "text.txt"
    file.write_text("abc", encoding="utf-8")
    first, _ = of_checkpoint(Path("x"), samples.checkpoint(bidirectional=True), "both", Texts(sources=(str(file),)))
    assert first.notes == ("both reads both ways; its forward stack is measured",)


def test_a_fresh_network_can_be_scaled() -> None:
    """Scaling multiplies the recurrent weights alone, and shows in the name."""
    model = ModelConfig(vocab_size=5, cell="gru", hidden_size=4, embedding_size=3)
    ids = np.arange(5)
    plain, scaled = (of_cell(model, ids, seed=3, recurrent_scale=scale) for scale in (1, 2.5))
    assert (plain.name, scaled.name, scaled.weights) == ("gru", "gru x 2.5", "initial")
    seeded = StackedRNN(model, seed=3).export()
    for name, weight in scaled.network.export().items():
        np.testing.assert_array_equal(weight, seeded[name] * (2.5 if name.endswith("weight_hh") else 1))
        np.testing.assert_array_equal(plain.network.export()[name], seeded[name])
