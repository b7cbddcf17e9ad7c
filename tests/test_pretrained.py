"""The models that come with chargen: of Alice, and of English to start from."""

from pathlib import Path

import pytest
from conftest import Command
from samples import load_corpus

from chargen.model import Model
from chargen.store import lookup
from chargen.store.checkpoint import Checkpoint, load
from chargen.store.heldout import held_out
from chargen.text.sources import read_text
from chargen.training.finetune import knows

LARGEST = 8_000_000


@pytest.fixture(scope="module")
def file() -> Path:
    """Where it lies."""
    found = lookup.bundled().get(lookup.PRETRAINED)
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
    """A 2x512 LSTM that ended with Alice, which comes with it, and was tested."""
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


def test_english_is_what_its_readme_says() -> None:
    """Three authors, none of them Carroll; a validation split from the end of each; all of printable ASCII."""
    path = lookup.bundled().get(lookup.ENGLISH)
    assert path is not None
    assert path.stat().st_size <= LARGEST
    english = load(path)
    corpus = load_corpus("english", printable=True)
    assert (english.corpus.sha256, english.corpus.lengths) == (corpus.sha256, corpus.lengths)
    assert (english.vocab, english.corpus.unseen) == (corpus.vocab, corpus.unseen)
    assert {chr(code) for code in range(32, 127)} <= set(english.vocab.characters)
    assert english.val_bpc == pytest.approx(1.384, abs=5e-4)
    found = held_out(english, path, "val", context=1000)
    assert Model(english, path).scorer(before=found.before).feed(found.text[:4000]).bpc < 1.7


def test_english_is_advised_for_english_alone() -> None:
    """It predicts Alice and a diary well, and not German, code or names."""
    path = lookup.bundled().get(lookup.ENGLISH)
    assert path is not None
    english = load(path)
    diary = (
        "So I got home around nine and the whole kitchen was flooded again. Mum called the plumber, who said he "
        "couldn't come before Thursday, which is just great because we've got people coming over tomorrow. I spent an "
        "hour mopping and then gave up and read a book with wet socks. Tom asked if I wanted to go to town on Friday."
    )
    german = (
        "Es war einmal ein kleines Mädchen, das wohnte mit seiner Mutter und einem alten Hund am Rande eines großen "
        "Waldes. Jeden Morgen holte es Wasser vom Brunnen, und jeden Abend hörte es dem Wind in den Bäumen zu."
    )
    assert knows(english, read_text("alice")[:2000])
    assert knows(english, diary)
    for other in (german, Path(__file__).read_text(encoding="utf-8")[:2000], read_text("first-names")[:2000]):
        assert not knows(english, other)
