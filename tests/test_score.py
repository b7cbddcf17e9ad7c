"""Scores: their sums, their honesty, and their pieces."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import chain, random_network, random_weights

from chargen.errors import CheckpointError
from chargen.inference import score as module
from chargen.inference.numpy_network import Network
from chargen.inference.score import ESCAPE, Scored, Scorer
from chargen.text.vocab import CODE_POINTS, Vocab

LETTERS = "\nabcdef"
PLAIN = Vocab(LETTERS)
RESERVING = Vocab(LETTERS[:-1], unknown=True)
texts = st.text(LETTERS + "zé\U0001f600", max_size=30)


@given(context=texts, reserved=st.booleans())
@settings(max_examples=40, deadline=None)
def test_probabilities_of_all_characters_sum_to_one(context: str, reserved: bool) -> None:
    """After any context, over all code points, listed or not, with and without a reserved id."""
    network, vocab = random_network(), RESERVING if reserved else PLAIN

    def probability(character: str) -> float:
        return float(2.0 ** -Scorer(network.reader(), vocab).feed(context + character).bits[-1])

    unlisted = (CODE_POINTS - len(vocab.characters)) * probability("\u2603")
    assert sum(map(probability, vocab.characters)) + unlisted == pytest.approx(1, abs=1e-9)


@given(past=texts, future=st.lists(st.sampled_from(LETTERS + "z"), min_size=1, max_size=20), seed=st.randoms())
@settings(max_examples=40, deadline=None)
def test_the_future_does_not_change_the_score_of_the_past(past: str, future: list[str], seed: object) -> None:
    """Whatever follows a text, in whatever order, its own bits stay the same."""
    network = random_network()
    bits = Scorer(network.reader(), PLAIN).feed(past + "".join(future)).bits
    seed.shuffle(future)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    shuffled = Scorer(network.reader(), PLAIN).feed(past + "".join(future)).bits
    np.testing.assert_allclose(shuffled[: len(past)], bits[: len(past)], atol=1e-5)


@given(pieces=st.lists(texts, min_size=1, max_size=5), reserved=st.booleans())
@settings(max_examples=40, deadline=None)
def test_pieces_score_as_the_whole(pieces: list[str], reserved: bool) -> None:
    """A text fed in any portions, empty ones among them, gives the bits of the whole."""
    network, vocab = random_network(), RESERVING if reserved else PLAIN
    scorer = Scorer(network.reader(), vocab)
    parts = Scored.joined([scorer.feed(piece) for piece in pieces])
    whole = Scorer(network.reader(), vocab).feed("".join(pieces))
    np.testing.assert_allclose(parts.bits, whole.bits, atol=1e-5)
    assert parts.unknown == whole.unknown


def test_bits_are_those_of_the_distribution() -> None:
    """Each character costs -log2 of its probability after the one before, the first of its after a newline."""
    rows = np.array([[0.5, 0.25, 0.25], [0.125, 0.5, 0.375], [0.25, 0.25, 0.5]])
    network, vocab = chain(np.log(rows).astype(np.float32)), Vocab("\nab")
    scored = Scorer(network.reader(), vocab).feed("abb\n")
    escape = -math.log2(1 - ESCAPE)
    np.testing.assert_allclose(scored.bits, escape - np.log2([0.25, 0.375, 0.5, 0.25]), atol=1e-6)
    assert scored.characters == 4
    assert scored.total == pytest.approx(scored.bits.sum())
    assert scored.bpc == pytest.approx(scored.total / 4)
    assert scored.perplexity == pytest.approx(2**scored.bpc)


def test_an_unlisted_character_pays_the_escape_and_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a reserved id it costs the escape and its share of the code points, and the network never reads it."""
    network = random_network()
    monkeypatch.setattr(module, "ESCAPE", 0.25)
    scored, clean = (Scorer(network.reader(), PLAIN).feed(text) for text in ("abéc", "abc"))
    assert scored.bits[2] == pytest.approx(2 + math.log2(CODE_POINTS - 7))
    np.testing.assert_allclose(scored.bits[[0, 1, 3]], clean.bits, atol=1e-6)
    assert (scored.unknown, clean.unknown) == (1, 0)
    monkeypatch.setattr(module, "ESCAPE", 1e-15)
    listed = Scorer(network.reader(), PLAIN).feed("abc").bits
    np.testing.assert_allclose(clean.bits - listed, -math.log2(0.75), atol=1e-6)


def test_with_a_reserved_id_an_unlisted_character_is_read() -> None:
    """It costs the reserved id's probability and its share of the code points, and acts on what follows."""
    network = random_network()
    scored = Scorer(network.reader(), RESERVING).feed("abéc")
    logits = network.reader().run(np.array([0, 1, 2, 6])).astype(np.float64)
    bits = -np.log2(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    expected = [bits[0, 1], bits[1, 2], bits[2, 6] + math.log2(CODE_POINTS - 6), bits[3, 3]]
    np.testing.assert_allclose(scored.bits, expected, atol=1e-5)
    assert scored.unknown == 1


def test_a_long_text_is_scored_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of logits change nothing."""
    network = random_network()
    expected = Scorer(network.reader(), PLAIN).feed("abcdefabcfed" * 3).bits
    monkeypatch.setattr(module, "BLOCK", 5)
    np.testing.assert_allclose(Scorer(network.reader(), PLAIN).feed("abcdefabcfed" * 3).bits, expected, atol=1e-5)


def test_a_damaged_model_scores_nothing() -> None:
    """A damaged model is reported."""
    with pytest.raises(CheckpointError, match="not finite"):
        Scorer(chain(np.full((2, 2), np.nan, np.float32)).reader(), Vocab("ab")).feed("ab")


def test_no_characters_have_no_mean() -> None:
    """A piece without characters has 0 bits, and nan bits per character."""
    empty = Scorer(random_network().reader(), PLAIN).feed("")
    assert (empty.characters, empty.total, empty.unknown) == (0, 0, 0)
    assert math.isnan(empty.bpc)


@given(items=st.lists(st.text(LETTERS[1:], max_size=8), min_size=1, max_size=6), cut=st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_each_item_of_a_list_costs_what_it_costs_alone(items: list[str], cut: int) -> None:
    """Its end is charged, nothing before it matters, and pieces that cut items give what the whole gives."""
    vocab = Vocab(LETTERS, end="\n")
    network = Network(random_network().config, random_weights(random_network().config), end=0)

    def scored(text: str) -> Scored:
        scorer = Scorer(network.reader(), vocab)
        return Scored.joined([scorer.feed(text[:cut]), scorer.feed(text[cut:])])

    whole = scored("".join(item + "\n" for item in items))
    alone = [Scorer(random_network().reader(), PLAIN).feed(item + "\n").total for item in items]
    np.testing.assert_allclose(whole.item_bits, alone, atol=1e-4)
    assert whole.items == len(items)
    assert whole.bits_per_item == pytest.approx(sum(alone) / len(items), abs=1e-4)
    assert f", {len(items)} {'item' if len(items) == 1 else 'items'} at " in repr(whole)


def test_a_text_has_no_items() -> None:
    """Line ends are ends of items only in a model of a list."""
    scored = Scorer(random_network().reader(), PLAIN).feed("ab\ncd\n")
    assert scored.items == 0
    assert math.isnan(scored.bits_per_item)
    assert scored.item_bits.shape == (0,)
