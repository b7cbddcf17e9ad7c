"""Filling gaps: exact where it can be, Gibbs sampling elsewhere, and never a look at what is missing."""

import itertools
import string

import numpy as np
import pytest
import torch
from networks import random_weights
from numpy.typing import NDArray

from chargen.config import CELLS, InfillConfig, ModelConfig
from chargen.errors import CheckpointError, TextError
from chargen.inference.generate import start_id
from chargen.inference.infill import LONGEST, Infiller
from chargen.schema import record
from chargen.text.vocab import Vocab
from chargen.training.torch_network import StackedRNN

SETTINGS = InfillConfig()


def infiller(*, size: int = 5, scale: float = 0.5, unknown: bool = False, **settings: object) -> Infiller:
    """A bidirectional network of random weights over the first letters of the alphabet."""
    vocab = Vocab(string.ascii_lowercase[: size - unknown], unknown=unknown)
    values = {"vocab_size": size, "hidden_size": 6, "embedding_size": 4, "bidirectional": True, **settings}
    config = record(ModelConfig, values)
    return Infiller(config, random_weights(config, scale=scale), vocab)


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_joint_distributions_are_those_of_training(cell: str, layers: int, skip: bool) -> None:
    """NumPy and torch agree on every character's distribution from both sides, for every cell and depth."""
    config = ModelConfig(
        vocab_size=5, cell=cell, num_layers=layers, hidden_size=6, embedding_size=4, skip=skip, bidirectional=True
    )
    weights = random_weights(config)
    fill = Infiller(config, weights, Vocab("abcde"))
    network = StackedRNN(config).eval()
    network.load(weights)
    ids = np.random.default_rng(1).integers(5, size=9)
    inputs = torch.from_numpy(np.concatenate([[start_id(fill.vocab)], ids[:-1]]))[:, None]
    with torch.no_grad():
        features, _ = network.features(inputs, network.initial_state(1))
        logits = network.joint_logits(features, torch.from_numpy(ids)[:, None])[:, 0]
    wanted = torch.softmax(logits.double(), dim=-1).numpy()
    found = np.concatenate([fill.marginals(ids, [at], SETTINGS) for at in range(len(ids))])
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_one_missing_character_is_enumerated() -> None:
    """Its candidates' probabilities are the whole distribution: they sum to 1, the likeliest first."""
    found = infiller().fill(np.array([0, 1, 2, 3]), [2], InfillConfig(candidates=5))
    probabilities = [each.probability for each in found]
    assert sum(probabilities) == pytest.approx(1)
    assert probabilities == sorted(probabilities, reverse=True)
    assert {each.fill for each in found} == set("abcde")
    assert all(each.text == f"ab{each.fill}d" for each in found)


@pytest.mark.parametrize("missing", [[0], [2, 3], [0, 5], [5]])
def test_what_stands_at_missing_places_does_not_matter(missing: list[int]) -> None:
    """The answer is the same whatever the gaps hold."""
    fill, ids = infiller(), np.array([0, 1, 2, 3, 4, 0])
    other = ids.copy()
    other[missing] = (other[missing] + 2) % 5
    assert fill.fill(ids, missing, InfillConfig(chains=8, sweeps=4)) == fill.fill(
        other, missing, InfillConfig(chains=8, sweeps=4)
    )


def stationary(fill: Infiller, ids: NDArray[np.int64], places: list[int]) -> NDArray[np.float64]:
    """The distribution (V, V) that a sweep over two places leaves as it is, from the exact conditionals."""
    size = 5
    first, second = np.empty((size, size)), np.empty((size, size))  # of each place, given the other
    for other in range(size):
        text = ids.copy()
        text[places[1]] = other
        first[other] = fill.marginals(text, [places[0]], SETTINGS)[0]
        text = ids.copy()
        text[places[0]] = other
        second[other] = fill.marginals(text, [places[1]], SETTINGS)[0]
    step = np.zeros((size * size, size * size))
    for (_, b), a_next, b_next in itertools.product(itertools.product(range(size), repeat=2), range(size), range(size)):
        for a in range(size):
            step[a * size + b, a_next * size + b_next] = first[b, a_next] * second[a_next, b_next]
    settled: NDArray[np.float64] = np.linalg.matrix_power(step, 200)[0].reshape(size, size)
    return settled


@pytest.mark.parametrize("places", [[2, 3], [1, 4]])
def test_gibbs_samples_follow_the_exact_chain(places: list[int]) -> None:
    """Shares and marginals of two missing characters, next to each other or apart, are those of the exact chain."""
    fill, ids = infiller(scale=1.0), np.array([0, 1, 2, 3, 4, 0])
    wanted = stationary(fill, ids, places)
    found = fill.fill(ids, places, InfillConfig(chains=400, sweeps=30, candidates=25))
    for each in found[:5]:
        a, b = fill.vocab.ids_of(each.fill)
        assert each.probability == pytest.approx(wanted[a, b], abs=0.03)
    marginals = fill.marginals(ids, places, InfillConfig(chains=400, sweeps=30))
    np.testing.assert_allclose(marginals, [wanted.sum(axis=1), wanted.sum(axis=0)], atol=0.02)


def test_from_the_left_only_the_left_counts() -> None:
    """The forward half's marginals do not change with what follows the gap; those from both sides do."""
    fill = infiller(scale=1.0)
    one, other = np.array([0, 1, 2, 3, 4]), np.array([0, 1, 2, 0, 0])
    np.testing.assert_array_equal(fill.left_marginals(one, [2], SETTINGS), fill.left_marginals(other, [2], SETTINGS))
    assert np.abs(fill.marginals(one, [2], SETTINGS) - fill.marginals(other, [2], SETTINGS)).max() > 0.01


def test_the_unknown_id_is_never_filled_in() -> None:
    """A vocabulary's reserved id has no probability in a gap, of one or more characters."""
    fill = infiller(unknown=True)
    ids = np.array([0, 4, 1, 2])
    assert fill.marginals(ids, [2], SETTINGS)[0, 4] == 0
    assert (fill.marginals(ids, [1, 2], InfillConfig(chains=4, sweeps=6))[:, 4] == 0).all()


def test_lengths_are_compared() -> None:
    """With a range of lengths every length is tried, and the shares of all candidates sum to 1."""
    found = infiller().of_lengths("ab", "cd", range(1, 4), InfillConfig(chains=8, sweeps=4, candidates=3))
    assert {len(each.fill) for each in found} == {1, 2, 3}
    assert sum(each.probability for each in found) == pytest.approx(1)
    assert all(each.text == f"ab{each.fill}cd" for each in found)


def test_refusals() -> None:
    """A model of one direction, a text without gaps and one with too many are refused."""
    config = ModelConfig(vocab_size=5, hidden_size=6, embedding_size=4)
    with pytest.raises(CheckpointError, match="--bidirectional"):
        Infiller(config, random_weights(config), Vocab("abcde"))
    with pytest.raises(TextError, match="nothing is missing"):
        infiller().fill(np.zeros(3, np.int64), [], SETTINGS)
    with pytest.raises(TextError, match=f"{LONGEST + 1} characters are missing"):
        infiller().fill(np.zeros(500, np.int64), range(LONGEST + 1), SETTINGS)


def test_a_gap_in_an_item_is_filled_from_that_item_alone() -> None:
    """Of a list both halves begin at the item's end marks; the end is no part of what is filled or shown."""
    fill = infiller()
    item = Infiller(fill.left.config, random_weights(fill.left.config), Vocab("abcde", end="a"))
    plain = fill.between(["c", "da"], [1], InfillConfig())  # the end mark behind the item, written out
    found = item.blanks("c_d", InfillConfig())
    assert [each.text + "a" for each in found] == [each.text for each in plain]
    assert [each.probability for each in found] == pytest.approx([each.probability for each in plain])
    assert [each.text for each in item.blanks("c_da", InfillConfig())] == [each.text for each in found]
    lengths = item.blanks("c_d", InfillConfig(), length=range(1, 3))
    assert all(each.text.startswith("c") and each.text.endswith("d") for each in lengths)
    assert sum(each.probability for each in lengths) <= 1 + 1e-9
