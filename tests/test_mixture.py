"""Several networks that predict together: honest as one, and better than the best of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import chain, random_network

from chargen.inference.mixture import Mixture
from chargen.inference.ngram import NGram
from chargen.inference.numpy_network import Network
from chargen.inference.score import Scorer
from chargen.text.vocab import CODE_POINTS, Vocab

LETTERS = "\nabcdef"
VOCAB = Vocab(LETTERS)
texts = st.text(LETTERS + "zé\U0001f600", max_size=30)


def mixed(*networks: Network, read: str | None = None) -> Mixture:
    """The networks together, at the beginning of a text, with a memory of ``read`` where there is one."""
    memory = None if read is None else NGram(VOCAB, read)
    return Mixture([network.reader() for network in networks], memory)


def three(read: str | None = None) -> Mixture:
    """Three different networks together."""
    return mixed(*(random_network(seed=seed) for seed in (1, 2, 3)), read=read)


@given(context=texts, remembers=st.booleans())
def test_probabilities_of_all_characters_sum_to_one(context: str, remembers: bool) -> None:
    """After any context, over all code points, listed or not."""

    def probability(character: str) -> float:
        scorer = Scorer(three("abc" if remembers else None), VOCAB)
        return float(2.0 ** -scorer.feed(context + character).bits[-1])

    unlisted = (CODE_POINTS - len(VOCAB.characters)) * probability("\u2603")
    assert sum(map(probability, VOCAB.characters)) + unlisted == pytest.approx(1, abs=1e-6)


@given(at=st.integers(0, 29), other=st.integers(1, 6))
def test_no_character_is_used_before_it_is_scored(at: int, other: int) -> None:
    """With another character at any place, all distributions up to its own are the same to the bit; the next is not."""
    ids = np.random.default_rng(0).integers(7, size=31)
    changed = ids.copy()
    changed[at + 1] = (ids[at + 1] + other) % 7
    one, two = three(), three()
    before, after = one.run(ids), two.run(changed)
    np.testing.assert_array_equal(after[: at + 1], before[: at + 1])
    assert (after[at + 1] != before[at + 1]).any()


@given(pieces=st.lists(texts, min_size=1, max_size=5))
def test_pieces_score_as_the_whole(pieces: list[str]) -> None:
    """A text fed in any portions, empty ones among them, gives the bits of the whole."""
    whole, parts = Scorer(three(), VOCAB), Scorer(three(), VOCAB)
    bits = [parts.feed(piece).bits for piece in pieces]
    np.testing.assert_allclose(np.concatenate(bits), whole.feed("".join(pieces)).bits, atol=1e-5)


def test_twice_the_same_is_hardly_another() -> None:
    """Two of a kind begin as one of them, and learn together how sure to be."""
    text = "abcdefacebdf" * 3
    one, two = (Scorer(mixed(*[random_network()] * count), VOCAB).feed(text) for count in (1, 2))
    np.testing.assert_allclose(two.bits, one.bits, atol=0.1)
    assert two.bits[0] == pytest.approx(Scorer(random_network().reader(), VOCAB).feed(text).bits[0], abs=1e-5)


def test_each_counts_for_what_it_is_worth() -> None:
    """Of one that knows what follows and one that is sure of what does not, the first soon has the say."""
    text = "abcdef\n" * 600
    knows, errs = (chain(np.roll(np.eye(7, dtype=np.float32), by, axis=1) * 5) for by in (1, -1))
    assert Scorer(errs.reader(), VOCAB).feed(text).bits[-100:].mean() > 5
    together = Scorer(mixed(errs, knows), VOCAB).feed(text)
    assert together.bits[-100:].mean() < together.bits[:100].mean() / 2
    assert together.bits[-100:].mean() < 0.2
