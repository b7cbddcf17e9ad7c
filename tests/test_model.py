"""The network in torch: its weights, its forward pass and its dropout."""

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from chargen.config import CELLS, ModelConfig, TrainConfig
from chargen.schema import record
from chargen.training.dropout import Dropout, Masks, random_entries
from chargen.training.torch_network import StackedRNN

CPU = torch.device("cpu")
NO_DROPOUT = TrainConfig(dropout=0, input_dropout=0, output_dropout=0, weight_drop=0)


def config(**changes: object) -> ModelConfig:
    """A small architecture."""
    return record(ModelConfig, {"vocab_size": 9, "hidden_size": 6, "embedding_size": 4, **changes})


def random_ids(*shape: int) -> Tensor:
    """Ids of the vocabulary."""
    return torch.randint(9, shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "changes", [{}, {"one_hot": True}, {"skip": False}, {"num_layers": 3}, {"bidirectional": True}]
)
def test_weights_have_the_names_and_shapes_of_the_settings(cell: str, changes: dict[str, object]) -> None:
    """What the network has is what a checkpoint of these settings holds."""
    settings = config(cell=cell, **changes)
    network = StackedRNN(settings)
    assert {name: weight.shape for name, weight in network.export().items()} == settings.weight_shapes()
    assert sum(weight.numel() for weight in network.parameters()) == settings.parameters


@pytest.mark.parametrize("cell", CELLS)
def test_initial_weights(cell: str) -> None:
    """Recurrent matrices are orthogonal gate by gate, forget gates open, other biases and the peepholes zero."""
    weights = StackedRNN(config(cell=cell, hidden_size=8)).state_dict()
    recurrent = weights["layers.1.weight_hh"].view(len(CELLS[cell].gates), 8, 8)
    for gate in recurrent:
        torch.testing.assert_close(gate @ gate.T, torch.eye(8), atol=1e-5, rtol=0)
    biases = weights["layers.0.bias_ih"] + weights["layers.0.bias_hh"]
    expected = torch.tensor([1.0 if gate == "f" else 0.0 for gate in CELLS[cell].gates]).repeat_interleave(8)
    torch.testing.assert_close(biases, expected)
    bound = 1 / math.sqrt(weights["layers.1.weight_ih"].shape[1])
    assert 0.8 * bound < weights["layers.1.weight_ih"].abs().max() <= bound
    if CELLS[cell].peepholes:
        assert not weights["layers.0.weight_peephole"].any()


def test_every_character_starts_about_as_likely() -> None:
    """Before training the loss is that of guessing."""
    network = StackedRNN(config())
    logits, _ = network(random_ids(30, 4), network.initial_state(4))
    assert logits.log_softmax(-1).std() < 0.2


def test_the_seed_makes_the_weights() -> None:
    """The same seed gives the same weights, another one others; the global random state plays no part."""
    first = StackedRNN(config(), seed=5).export()
    torch.rand(3)
    again, other = StackedRNN(config(), seed=5).export(), StackedRNN(config(), seed=6).export()
    assert all((first[name] == again[name]).all() for name in first)
    assert not all((first[name] == other[name]).all() for name in first)


def test_weights_are_copied_in_and_out() -> None:
    """Loading what was exported gives the same network; neither shares memory with it."""
    one, other = StackedRNN(config(), seed=1), StackedRNN(config(), seed=2)
    weights = one.export()
    other.load(weights)
    ids, state = random_ids(5, 2), one.initial_state(2)
    torch.testing.assert_close(one(ids, state)[0], other(ids, state)[0])
    weights["readout.bias"][:] = 9
    assert not (one.export()["readout.bias"] == 9).any()
    assert not (other.export()["readout.bias"] == 9).any()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("skip", [True, False])
def test_two_carried_windows_equal_one_long_pass(cell: str, skip: bool) -> None:
    """Three layers, cut anywhere: the same logits, the same state."""
    network = StackedRNN(config(cell=cell, skip=skip, num_layers=3))
    ids = random_ids(12, 2)
    whole, last = network(ids, network.initial_state(2))
    for cut in (1, 5, 11):
        first, between = network(ids[:cut], network.initial_state(2))
        second, after = network(ids[cut:], between)
        torch.testing.assert_close(torch.cat([first, second]), whole)
        torch.testing.assert_close(after, last)


def test_no_logit_sees_what_it_predicts() -> None:
    """The logits at a place depend on the characters up to it, and on none after."""
    network = StackedRNN(config())
    ids = random_ids(10, 1)
    other = ids.clone()
    other[6:] = (other[6:] + 1) % 9
    logits, changed = (network(each, network.initial_state(1))[0] for each in (ids, other))
    assert (logits[:6] == changed[:6]).all()
    assert (logits[6:] != changed[6:]).any(dim=-1).all()


def test_from_both_sides_no_logit_sees_its_own_character() -> None:
    """A bidirectional network's joint logits depend on every character but the one they predict."""
    network = StackedRNN(config(bidirectional=True))
    with torch.no_grad():
        network.joint.weight.mul_(50)
    text = random_ids(9, 1)

    def joint(ids: Tensor) -> Tensor:
        features, _ = network.features(ids[:-1], network.initial_state(1))
        return network.joint_logits(features, ids[1:])

    before = joint(text)
    for place in range(1, 9):
        changed = text.clone()
        changed[place] = (changed[place] + 1) % 9
        differs = (joint(changed) != before).any(dim=-1).flatten()
        assert not differs[place - 1]
        assert differs.sum() == 7


@pytest.mark.parametrize("skip", [True, False])
def test_skip_connections_show_every_layer_to_the_readout(skip: bool) -> None:
    """With them the read-out sees all layers, the first one first; without, the top one alone."""
    network = StackedRNN(config(skip=skip, num_layers=3))
    features, after = network.features(random_ids(4, 2), network.initial_state(2))
    tops = after[0] if skip else after[0, 2:]
    torch.testing.assert_close(features[-1], torch.cat(list(tops), dim=-1))


def test_a_one_hot_input_is_a_row_of_the_weights() -> None:
    """Without an embedding, the first layer takes the character's column as it is."""
    settings = config(one_hot=True, num_layers=1, cell="rnn", skip=False)
    network = StackedRNN(settings)
    features, _ = network.features(torch.tensor([[4]]), network.initial_state(1))
    torch.testing.assert_close(features[0, 0], torch.tanh(network.stack[0].weight_ih[:, 4]))


def test_masks_are_locked_and_keep_the_mean() -> None:
    """One mask a window and column: factors of 0 or 1 / (1 - p), about p of them zero."""
    train = TrainConfig(dropout=0.25, input_dropout=0.5, output_dropout=0.125, weight_drop=0.75, batch_size=20)
    settings = config(hidden_size=200, embedding_size=100)
    masks = Dropout(settings, train, CPU).masks(3)
    for mask, rate, shape in (
        (masks.inputs, 0.5, (20, 100)),
        (masks.between[0], 0.25, (20, 200)),
        (masks.output, 0.125, (20, 400)),
        (masks.recurrent[1], 0.75, (800, 200)),
    ):
        assert mask is not None
        assert mask.shape == shape
        assert set(mask.flatten().tolist()) == {0, torch.tensor(1 / (1 - rate)).item()}
        assert abs((mask == 0).float().mean() - rate) < 0.05
    assert len(masks.between) == 1
    assert len(masks.recurrent) == 2
    assert masks.backward is None


def test_masks_are_in_the_precision_of_the_products() -> None:
    """On a CPU, bf16 has bfloat16 masks; what that makes of 1 / (1 - p) decides how many are dropped: the mean is 1."""
    masks = Dropout(config(), TrainConfig(weight_drop=0.15, precision="bf16"), CPU).masks(0)
    assert masks.recurrent[0] is not None
    assert masks.recurrent[0].dtype == torch.bfloat16
    elsewhere = Dropout(config(), TrainConfig(weight_drop=0.15, precision="bf16"), torch.device("meta")).masks(0)
    assert elsewhere.recurrent[0] is not None
    assert elsewhere.recurrent[0].dtype == torch.float32  # a GPU's fused layers take weights of one type alone
    entries = random_entries(0.15, 1 << 22, 1, torch.bfloat16)
    assert entries.max() == torch.tensor(1 / 0.85).bfloat16() != torch.tensor(1 / 0.85)
    assert abs(entries.double().mean() - 1) < 0.001  # with 15 % of them dropped it would be 1.0027


def test_without_dropout_there_is_no_mask() -> None:
    """A rate of 0 makes no mask, and no masks are dropout's absence."""
    masks = Dropout(config(), NO_DROPOUT, CPU).masks(0)
    assert masks.inputs is masks.output is masks.between[0] is masks.recurrent[0] is None
    network, ids = StackedRNN(config()), random_ids(5, 2)
    state = network.initial_state(2)
    assert (network(ids, state, masks)[0] == network(ids, state)[0]).all()


def test_masks_follow_from_the_seed_and_the_step() -> None:
    """The same step has the same masks whenever it is asked; another step, seed, layer or column has others."""
    train = TrainConfig(dropout=0.5, input_dropout=0.5, output_dropout=0.5, weight_drop=0.5, seed=3)
    settings = config(hidden_size=50, num_layers=3)

    def drawn(step: int, seed: int = 3) -> list[Tensor]:
        masks = Dropout(settings, dataclasses.replace(train, seed=seed), CPU).masks(step)
        return [mask for mask in (masks.inputs, *masks.between, masks.output, *masks.recurrent) if mask is not None]

    for mine, again, later, seeded in zip(drawn(7), drawn(7), drawn(8), drawn(7, seed=4), strict=True):
        assert (mine == again).all()
        assert (mine != later).any()
        assert (mine != seeded).any()
        assert (mine[0] != mine[1]).any()
    assert (drawn(7)[1] != drawn(7)[2]).any()


def test_columns_of_the_masks_are_those_of_the_batch() -> None:
    """A process that has some of the batch's columns takes their masks, and the weights' masks whole."""
    train = TrainConfig(dropout=0.5, input_dropout=0.5, output_dropout=0.5, weight_drop=0.5)
    masks = Dropout(config(), train, CPU).masks(0)
    some = masks.of(slice(2, 4))
    for whole, part in ((masks.inputs, some.inputs), (masks.output, some.output), (masks.between[0], some.between[0])):
        assert whole is not None
        assert part is not None
        assert (whole[2:4] == part).all()
    assert some.recurrent is masks.recurrent


@pytest.mark.parametrize("place", ["input_dropout", "dropout", "output_dropout", "weight_drop"])
def test_each_dropout_acts_where_it_says(place: str) -> None:
    """Dropping everything at one place leaves what the equations leave of it."""
    zero = torch.zeros(())
    network, ids = StackedRNN(config()), random_ids(5, 2)
    masks = Masks(
        inputs=zero if place == "input_dropout" else None,
        between=(zero if place == "dropout" else None,),
        output=zero if place == "output_dropout" else None,
        recurrent=(zero if place == "weight_drop" else None,) * 2,
    )
    state = network.initial_state(2)
    logits, _ = network(ids, state, masks)
    assert (logits != network(ids, state)[0]).any()
    match place:
        case "input_dropout":
            assert (logits[:, 0] == logits[:, 1]).all()
        case "output_dropout":
            assert (logits == network.readout.bias).all()
        case "dropout":
            severed = StackedRNN(config())
            severed.stack[1].weight_ih.data[:, :6] = 0
            torch.testing.assert_close(logits, severed(ids, state)[0])
        case "weight_drop":
            severed = StackedRNN(config())
            for layer in severed.stack:
                layer.weight_hh.data.zero_()
            torch.testing.assert_close(logits, severed(ids, state)[0])
