"""A memory of what was read: its probabilities, its honesty, and what it is good for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import chain, random_network
from numpy.typing import NDArray

from chargen.inference import ngram as module
from chargen.inference.mixture import Mixture
from chargen.inference.ngram import DISCOUNTS, ORDER, SHORT, NGram
from chargen.inference.numpy_network import Network
from chargen.inference.score import Scorer
from chargen.text.vocab import CODE_POINTS, Vocab

SIZE = 4
LETTERS = "\nabcdef"
VOCAB = Vocab(LETTERS)
histories = st.lists(st.integers(0, SIZE - 1), max_size=40)
repeating = st.builds(lambda part, times: part * times, st.lists(st.integers(0, 3), max_size=20), st.integers(1, 4))
texts = st.text(LETTERS + "zé\U0001f600", max_size=30)


IGNORANT = chain(np.zeros((7, 7), np.float32))


def remembering(network: Network, vocab: Vocab, read: str = "") -> Mixture:
    """A network together with a memory that has read ``read``."""
    return Mixture([network.reader()], NGram(vocab, read))


def remembered(history: list[int], size: int = SIZE) -> NGram:
    """A memory that has read ``history``."""
    memory = NGram(Vocab("".join(map(chr, range(size)))))
    for character in history:
        memory.read(character)
    return memory


def by_definition(history: list[int]) -> NDArray[np.float64]:
    """Interpolated Kneser-Ney, its counts taken from the whole text anew."""
    text = [0] * ORDER + history
    p = np.full(SIZE, 1 / SIZE)
    for order in range(ORDER + 1):
        context = text[len(text) - order :]
        places = [at for at in range(ORDER, len(text)) if text[at - order : at] == context]
        if not places:
            break
        if order < ORDER:
            following = [s for _, s in {(text[at - order - 1], text[at]) for at in places}]
        else:
            following = [text[at] for at in places]
        counts = np.bincount(following, minlength=SIZE)
        discounted = np.maximum(counts - DISCOUNTS[order], 0)
        p = discounted / counts.sum() + DISCOUNTS[order] * (counts > 0).sum() / counts.sum() * p
    return p


def test_only_the_latest_places_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the last characters were seen, the work of looking them up is bounded; counts of old are let go."""
    history = [1, 2, 3, 1] * 5 + [1, 2, 3, 2] * 5 + [1, 2, 3]
    before = remembered(history).predict()
    monkeypatch.setattr(module, "RECENT", 5)
    p = remembered(history).predict()
    assert p[1] < before[1]
    assert p.sum() == pytest.approx(1, abs=1e-12)


@given(history=histories | repeating)
def test_probabilities_are_those_of_the_definition(history: list[int]) -> None:
    """After any text, short or full of repetitions; they sum to one, and none is 0."""
    p = remembered(history).predict()
    np.testing.assert_allclose(p, by_definition(history), rtol=1e-9)
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert p.min() > 0


def test_discounts_reach_every_order() -> None:
    """One for each length of context, all below 1, so that no count becomes negative."""
    assert len(DISCOUNTS) == ORDER + 1 > SHORT
    assert all(0 < discount < 1 for discount in DISCOUNTS)


def test_large_vocabularies_are_told_apart() -> None:
    """Pairs of the largest ids do not overflow into each other."""
    size = 0x110000
    memory = remembered([size - 1, size - 2, size - 3, size - 4, 7] * 4 + [size - 1, size - 2, size - 3], size)
    assert int(memory.predict().argmax()) == size - 4


@given(context=texts, reserved=st.booleans())
def test_probabilities_of_all_characters_sum_to_one(context: str, reserved: bool) -> None:
    """Together with a network, after any context, over all code points, listed or not."""
    vocab = Vocab(LETTERS[:-1], unknown=True) if reserved else VOCAB

    def probability(character: str) -> float:
        scorer = Scorer(remembering(random_network(), vocab), vocab)
        return float(2.0 ** -scorer.feed(context + character).bits[-1])

    unlisted = (CODE_POINTS - len(vocab.characters)) * probability("\u2603")
    assert sum(map(probability, vocab.characters)) + unlisted == pytest.approx(1, abs=1e-6)


@given(at=st.integers(0, 29), other=st.integers(1, 6))
def test_no_character_is_used_before_it_is_scored(at: int, other: int) -> None:
    """With another character at any place, all distributions up to its own are the same to the bit; the next is not."""
    ids = np.random.default_rng(0).integers(7, size=31)  # those after the first are predicted
    changed = ids.copy()
    changed[at + 1] = (ids[at + 1] + other) % 7
    network = random_network()
    before, after = (remembering(network, VOCAB).run(each) for each in (ids, changed))
    np.testing.assert_array_equal(after[: at + 1], before[: at + 1])
    assert (after[at + 1] != before[at + 1]).any()


@given(pieces=st.lists(texts, min_size=1, max_size=5))
def test_pieces_score_as_the_whole(pieces: list[str]) -> None:
    """A text fed in any portions, empty ones among them, gives the bits of the whole."""
    whole, parts = (Scorer(remembering(random_network(), VOCAB), VOCAB) for _ in range(2))
    bits = [parts.feed(piece).bits for piece in pieces]
    np.testing.assert_allclose(np.concatenate(bits), whole.feed("".join(pieces)).bits, atol=1e-5)


def test_what_was_read_before_is_known() -> None:
    """It costs less, though its network knows nothing."""
    text = "abcdefacebdf" * 3 + "fedcba\n"
    read, unread = (remembering(IGNORANT, VOCAB, before) for before in (text, ""))
    known, new = (Scorer(each, VOCAB).feed(text).bpc for each in (read, unread))
    assert known < new - 0.3
    assert new < Scorer(IGNORANT.reader(), VOCAB).feed(text).bpc - 0.3


@pytest.mark.parametrize("vocab", [VOCAB, Vocab(LETTERS[:-1], unknown=True)], ids=["escaping", "reserving"])
def test_what_was_read_before_is_as_if_it_had_been_fed(vocab: Vocab) -> None:
    """Unknown characters among it, and no line begins between it and the text."""
    read = NGram(vocab, "a\u2603bc")
    Scorer(Mixture([IGNORANT.reader()], read), vocab).feed("de\u2603f")
    ids = [vocab.id_of(character) or vocab.unknown_id for character in "a\u2603bcde\u2603"]
    assert [*read._text[ORDER:]] == [each for each in ids if each is not None]


def test_a_memory_counts_for_what_it_is_worth() -> None:
    """Beside a network that knows nothing, or is sure of what is wrong, it soon has nearly all the say."""
    text = "abcdef\n" * 600
    alone = Scorer(remembering(IGNORANT, VOCAB), VOCAB).feed(text)
    assert alone.bits[:8].mean() > 2
    assert alone.bits[-100:].mean() < 0.5
    wrong = chain(np.roll(np.eye(7, dtype=np.float32), -1, axis=1) * 20)
    assert Scorer(wrong.reader(), VOCAB).feed(text).bits[-100:].mean() > 5
    assert Scorer(remembering(wrong, VOCAB), VOCAB).feed(text).bits[-100:].mean() < 1
