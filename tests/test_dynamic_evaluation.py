"""Networks that go on learning from what they read: their honesty, their pieces, their step."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as runs
from hypothesis import strategies as st
from networks import random_weights
from numpy.typing import NDArray
from samples import checkpoint

from chargen.config import CELLS, AdaptConfig, ModelConfig
from chargen.errors import ConfigError, TextError
from chargen.inference.numpy_network import Network
from chargen.inference.score import Scored, Scorer
from chargen.model import Model
from chargen.text.vocab import CODE_POINTS, Vocab
from chargen.training.dynamic_evaluation import FLOOR, Adapter
from chargen.training.torch_network import StackedRNN

LETTERS = "\nabcdef"
VOCAB = Vocab(LETTERS)
CONFIG = ModelConfig(vocab_size=7, hidden_size=6, embedding_size=4)
QUICK = AdaptConfig(adapt_rate=0.05, adapt_every=4)
texts = st.text(LETTERS + "zé\U0001f600", max_size=30)


def adapter(how: AdaptConfig = QUICK, config: ModelConfig = CONFIG) -> Adapter:
    """A small network of random weights that learns fast."""
    return Adapter(config, random_weights(config), how)


def scored(text: str, *, how: AdaptConfig = QUICK, vocab: Vocab = VOCAB) -> Scored:
    """The bits of a text under such a network."""
    return Scorer(adapter(how), vocab).feed(text)


def logits(ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """What such a network predicts after each character."""
    network = adapter()
    return network.run(ids)


@given(context=texts, reserved=st.booleans())
@runs(max_examples=15)
def test_probabilities_of_all_characters_sum_to_one(context: str, reserved: bool) -> None:
    """After any context that was learnt from, over all code points, listed or not."""
    vocab = Vocab(LETTERS[:-1], unknown=True) if reserved else VOCAB

    def probability(character: str) -> float:
        return float(2.0 ** -scored(context + character, vocab=vocab).bits[-1])

    unlisted = (CODE_POINTS - len(vocab.characters)) * probability("\u2603")
    assert sum(map(probability, vocab.characters)) + unlisted == pytest.approx(1, abs=1e-6)


@given(past=texts, future=st.lists(st.sampled_from(LETTERS + "z"), min_size=1, max_size=20), seed=st.randoms())
@runs(max_examples=20)
def test_the_future_does_not_change_the_score_of_the_past(past: str, future: list[str], seed: object) -> None:
    """Whatever follows a text, in whatever order, its own bits stay the same."""
    bits = scored(past + "".join(future)).bits
    seed.shuffle(future)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    np.testing.assert_allclose(scored(past + "".join(future)).bits[: len(past)], bits[: len(past)], atol=1e-5)


@given(at=st.integers(0, 29), other=st.integers(1, 6))
@runs(max_examples=30)
def test_no_character_is_used_before_it_is_scored(at: int, other: int) -> None:
    """With another character at any place, all distributions up to its own are the same to the bit; the next is not."""
    ids = np.random.default_rng(0).integers(7, size=31)  # those after the first are predicted
    changed = ids.copy()
    changed[at + 1] = (ids[at + 1] + other) % 7
    before, after = logits(ids), logits(changed)
    np.testing.assert_array_equal(after[: at + 1], before[: at + 1])
    assert (after[at + 1] != before[at + 1]).any()


@pytest.mark.parametrize("cell", CELLS)
def test_pieces_give_what_the_whole_would(cell: str) -> None:
    """Stretches are counted from the text's start, wherever its pieces are cut, empty ones among them."""
    config = dataclasses.replace(CONFIG, cell=cell)
    ids = np.random.default_rng(1).integers(7, size=60)
    whole, parts = adapter(config=config), adapter(config=config)
    expected = whole.run(ids)
    rows = [parts.run(piece) for piece in np.split(ids, [1, 3, 3, 12, 13, 50])]
    np.testing.assert_allclose(np.concatenate(rows), expected, atol=1e-4)
    for name, weight in whole.export().items():
        np.testing.assert_allclose(parts.export()[name], weight, atol=1e-4, err_msg=name)


def test_what_repeats_is_learnt() -> None:
    """A text that goes in a circle soon costs next to nothing, which the network as trained finds hard."""
    text = "abcfed" * 100
    static = Scorer(Network(CONFIG, random_weights(CONFIG)).reader(), VOCAB).feed(text)
    adapted = scored(text, how=AdaptConfig(adapt_rate=0.02, adapt_every=5))
    assert static.bits[-60:].mean() > 2
    assert adapted.bits[-60:].mean() < 0.2


def test_at_rate_zero_nothing_is_learnt() -> None:
    """The scores are then those of the NumPy network, and the weights stay those of the training."""
    network = adapter(AdaptConfig(adapt_rate=0, adapt_every=3))
    bits = Scorer(network, VOCAB).feed("abcdefabzcfed" * 5).bits
    static = Scorer(Network(CONFIG, random_weights(CONFIG)).reader(), VOCAB).feed("abcdefabzcfed" * 5).bits
    np.testing.assert_allclose(bits, static, atol=1e-4)
    for name, weight in random_weights(CONFIG).items():
        np.testing.assert_array_equal(network.export()[name], weight)


def test_what_is_certain_teaches_nothing() -> None:
    """Where all gradients are zero the weights stay as they are."""
    weights = {name: 0 * weight for name, weight in random_weights(CONFIG).items()}
    weights["readout.bias"][1] = 1e4
    network = Adapter(CONFIG, weights, QUICK)
    network.run(np.ones(20, np.int64))
    for name, weight in network.export().items():
        np.testing.assert_array_equal(weight, weights[name])


def test_a_step_is_the_papers() -> None:
    """Two steps on the same stretch twice: each by its gradient over the RMS of all so far, and back by the decay."""
    how = AdaptConfig(adapt_rate=0.01, adapt_every=3, adapt_decay=0.2)
    ids = torch.tensor([1, 2, 3, 4, 5, 6, 1])
    network = StackedRNN(CONFIG)
    network.load(random_weights(CONFIG))
    weights = dict(network.named_parameters())
    trained = {name: weight.detach().clone() for name, weight in weights.items()}
    squares = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    state = network.initial_state(1)
    for step, at in enumerate((0, 3), 1):
        rows, after = network(ids[at : at + 3, None], state)
        state = after.detach()
        loss = -rows[:, 0].log_softmax(-1)[range(3), ids[at + 1 : at + 4]].mean()
        gradients = torch.autograd.grad(loss, list(weights.values()))
        with torch.no_grad():
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
                squares[name] += gradient**2
                size = (squares[name] / step).sqrt()
                weight.add_((how.adapt_decay * size / size.mean()).clamp(max=1) * (trained[name] - weight))
                weight.sub_(how.adapt_rate * gradient / (size + FLOOR * size.mean()))
    learnt = adapter(how)
    learnt.run(ids.numpy())
    for name, weight in weights.items():
        np.testing.assert_allclose(learnt.export()[name], weight.detach().numpy(), atol=1e-5, err_msg=name)


def test_a_bidirectional_network_learns_with_its_forward_half() -> None:
    """What reads the future stays as it was."""
    config = dataclasses.replace(CONFIG, bidirectional=True)
    network = adapter(config=config)
    network.run(np.arange(20) % 7)
    for name, weight in random_weights(config).items():
        stays = name.startswith(("backward.", "joint."))
        assert np.array_equal(network.export()[name], weight) == stays, name


@pytest.mark.parametrize(
    "wrong", [{"adapt_rate": -1}, {"adapt_rate": math.nan}, {"adapt_every": 0}, {"adapt_decay": 2}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    """Each by its name."""
    with pytest.raises(ConfigError, match=next(iter(wrong)).replace("_", "-")):
        AdaptConfig(**wrong)  # type: ignore[arg-type]  # what they may be is checked at run time


def test_the_library_scores_and_adapts(text: str) -> None:
    """``score(adapt=True)`` learns from a copy; ``adapted`` keeps what was learnt, and is another model."""
    model = Model(checkpoint("".join(sorted(set(text)))), None)  # type: ignore[arg-type]  # no file is needed
    static = model.score(text[:600])
    learnt = model.score(text[:600], adapt=True, adapt_rate=0.01)
    assert learnt.bpc < static.bpc
    assert model.score(text[:600]).bpc == static.bpc
    other = model.adapted(text[:600] + "\N{SNOWMAN}", adapt_rate=0.01)
    assert other.score(text[:600]).bpc < static.bpc
    pulled = model.adapted(text[:600], adapt_rate=0.01, adapt_decay=0.5)
    assert other.score(text[:600]).bpc < pulled.score(text[:600]).bpc
    assert (other.checkpoint.history, other.checkpoint.test_bpc) == ((), None)
    with pytest.raises(TextError, match="19 characters are too few"):
        model.adapted(text[:19])
    assert model.adapted(text[:20]).score(text[:50]).bpc != model.score(text[:50]).bpc


@pytest.mark.parametrize("cell", CELLS)
def test_each_item_of_a_list_begins_from_zeros(cell: str) -> None:
    """Weights that stay predict what the network in NumPy predicts, whatever stretches items are cut into."""
    config = dataclasses.replace(CONFIG, cell=cell)
    ids = np.array([0, 1, 2, 3, 0, 0, 4, 5, 6, 1, 2, 3, 4, 0, 5])
    expected = Network(config, random_weights(config), end=0).reader().run(ids)
    for every in (1, 4, 20):
        found = Adapter(config, random_weights(config), AdaptConfig(adapt_rate=0, adapt_every=every), end=0).run(ids)
        np.testing.assert_allclose(found, expected, atol=1e-5)


@given(cuts=st.lists(st.integers(0, 60), max_size=5))
@runs(max_examples=10)
def test_pieces_of_a_list_teach_what_the_whole_does(cuts: list[int]) -> None:
    """Wherever the pieces cut its items."""
    ids = np.random.default_rng(0).integers(0, 7, 60)

    def learnt_from(*pieces: NDArray[np.int64]) -> NDArray[np.float32]:
        network = Adapter(CONFIG, random_weights(CONFIG), QUICK, end=0)
        return np.concatenate([network.run(piece) for piece in pieces])

    np.testing.assert_allclose(learnt_from(*np.split(ids, sorted(cuts))), learnt_from(ids), atol=1e-4)
