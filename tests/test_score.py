"""Scores: their sums, their honesty, and their pieces."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import chain, random_network

from chargen.errors import CheckpointError, ConfigError
from chargen.inference import score as module
from chargen.inference.generate import collect, generate
from chargen.inference.score import Scored, Scorer
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
        return float(2.0 ** -Scorer(network.reader(), vocab, escape=0.01).feed(context + character).bits[-1])

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
    parts = Scored.joined(scorer.feed(piece) for piece in pieces)
    whole = Scorer(network.reader(), vocab).feed("".join(pieces))
    np.testing.assert_allclose(parts.bits, whole.bits, atol=1e-5)
    assert parts.unknown == whole.unknown


def test_bits_are_those_of_the_distribution() -> None:
    """Each character costs -log2 of its probability after the one before, the first of its after a newline."""
    rows = np.array([[0.5, 0.25, 0.25], [0.125, 0.5, 0.375], [0.25, 0.25, 0.5]])
    network, vocab = chain(np.log(rows).astype(np.float32)), Vocab("\nab")
    scored = Scorer(network.reader(), vocab, escape=1e-12).feed("abb\n")
    np.testing.assert_allclose(scored.bits, -np.log2([0.25, 0.375, 0.5, 0.25]), atol=1e-5)
    assert scored.characters == 4
    assert scored.total == pytest.approx(scored.bits.sum())
    assert scored.bpc == pytest.approx(scored.total / 4)
    assert scored.perplexity == pytest.approx(2**scored.bpc)


def test_an_unlisted_character_pays_the_escape_and_is_skipped() -> None:
    """Without a reserved id it costs the escape and its share of the code points, and the network never reads it."""
    network = random_network()
    scored, clean = (Scorer(network.reader(), PLAIN, escape=0.25).feed(text) for text in ("abéc", "abc"))
    assert scored.bits[2] == pytest.approx(2 + math.log2(CODE_POINTS - 7))
    np.testing.assert_allclose(scored.bits[[0, 1, 3]], clean.bits, atol=1e-6)
    assert (scored.unknown, clean.unknown) == (1, 0)
    listed = Scorer(network.reader(), PLAIN, escape=1e-15).feed("abc").bits
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


def test_a_text_is_scored_from_where_another_ended() -> None:
    """Started from a generated text's ending, the scorer goes on behind it."""
    network = random_network()
    (sample,) = collect(generate(network, PLAIN, PLAIN.ids_of("ab"), length=9, seed=0))
    behind = Scorer(network.reader(state=sample.ending.state), PLAIN, last=sample.ending.last).feed("cab")
    start = Scorer(network.reader(), PLAIN, last=PLAIN.id_of("a"))
    start.feed("b" + sample.text)
    np.testing.assert_allclose(behind.bits, start.feed("cab").bits, atol=1e-5)


def test_what_cannot_be_scored_is_an_error() -> None:
    """An escape outside (0, 1) and a damaged model are reported."""
    network = random_network()
    for escape in (0.0, 1.0, -1.0, math.nan):
        with pytest.raises(ConfigError, match="escape"):
            Scorer(network.reader(), PLAIN, escape=escape)
    with pytest.raises(CheckpointError, match="not finite"):
        Scorer(chain(np.full((2, 2), np.nan, np.float32)).reader(), Vocab("ab")).feed("ab")


def test_no_characters_have_no_mean() -> None:
    """A piece without characters has 0 bits, and nan bits per character."""
    empty = Scorer(random_network().reader(), PLAIN).feed("")
    assert (empty.characters, empty.total, empty.unknown) == (0, 0, 0)
    assert math.isnan(empty.bpc)
