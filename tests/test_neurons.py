"""Units that follow something that has a name."""

import dataclasses

import numpy as np
import pytest
from samples import vocab_of

from chargen.config import CELLS, ModelConfig
from chargen.errors import TextError
from chargen.inference.neurons import NamedUnit, area_under_curve, correlations, named_units, unit_values
from chargen.inference.numpy_network import Network
from chargen.text.features import features
from chargen.text.vocab import Vocab
from chargen.training.torch_network import StackedRNN


@pytest.fixture(scope="module")
def bracketed() -> str:
    """A text with many brackets, of different lengths at irregular distances."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(3, 12, size=(300, 2))
    letters = iter("".join(generator.choice(list("abcde "), size=int(lengths.sum()))))
    return "".join(
        "".join(next(letters) for _ in range(before)) + "(" + "".join(next(letters) for _ in range(within)) + ")"
        for before, within in lengths
    )


def with_planted_unit(vocab: Vocab) -> Network:
    """Random weights, but for unit 5 of layer 1, which "(" switches off and ")" on, and which stays as it is."""
    config = ModelConfig(vocab_size=len(vocab), cell="rnn", num_layers=2, hidden_size=12, one_hot=True, skip=True)
    generator = np.random.default_rng(1)
    weights = {
        name: (0.3 * generator.standard_normal(shape)).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        weights[f"layers.1.{name}"][5] = 0
    weights["layers.1.weight_hh"][5, 5] = 3
    weights["layers.1.weight_ih"][5, 12 + vocab.ids_of("(")] = -9
    weights["layers.1.weight_ih"][5, 12 + vocab.ids_of(")")] = 9
    return Network(config, weights)


def memories(units: list[NamedUnit], text: str) -> list[NamedUnit]:
    """Those that follow what takes memory."""
    names = {feature.name for feature in features(text) if feature.kind == "memory"}
    return [unit for unit in units if unit.name in names]


def test_a_planted_unit_is_found(bracketed: str) -> None:
    """With its place, its sign, and figures near 1; it stands first."""
    vocab = vocab_of(bracketed)
    first = named_units(with_planted_unit(vocab), vocab, bracketed)[0]
    assert (first.name, first.layer, first.unit, first.sign) == ("inside (brackets)", 1, 5, -1)
    assert first.correlation > 0.99
    assert first.auc > 0.99


@pytest.mark.parametrize("cell", CELLS)
def test_an_untrained_network_names_no_memory(cell: str, text: str) -> None:
    """Whatever the cell: the echo of what was read last is not mistaken for one."""
    vocab = vocab_of(text)
    for seed in range(3):
        config = ModelConfig(vocab_size=len(vocab), cell=cell, num_layers=2, hidden_size=64)
        network = Network(config, StackedRNN(config, seed=seed).export())
        assert memories(named_units(network, vocab, text), text) == []


def test_what_the_last_character_tells_is_no_memory() -> None:
    """A unit that only knows a letter from a space is not said to count letters, though words are short."""
    words = np.random.default_rng(0).choice(["a", "b", "ab"], size=800)
    text = " ".join(words)
    vocab = vocab_of(text)
    config = ModelConfig(vocab_size=3, cell="rnn", num_layers=1, hidden_size=1, one_hot=True)
    weights = {name: np.zeros(shape, np.float32) for name, shape in config.weight_shapes().items()}
    weights["layers.0.weight_ih"][0, vocab.ids_of("ab")] = 1
    network = Network(config, weights)
    letters = next(feature.values for feature in features(text) if feature.name == "letters since the word began")
    values = unit_values(network, vocab, vocab.ids_of(text))[:, 0]
    assert correlations(values, letters[:, None])[0, 0] > 0.8
    units = named_units(network, vocab, text)
    assert "just read: a space" in {unit.name for unit in units}
    assert memories(units, text) == []


def test_a_text_begins_as_the_generator_begins(text: str) -> None:
    """After the line break that stands before a text; cells are read as tanh(c), others as h."""
    vocab = vocab_of(text[:300])
    ids = vocab.ids_of(text[:20])
    for cell in ("lstm", "gru"):
        config = ModelConfig(vocab_size=len(vocab), cell=cell, num_layers=2, hidden_size=5)
        network = Network(config, StackedRNN(config).export())
        reader = network.reader()
        reader.prime(np.append(vocab.ids_of("\n"), ids))
        expected = np.tanh(reader.state[1]) if cell == "lstm" else reader.state[0]
        np.testing.assert_allclose(unit_values(network, vocab, ids)[-1], expected[:, 0], atol=1e-6)


def test_correlation_and_area_are_the_textbooks() -> None:
    """Pearson's r as NumPy has it, 0 for a constant; the area counts pairs, ties half."""
    generator = np.random.default_rng(0)
    values, wanted = generator.standard_normal((50, 3)), generator.standard_normal((50, 2))
    values[:, 2] = 4
    found = correlations(values, wanted)
    np.testing.assert_allclose(found[:, :2], np.corrcoef(values[:, :2].T, wanted.T)[2:, :2])
    assert (found[:, 2] == 0).all()
    ties, high = generator.integers(0, 4, 40), generator.random(40) < 0.4
    pairs = [(one > other) + (one == other) / 2 for one in ties[high] for other in ties[~high]]
    assert area_under_curve(ties, high) == pytest.approx(np.mean(pairs))


def test_a_short_text_is_refused(text: str) -> None:
    """It says how much is needed; and every figure is a plain number, as JSON wants it."""
    vocab = vocab_of(text)
    config = ModelConfig(vocab_size=len(vocab), cell="rnn", num_layers=1, hidden_size=8)
    network = Network(config, StackedRNN(config).export())
    with pytest.raises(TextError, match="999 characters are too few"):
        named_units(network, vocab, text[:999])
    for unit in named_units(network, vocab, text[:1000]):
        assert {type(value) for value in dataclasses.astuple(unit)} <= {str, int, float}
