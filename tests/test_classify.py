"""Verdicts: fair whatever the vocabularies, and the same for a text alone and in a batch."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import chain, random_network, random_weights

from chargen.errors import CheckpointError, ConfigError, TextError
from chargen.inference.classify import Verdict, verdicts
from chargen.inference.numpy_network import Network
from chargen.inference.score import ESCAPE, Scorer
from chargen.text.vocab import CODE_POINTS, Vocab

FIRST = (random_network(1), Vocab("\nabcdef"))
SECOND = (random_network(2), Vocab("\nabcxyz"))
RESERVING = (random_network(3), Vocab("\nabcde", unknown=True))
texts = st.text("\nabcdefxyzé", min_size=1, max_size=40)


def even(characters: str) -> tuple[Network, Vocab]:
    """A model to which all its characters are equally likely."""
    return chain(np.zeros((len(characters), len(characters)), np.float32)), Vocab(characters)


def verdict(text: str, *models: tuple[Network, Vocab], **more: object) -> Verdict:
    """On one text."""
    (only,) = verdicts([text], models, **more)  # type: ignore[arg-type]  # what it takes is checked at run time
    return only


@given(context=texts, reserving=st.booleans())
@settings(max_examples=30, deadline=None)
def test_each_models_probabilities_sum_to_one_over_unicode(context: str, reserving: bool) -> None:
    """After any context the characters of all models and the rest of Unicode share exactly 1, in every model."""
    models = [FIRST, SECOND, RESERVING] if reserving else [FIRST, SECOND]
    alphabet = "\nabcdefxyz"
    found = verdicts([context + "a" + each for each in [*alphabet, "\u2603"]], models)
    chances = np.exp2([-each.bits[:, -1] for each in found])  # (characters, models)
    total = chances[:-1].sum(axis=0) + (CODE_POINTS - len(alphabet)) * chances[-1]
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(batch=st.lists(texts, min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_a_batch_gives_what_each_text_gives_alone(batch: list[str]) -> None:
    """Bits differ by less than 1e-4, whatever the other texts are."""
    models = [FIRST, SECOND, RESERVING]
    batch = ["a" + text for text in batch]
    for text, found in zip(batch, verdicts(batch, models), strict=True):
        alone = verdict(text, *models)
        np.testing.assert_allclose(found.bits, alone.bits, atol=1e-4)
        np.testing.assert_array_equal(found.listed, alone.listed)


@given(batch=st.lists(st.text("\nabc", min_size=1, max_size=40), min_size=1, max_size=8))
@settings(max_examples=20, deadline=None)
def test_known_characters_cost_what_score_says_but_for_the_floor(batch: list[str]) -> None:
    """The probability that ``score`` gives and an even share of the escape add up to that of a known character."""
    for text, found in zip(batch, verdicts(batch, [FIRST, SECOND]), strict=True):
        for (network, vocab), bits in zip([FIRST, SECOND], found.bits, strict=True):
            expected = -np.log2(np.exp2(-Scorer(network.reader(), vocab).feed(text).bits) + ESCAPE / 11)
            np.testing.assert_allclose(bits, expected, atol=1e-4)


def test_an_unlisted_character_pays_its_share_of_the_escape_and_is_skipped() -> None:
    """One that only the rival knows costs the escape over all symbols, and nothing after it."""
    found, clean = verdict("abxc", FIRST, SECOND), verdict("abc", FIRST, SECOND)
    assert found.bits[0, 2] == pytest.approx(14 + math.log2(11))  # the ten characters and the rest of Unicode
    np.testing.assert_allclose(found.bits[0, [0, 1, 3]], clean.bits[0], atol=1e-5)
    assert (found.unknown, clean.unknown) == ((1, 0), (0, 0))


def test_a_character_that_nobody_knows_decides_nothing() -> None:
    """It costs all models the same, whatever the sizes of their vocabularies."""
    models = FIRST, SECOND, (random_network(4, vocab_size=3), Vocab("abx"))
    found, clean = verdict("abéc", *models), verdict("abc", *models)
    np.testing.assert_allclose(found.bits[:, 2], 14 + math.log2(11) + math.log2(CODE_POINTS - 10))
    assert found.margin == pytest.approx(clean.margin, abs=1e-5)
    assert found.from_vocabulary == 0


def test_to_know_a_character_never_costs_more_than_not_to() -> None:
    """However unlikely a model thinks a character, or its unknown id, it pays at most the share of the escape."""
    never = np.zeros((4, 4), np.float32)
    never[:, 3] = -1000
    found = verdict("ac", (chain(never), Vocab("\nabc")), (chain(never), Vocab("\nab", unknown=True)), even("\nab"))
    np.testing.assert_allclose(found.bits[:, 1], 14 + math.log2(5))


def test_a_reserved_id_shares_its_probability() -> None:
    """A model that expects unknown characters gives each symbol that it lacks as much: here one, and the rest."""
    sure = np.zeros((4, 4), np.float32)
    sure[:, 3] = 1000
    found = verdict("ac", (chain(sure), Vocab("\nab", unknown=True)), even("\nabc"))
    np.testing.assert_allclose(found.bits[:, 1], [1, 2], atol=2e-4)


def test_the_posterior_follows_from_the_bits_and_the_prior() -> None:
    """Models of 2, 4 and 8 even characters share as 4^-n : 2^-n; a prior shifts the margin by its own ratio."""
    models = even("ab"), even("abcdefgh"), even("abcd")
    found = verdict("abba", *models)
    shares = np.array([1, 2.0**-8, 2.0**-4])
    np.testing.assert_allclose(found.posterior, shares / shares.sum(), atol=1e-4)
    assert found.ranking == (0, 2, 1)
    assert found.margin == pytest.approx(4, abs=1e-3)
    np.testing.assert_allclose(found.lead, 1, atol=1e-3)
    weighted = verdict("abba", *models, prior=[1, 1, 64])
    assert weighted.ranking == (2, 0, 1)
    assert weighted.margin == pytest.approx(2, abs=1e-3)
    assert verdict("abba", *models, prior=[2, 2, 128]).margin == pytest.approx(weighted.margin)


def test_the_characters_that_decided_are_those_that_differ_most() -> None:
    """Differences count whichever model they favour, the first of equals first."""
    rows = np.log([[0.5, 0.25, 0.125, 0.125]] * 4).astype(np.float32)
    first = chain(rows), Vocab("abcd")
    found = verdict("cabab", first, even("abcd"))
    np.testing.assert_allclose(found.lead, [-1, 1, 0, 1, 0], atol=1e-3)
    assert sorted(found.decisive(3)) == [0, 1, 3]
    assert len(found.decisive(99)) == 5
    assert found.decisive(0) == []
    strong = verdict("aax", first, even("abcdx"))
    assert strong.decisive(1) == [2]
    assert strong.from_vocabulary == pytest.approx(strong.lead[2])
    assert strong.ranking == (1, 0)


def test_what_cannot_be_compared_is_an_error() -> None:
    """One model, vocabularies with nothing in common, a bad prior, and texts that say nothing are refused."""
    with pytest.raises(ConfigError, match="at least two"):
        verdicts(["a"], [FIRST])
    with pytest.raises(ConfigError, match="1 and 3 have no character in common"):
        verdicts(["a"], [even("ab"), even("bz"), even("yz")])
    for prior in ([1.0], [1.0, 0.0], [1.0, math.nan], [1.0, -1.0], [math.inf, 1.0]):
        with pytest.raises(ConfigError, match="prior"):
            verdicts(["a"], [FIRST, SECOND], prior=prior)
    with pytest.raises(TextError, match="text 2 is empty"):
        verdicts(["a", ""], [FIRST, SECOND])
    with pytest.raises(TextError, match="text 1 has no character"):
        verdicts(["éß"], [FIRST, SECOND])
    with pytest.raises(CheckpointError, match="not finite"):
        verdicts(["a"], [FIRST, (chain(np.full((2, 2), np.nan, np.float32)), Vocab("ab"))])


def test_no_texts_have_no_verdicts() -> None:
    """Nothing in, nothing out."""
    assert verdicts([], [FIRST, SECOND]) == []


def test_a_bare_string_is_one_text() -> None:
    """A text that is not in a list is one text, not one for each of its characters."""
    (alone,) = verdicts("abc", [FIRST, SECOND])
    np.testing.assert_array_equal(alone.bits, verdict("abc", FIRST, SECOND).bits)


@pytest.mark.parametrize("size", [1e308, 5e-324])
def test_only_the_priors_proportions_matter(size: float) -> None:
    """Also where their sum is beyond the largest float, or they are the smallest."""
    expected = verdict("ab", FIRST, SECOND)
    found = verdict("ab", FIRST, SECOND, prior=[size, size])
    np.testing.assert_allclose(found.posterior, expected.posterior)
    assert found.margin == pytest.approx(expected.margin)


def of_list(seed: int, characters: str, end: str) -> tuple[Network, Vocab]:
    """A model of a list, of random weights."""
    vocab = Vocab(characters, end=end)
    config = random_network(seed, vocab_size=len(characters)).config
    return Network(config, random_weights(config, seed), end=vocab.end_id), vocab


def test_an_items_end_is_charged_where_all_models_are_of_lists() -> None:
    """To each as its own end mark, behind which and from zeros it also begins."""
    lines, files = of_list(1, "\nabcdef", "\n"), of_list(2, "\3abcdef", "\3")
    found = verdict("abba", lines, files)
    assert found.bits.shape == (2, 5)
    assert found.unknown == (0, 0)
    for (network, vocab), bits in zip((lines, files), found.bits, strict=True):
        own = Scorer(network.reader(), vocab).feed("abba" + str(vocab.end))
        np.testing.assert_allclose(bits, own.bits, atol=0.01)


def test_an_items_end_is_not_charged_beside_a_model_of_a_text() -> None:
    """A text goes on, so that its model has no word for an end."""
    assert verdict("abba", of_list(1, "\nabcdef", "\n"), FIRST).bits.shape == (2, 4)


def test_an_item_of_characters_that_no_model_knows_is_refused() -> None:
    """That its end is known does not help."""
    with pytest.raises(TextError, match="no character that any of the models knows"):
        verdict("öö", of_list(1, "\nabcdef", "\n"), of_list(2, "\nabcdef", "\n"))
