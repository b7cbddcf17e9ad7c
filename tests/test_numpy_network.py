"""The network in NumPy: against torch's cells, against itself in other portions, and its state."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_network, random_weights
from numpy.typing import NDArray
from torch import Tensor, nn

from chargen.config import CELLS, ModelConfig
from chargen.errors import TextError
from chargen.inference import layer_weights
from chargen.inference import numpy_network as module
from chargen.inference.numpy_network import Network, Reader
from chargen.schema import record
from chargen.training.torch_network import StackedRNN

torch.set_num_threads(1)

configs = st.builds(
    ModelConfig,
    vocab_size=st.integers(2, 9),
    cell=st.sampled_from([*CELLS]),
    num_layers=st.integers(1, 3),
    hidden_size=st.integers(1, 9),
    embedding_size=st.integers(1, 6),
    one_hot=st.booleans(),
    skip=st.booleans(),
)


def random_ids(config: ModelConfig, *shape: int, seed: int = 0) -> NDArray[np.int64]:
    """Ids of the vocabulary."""
    return np.random.default_rng(seed).integers(0, config.vocab_size, shape)


def by_steps(reader: Reader, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """The logits of ``ids`` (T, B), shape (T, B, V), a step at a time."""
    return np.stack([reader.step(row) for row in ids])


MODULES = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def by_torch_cells(config: ModelConfig, weights: dict[str, NDArray[np.float32]], ids: NDArray[np.int64]) -> Tensor:
    """Logits (T, B, V) from torch's own recurrent modules, a layer each."""
    tensors = {name: torch.from_numpy(weight) for name, weight in weights.items()}
    one_hot = torch.eye(config.vocab_size)
    x = (one_hot if config.one_hot else tensors["embedding.weight"])[torch.from_numpy(ids)]
    below, outputs = x, []
    for at in range(config.num_layers):
        layer = MODULES[config.cell](below.shape[-1], config.hidden_size)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(layer, f"{name}_l0").data = tensors[f"layers.{at}.{name}"]
        hidden = layer(below)[0]
        outputs.append(hidden)
        below = torch.cat([hidden, x], dim=-1) if config.skip else hidden
    features = torch.cat(outputs, dim=-1) if config.skip else hidden
    logits: Tensor = features @ tensors["readout.weight"].T + tensors["readout.bias"]
    return logits.detach()


@given(config=configs.filter(lambda config: config.cell in MODULES), batch=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_logits_equal_those_of_torch_cells(config: ModelConfig, batch: int) -> None:
    """Whatever the depth, width, skip and input, torch's own modules give the same logits, for the cells they have."""
    weights = random_weights(config)
    network = Network(config, weights)
    ids = random_ids(config, 12, batch)
    logits = network.reader(batch).run(ids)
    np.testing.assert_allclose(logits, by_torch_cells(config, weights, ids), atol=2e-5)


@given(config=configs)
@settings(max_examples=40, deadline=None)
def test_logits_and_state_equal_those_of_the_trained_network(config: ModelConfig) -> None:
    """The training half, from the same weights, has the same logits and the same final state."""
    model = StackedRNN(config, seed=3)
    reader = Network(config, model.export()).reader(2)
    ids = random_ids(config, 20, 2)
    logits = reader.run(ids)
    with torch.no_grad():
        expected, after = model(torch.from_numpy(ids), model.initial_state(2))
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    np.testing.assert_allclose(reader.state, after, atol=1e-5)


@given(config=configs, batch=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_steps_equal_a_run(config: ModelConfig, batch: int) -> None:
    """One character at a time gives the logits and the state of all at once."""
    network = Network(config, random_weights(config))
    ids = random_ids(config, 15, batch)
    stepped, run = network.reader(batch), network.reader(batch)
    np.testing.assert_allclose(by_steps(stepped, ids), run.run(ids), atol=1e-5)
    np.testing.assert_allclose(stepped.state, run.state, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_two_carried_runs_equal_one_long_run(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state carries everything, wherever the text is cut and however long the blocks of products are."""
    network = random_network(cell=cell, num_layers=3)
    ids = random_ids(network.config, 50)
    whole, carried = network.reader(), network.reader()
    expected = whole.run(ids)
    monkeypatch.setattr(module, "BLOCK_ROWS", 8)
    parts = [carried.run(part) for part in (ids[:19], ids[19:])]
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-6)
    np.testing.assert_allclose(carried.state, whole.state, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_sequences_of_a_batch_do_not_touch_each_other(cell: str) -> None:
    """Each sequence of a batch goes as it would alone, from its own state."""
    network = random_network(cell=cell)
    ids = random_ids(network.config, 10, 3)
    reader = network.reader(3)
    reader.state[:] = np.random.default_rng(1).standard_normal(reader.state.shape)
    alone = [network.reader(state=reader.state[:, :, at : at + 1]) for at in range(3)]
    together = by_steps(reader, ids)
    for at in range(3):
        np.testing.assert_allclose(by_steps(alone[at], ids[:, at : at + 1])[:, 0], together[:, at], atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("skip", [True, False])
def test_a_vocabulary_too_large_for_tables_changes_nothing(
    cell: str, skip: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Input products taken at each step equal those looked up."""
    tabulated = random_network(cell=cell, skip=skip)
    monkeypatch.setattr(layer_weights, "TABLE_BYTES", 0)
    computed = random_network(cell=cell, skip=skip)
    ids = random_ids(tabulated.config, 10, 2)
    expected = tabulated.reader(2).run(ids)
    np.testing.assert_allclose(computed.reader(2).run(ids), expected, atol=1e-6)
    np.testing.assert_allclose(by_steps(computed.reader(2), ids), expected, atol=1e-5)
    one = computed.reader().step(ids[0, :1])
    np.testing.assert_allclose(one, expected[0, :1], atol=1e-5)


def test_priming_leaves_the_state_of_a_run() -> None:
    """Priming advances the state as a run does."""
    network = random_network()
    ids = random_ids(network.config, 30)
    primed, run = network.reader(), network.reader()
    primed.prime(ids)
    run.run(ids)
    np.testing.assert_array_equal(primed.state, run.state)
    assert primed.state.any()


def test_the_readout_of_the_features_gives_the_logits() -> None:
    """Features are what the read-out sees: the top layer's state, or every layer's with skip connections."""
    for skip, width in ((True, 12), (False, 6)):
        network = random_network(skip=skip)
        ids = random_ids(network.config, 5)
        reader = network.reader()
        features = reader.features(ids)
        assert features.shape == (5, width)
        np.testing.assert_array_equal(features[-1], reader.state[0, -(width // 6) :, 0].ravel())
        np.testing.assert_allclose(network.readout(features), network.reader().run(ids), atol=1e-6)


def test_the_backward_stack_runs_on_its_own_weights() -> None:
    """With its prefix, the backward half has the features that its weights make without one, and no read-out."""
    sizes = {"vocab_size": 5, "hidden_size": 4, "embedding_size": 3}
    config = record(ModelConfig, {**sizes, "bidirectional": True})
    weights = random_weights(config)
    renamed = {name.removeprefix("backward."): weights[name] for name in weights if name.startswith("backward.")}
    alone = Network(record(ModelConfig, sizes), weights | renamed)
    backward, forward = Network(config, weights, prefix="backward."), Network(config, weights)
    ids = random_ids(config, 6)
    features = backward.reader().features(ids)
    np.testing.assert_array_equal(features, alone.reader().features(ids))
    assert not np.allclose(features, forward.reader().features(ids))
    with pytest.raises(ValueError, match="no read-out"):
        backward.reader().run(ids)


def test_half_precision_weights_are_computed_with_in_single() -> None:
    """A float16 file gives the network of the same weights in float32."""
    config = ModelConfig(vocab_size=5, hidden_size=4, embedding_size=3)
    halves = {name: weight.astype(np.float16) for name, weight in random_weights(config).items()}
    singles = {name: weight.astype(np.float32) for name, weight in halves.items()}
    ids = random_ids(config, 9)
    one, other = (net.reader().run(ids) for net in (Network(config, halves), Network(config, singles)))
    np.testing.assert_array_equal(one, other)
    assert one.dtype == np.float32


def test_logits_of_a_step_outlive_the_next() -> None:
    """A step gives fresh logits; only the state is advanced in place."""
    reader = random_network().reader()
    first = reader.step(np.array([1]))
    kept, before = first.copy(), reader.state.copy()
    reader.step(np.array([2]))
    np.testing.assert_array_equal(first, kept)
    assert not np.array_equal(reader.state, before)


@pytest.mark.parametrize("cell", CELLS)
def test_two_readers_may_take_turns(cell: str) -> None:
    """Steps of one reader do not depend on steps of another of the same network in between."""
    network = random_network(cell=cell)
    ids = random_ids(network.config, 8, 1)
    reader, other = network.reader(), network.reader(2)
    expected = by_steps(network.reader(), ids)
    for row, logits in zip(ids, expected, strict=True):
        other.step(np.array([0, 1]))
        np.testing.assert_array_equal(reader.step(row), logits)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_state_is_taken_for_a_whole_batch(cell: str) -> None:
    """A state of one sequence starts each of a batch; the original stays as it is."""
    network = random_network(cell=cell)
    values = np.random.default_rng(0).standard_normal(network.reader().state.shape)
    reader = network.reader(3, values)
    np.testing.assert_array_equal(reader.state, np.repeat(values.astype(np.float32), 3, axis=2))
    reader.state[:] = 0
    assert values.all()


def test_a_state_that_does_not_fit_is_refused() -> None:
    """A state of another cell or size, or one that is not finite, is an error that names the shape needed."""
    network = random_network()
    for shape in ((1, 2, 1, 6), (2, 2, 1, 5), (2, 2, 2, 6), (2, 2, 6)):
        with pytest.raises(TextError, match=r"needs \(2, 2, 1, 6\)"):
            network.reader(state=np.zeros(shape, np.float32))
    with pytest.raises(TextError, match="not finite"):
        network.reader(state=np.full((2, 2, 1, 6), np.nan))


def test_ids_out_of_range_are_refused() -> None:
    """An id that the vocabulary does not have is an error, never another character."""
    network = random_network()
    for ids in (np.array([0, 7]), np.array([-1])):
        with pytest.raises(ValueError, match="from 0 to 6"):
            network.reader().run(ids)


@pytest.mark.parametrize("cell", CELLS)
def test_an_end_mark_begins_an_item_from_zeros(cell: str) -> None:
    """Read in a stream, in one piece or by steps, each item gives what it gives alone behind its end mark."""
    config = record(ModelConfig, {"vocab_size": 5, "cell": cell, "hidden_size": 6, "embedding_size": 3})
    network = Network(config, random_weights(config), end=0)
    items = [np.array([0, *ids]) for ids in ([1, 2, 3, 4], [2], [], [4, 4, 1], [3, 1, 2])]
    stream = np.concatenate(items)
    alone = np.concatenate([Network(config, random_weights(config)).reader().run(item) for item in items])
    np.testing.assert_allclose(network.reader().run(stream), alone, atol=1e-6)
    np.testing.assert_allclose(by_steps(network.reader(), stream[:, None])[:, 0], alone, atol=1e-6)


def test_items_begin_in_each_text_by_themselves() -> None:
    """Texts side by side forget where they have an end mark, and only there."""
    network = Network(random_network().config, random_weights(random_network().config), end=0)
    ids = random_ids(network.config, 40, 3)
    assert (ids == 0).any(axis=0).all()
    apart = np.stack([network.reader().run(column) for column in ids.T], axis=1)
    np.testing.assert_allclose(network.reader(3).run(ids), apart, atol=1e-6)
    np.testing.assert_allclose(by_steps(network.reader(3), ids), apart, atol=1e-6)
