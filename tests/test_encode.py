"""Vectors of texts, and states from vectors."""

import numpy as np
import pytest
from networks import random_network, random_weights

from chargen.config import CELLS
from chargen.errors import CheckpointError, ConfigError, TextError
from chargen.inference.encode import encode, state_from
from chargen.inference.numpy_network import Network

TEXTS = [np.array([1, 2, 3, 4]), np.array([5]), np.array([6, 6, 0, 1, 2, 3])]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("skip", [True, False])
def test_a_vector_is_the_hidden_state_after_the_text(cell: str, skip: bool) -> None:
    """Every layer's is what the network's own state holds once it has read the text as a prompt."""
    network = random_network(cell=cell, skip=skip, num_layers=3)
    vectors = encode(network, TEXTS, layer=None)
    assert vectors.shape == (3, 3, 6)
    assert vectors.dtype == np.float32
    for ids, vector in zip(TEXTS, vectors, strict=True):
        reader = network.reader()
        reader.prime(ids)
        np.testing.assert_allclose(vector, reader.state[0, :, 0], atol=1e-6)


def test_the_mean_is_over_all_characters() -> None:
    """Each text's mean is that of the states after each of its characters, whatever the other texts' lengths."""
    network = random_network()
    for ids, vector in zip(TEXTS, encode(network, TEXTS, mean=True, layer=None), strict=True):
        prefixes = [ids[: end + 1] for end in range(len(ids))]
        np.testing.assert_allclose(vector, encode(network, prefixes, layer=None).mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("mean", [False, True])
def test_one_layer_is_a_row_of_all(mean: bool) -> None:
    """Layers count from the first at 0 or from the top at -1, which is what is given without one."""
    network = random_network(num_layers=3)
    every = encode(network, TEXTS, mean=mean, layer=None)
    for layer in range(-3, 3):
        np.testing.assert_array_equal(encode(network, TEXTS, mean=mean, layer=layer), every[:, layer])
    np.testing.assert_array_equal(encode(network, TEXTS, mean=mean), every[:, 2])


def test_what_cannot_be_encoded_is_an_error() -> None:
    """A layer that is not there and an empty text are refused; no texts are no vectors."""
    network = random_network(num_layers=2)
    for layer in (2, -3):
        with pytest.raises(ConfigError, match=rf"from 0 .* to 1 .*, not {layer}"):
            encode(network, TEXTS, layer=layer)
    with pytest.raises(TextError, match="text 2 has no character"):
        encode(network, [np.array([1]), np.array([], np.int64)])
    assert encode(network, [], mean=True).shape == (0, 6)


def test_a_vector_of_every_layer_is_the_whole_state_without_a_cell_state() -> None:
    """A GRU that starts from the vectors of all layers goes on as if it had read the text."""
    network = random_network(cell="gru", num_layers=2)
    (vector,) = encode(network, TEXTS[:1], layer=None)
    reader, started = network.reader(), network.reader(state=state_from(network, vector))
    reader.prime(TEXTS[0])
    np.testing.assert_allclose(started.step(np.array([5])), reader.step(np.array([5])), atol=1e-5)


def test_what_a_vector_does_not_tell_is_zero() -> None:
    """Of an LSTM, the top layer's vector fills its h; the layers below and all cell states are zero."""
    network = random_network(num_layers=3)
    vector = np.arange(1, 7, dtype=np.float16)
    state = state_from(network, vector)
    assert state.shape == (2, 3, 1, 6)
    np.testing.assert_array_equal(state[0, 2, 0], vector)
    assert state.sum() == vector.sum()
    every = state_from(network, np.arange(18).reshape(3, 6))
    np.testing.assert_array_equal(every[0, :, 0], np.arange(18).reshape(3, 6))
    assert not every[1].any()


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        (np.zeros(5), r"shape \(5,\) .* \(6,\) .* \(2, 6\)"),
        (np.zeros((3, 6)), "does not fit"),
        (np.zeros((1, 6)), "does not fit"),
        (np.zeros(()), "does not fit"),
        (np.full(6, np.inf), "not finite"),
        (np.array(["a"] * 6), "not one of numbers"),
        (np.zeros(6, complex), "not one of numbers"),
    ],
)
def test_a_vector_that_does_not_fit_is_refused(
    vector: np.ndarray[tuple[int, ...], np.dtype[np.float64]], words: str
) -> None:
    """Shapes, kinds and values that are no hidden state of the model end in an error that says what is needed."""
    with pytest.raises(TextError, match=words):
        state_from(random_network(num_layers=2), vector)


@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_states_that_are_not_finite_are_no_vectors() -> None:
    """Weights at the end of float32's range are told of, whatever comes out of them is not given as a vector."""
    config = random_network().config
    network = Network(config, random_weights(config, scale=1e38))
    with pytest.raises(CheckpointError, match="hidden states are not finite"):
        encode(network, TEXTS)
