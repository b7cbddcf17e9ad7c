"""The pretrained Alice checkpoint that comes with chargen."""

from pathlib import Path

import pytest
from conftest import Command

from chargen.model import Model
from chargen.store import lookup
from chargen.store.checkpoint import Checkpoint, load
from chargen.store.heldout import held_out
from chargen.text.corpus import load as load_corpus

LARGEST = 8_000_000


@pytest.fixture(scope="module")
def file() -> Path:
    """Where it lies."""
    found = lookup.bundled()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def checkpoint(file: Path) -> Checkpoint:
    """What is in it."""
    return load(file)


def test_it_is_small(file: Path) -> None:
    """A wheel stays light."""
    assert file.stat().st_size <= LARGEST


def test_it_is_what_its_readme_says(checkpoint: Checkpoint) -> None:
    """Trained on the corpus that comes with it, with the best preset's settings, to its end."""
    assert checkpoint.corpus.sha256 == load_corpus("alice").sha256
    assert (checkpoint.model.cell, checkpoint.model.num_layers, checkpoint.model.hidden_size) == ("lstm", 2, 512)
    assert checkpoint.test_bpc is not None


def test_it_scores_what_it_says(checkpoint: Checkpoint, file: Path) -> None:
    """In half precision the weights still have the loss that training measured."""
    found = held_out(checkpoint, file, "val")
    scorer = Model(checkpoint, file).scorer(before=found.before[-1000:])
    assert scorer.feed(found.text).bpc == pytest.approx(checkpoint.history[-1].val_bpc, abs=0.01)


def test_it_writes_at_once(chargen: Command, folder: Path) -> None:
    """Nothing needs to be trained or named first."""
    assert not [*folder.iterdir()]
    result = chargen("sample", "-p", "Alice was", "-n", 40, "--seed", 1)
    assert result.code == 0
    assert result.out.startswith("Alice was")
    assert len(result.out) >= len("Alice was") + 40
