"""One network learning: the step is the textbook's, and nothing of it is lost on the way through a file."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tiny import needs_bf16
from torch import Tensor
from torch.nn import functional as F

from chargen.config import CELLS, ModelConfig, TrainConfig
from chargen.schema import record
from chargen.training.adamw import BETAS
from chargen.training.bptt import Windows
from chargen.training.hardware import on_device
from chargen.training.step import EARLY, STRIDE, Learner
from chargen.training.torch_network import StackedRNN

MODEL = ModelConfig(vocab_size=7, hidden_size=6, embedding_size=4)
PLAIN = TrainConfig(
    batch_size=3,
    bptt=5,
    learning_rate=0.02,
    dropout=0,
    input_dropout=0,
    output_dropout=0,
    weight_drop=0,
    ema_decay=0,
    weight_decay=0.1,
    grad_clip=0.05,
    device="cpu",
    precision="fp32",
)
IDS = np.random.default_rng(0).integers(0, 7, 500).astype(np.uint8)
WINDOWS = Windows(IDS, range(500), PLAIN)


def changed(train: TrainConfig, **changes: object) -> TrainConfig:
    """The settings with some of them changed."""
    return record(TrainConfig, {**vars(train), **changes})


def learned(learner: Learner, steps: range, rate: float = 0.02) -> Learner:
    """The learner after the text's windows ``steps``."""
    for step in steps:
        learner.learn(*WINDOWS.at(step), rate)
    return learner


def detached(state: Tensor) -> Tensor:
    """The state as truncated BPTT hands it on."""
    return state.detach()


def textbook(train: TrainConfig, steps: int, carry: Callable[[Tensor], Tensor]) -> StackedRNN:
    """The weights after plain truncated BPTT with AdamW, written out; ``carry`` is what a window hands to the next."""
    network = StackedRNN(MODEL, seed=train.seed)
    groups = [
        {"params": [w for w in network.parameters() if w.dim() > 1], "weight_decay": train.weight_decay},
        {"params": [w for w in network.parameters() if w.dim() == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=train.learning_rate, betas=BETAS)
    state = network.initial_state(train.batch_size)
    for step in range(steps):
        inputs, targets = WINDOWS.at(step)
        logits, after = network(inputs, carry(state))
        loss = F.cross_entropy(logits.reshape(-1, MODEL.vocab_size), targets.reshape(-1))
        optimizer.zero_grad()
        loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]  # torch leaves backward untyped
        torch.nn.utils.clip_grad_norm_(network.parameters(), train.grad_clip)
        optimizer.step()
        state = after
    return network


def assert_same(one: StackedRNN, other: StackedRNN, tolerance: float = 0) -> None:
    """Fail unless both have the same weights."""
    for name, weight in one.state_dict().items():
        torch.testing.assert_close(weight, other.state_dict()[name], atol=tolerance, rtol=0, msg=name)


def test_steps_are_those_of_the_textbook() -> None:
    """Windows in order, state carried, gradients clipped, decay of matrices alone: the same weights as written out."""
    assert_same(learned(Learner(MODEL, PLAIN), range(12)).network, textbook(PLAIN, 12, detached), 1e-6)


def test_carrying_the_state_matters() -> None:
    """Starting every window from zero, as is often taken for truncated BPTT, gives other weights."""
    with pytest.raises(AssertionError):
        assert_same(learned(Learner(MODEL, PLAIN), range(12)).network, textbook(PLAIN, 12, torch.zeros_like), 1e-6)


def test_no_gradient_crosses_the_detach() -> None:
    """A window's gradient is that with the carried state as a constant, not that through the window before."""
    learner = learned(Learner(MODEL, changed(PLAIN, grad_clip=0)), range(1))
    assert not learner.hidden.requires_grad
    assert learner.hidden.any()
    network = StackedRNN(MODEL, seed=PLAIN.seed)
    network.load(learner.network.export())
    (inputs, targets), state = WINDOWS.at(1), learner.hidden.clone()
    logits, _ = network(inputs, state)
    F.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()  # type: ignore[no-untyped-call]  # untyped
    learner.learn(inputs, targets, 0.0)
    for mine, expected in zip(learner.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, expected.grad)


@pytest.mark.parametrize("cell", CELLS)
def test_one_batch_can_be_overfitted(cell: str) -> None:
    """Shown the same window again and again, every cell learns it by heart."""
    model = ModelConfig(vocab_size=7, cell=cell, num_layers=1, hidden_size=24, embedding_size=8)
    learner = Learner(model, changed(PLAIN, grad_clip=1.0, weight_decay=0.0))
    losses = []
    for _ in range(120):
        learner.forget()
        losses.append(float(learner.learn(*WINDOWS.at(0), 0.02)[0]))
    assert losses[0] > 1.5
    assert losses[-1] < 0.05


def test_the_loss_and_the_norm_are_reported_before_clipping() -> None:
    """The step tells the mean loss in nats and how long the gradient was."""
    learner = Learner(MODEL, PLAIN)
    loss, norm = learner.learn(*WINDOWS.at(0), 0.01)
    network = StackedRNN(MODEL, seed=PLAIN.seed)
    inputs, targets = WINDOWS.at(0)
    expected = F.cross_entropy(network(inputs, network.initial_state(3))[0].flatten(0, 1), targets.flatten())
    torch.testing.assert_close(loss, expected.detach())
    expected.backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
    gradient = torch.cat([weight.grad.flatten() for weight in network.parameters() if weight.grad is not None])
    torch.testing.assert_close(norm, gradient.norm())
    assert norm > PLAIN.grad_clip


def test_forgetting_starts_from_zero() -> None:
    """At the start of an epoch the state is zero again."""
    learner = learned(Learner(MODEL, PLAIN), range(2))
    assert learner.hidden.any()
    learner.forget()
    assert not learner.hidden.any()


def test_the_average_follows_the_weights() -> None:
    """The averaged weights move by 1 - decay of the way at each step, faster in the beginning."""
    learner = Learner(MODEL, changed(PLAIN, ema_decay=0.5))
    average = {name: weight.clone() for name, weight in learner.average.state_dict().items()}
    for step in range(20):
        learner.learn(*WINDOWS.at(step), 0.02)
        decay = min(0.5, (step + 1) / (step + 11))
        for name, weight in learner.network.state_dict().items():
            average[name] = decay * average[name] + (1 - decay) * weight
    for name, weight in learner.average.state_dict().items():
        torch.testing.assert_close(weight, average[name], atol=1e-6, rtol=0)
    assert not torch.equal(learner.average.readout.weight, learner.network.readout.weight)


def test_the_average_moves_in_strides_later() -> None:
    """Once the start is forgotten it moves at every fourth step, by 1 - decay^4 of the way, and stays in between."""
    learner = learned(Learner(MODEL, changed(PLAIN, ema_decay=0.5)), range(EARLY))
    before = learner.average.readout.weight.clone()
    for step in range(EARLY, EARLY + STRIDE):
        torch.testing.assert_close(learner.average.readout.weight, before, atol=0, rtol=0)
        learned(learner, range(step, step + 1))
    expected = before.lerp(learner.network.readout.weight, 1 - 0.5**STRIDE)
    torch.testing.assert_close(learner.average.readout.weight, expected)


def test_without_averaging_there_is_one_network() -> None:
    """A decay of 0 keeps no second copy."""
    learner = Learner(MODEL, PLAIN)
    assert learner.average is learner.network


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
@pytest.mark.parametrize("steps", [0, 4, EARLY + 2])
def test_a_learner_goes_on_bit_for_bit(ema_decay: float, steps: int) -> None:
    """What it exports makes another one that takes the same further steps to the same bits."""
    train = changed(PLAIN, ema_decay=ema_decay, dropout=0.5, weight_drop=0.5)
    whole = learned(Learner(MODEL, train), range(steps))
    other = Learner(MODEL, train)
    for network in (other.network, other.average):
        network.load({name: np.zeros_like(weight) for name, weight in network.export().items()})
    other.restore(whole.step, whole.average.export(), whole.state())
    for learner in (whole, other):
        learned(learner, range(steps, steps + 5))
    assert_same(whole.network, other.network)
    assert_same(whole.average, other.average)
    assert (whole.hidden == other.hidden).all()


def test_a_state_of_another_shape_is_refused() -> None:
    """Nothing is stretched to fit, and nothing is missing."""
    train = changed(PLAIN, ema_decay=0.9)
    learner = learned(Learner(MODEL, train), range(1))
    average, state = learner.average.export(), learner.state()
    for name in ("hidden", "weight.readout.bias", "exp_avg.layers.0.weight_hh", "exp_avg_sq.embedding.weight"):
        for wrong in (state[name][:1], state[name].astype(np.float64), np.ones((), np.float32)):
            with pytest.raises(ValueError, match=f"{name} is "):
                Learner(MODEL, train).restore(1, average, {**state, name: wrong})
        with pytest.raises(KeyError):
            Learner(MODEL, train).restore(1, average, {key: value for key, value in state.items() if key != name})


@needs_bf16
def test_mixed_precision_keeps_weights_and_loss_in_single() -> None:
    """In bf16 the products are rounded; weights, state and loss stay float32, and it still learns."""
    learner = Learner(MODEL, changed(PLAIN, precision="bf16", grad_clip=1.0))
    losses = [learner.learn(*WINDOWS.at(0), 0.02)[0] for _ in range(30)]
    assert losses[-1] < losses[0] - 0.3
    assert losses[0].dtype == learner.hidden.dtype == torch.float32
    assert {weight.dtype for weight in learner.network.parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", ["cpu", "mps", "cuda"])
def test_only_cuda_copies_beside_the_work(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And out of pinned memory; what other devices do is simulated here: elsewhere such copies arrive corrupted."""
    calls: list[str] = []

    def pin(ids: Tensor) -> Tensor:
        calls.append("pin")
        return ids

    def copy(ids: Tensor, device: torch.device, *, non_blocking: bool = False) -> Tensor:
        calls.append(f"copy to {device.type}" + ", non-blocking" * non_blocking)
        return ids

    monkeypatch.setattr(Tensor, "pin_memory", pin)
    monkeypatch.setattr(Tensor, "to", copy)
    on_device(torch.zeros(2, dtype=torch.int64), torch.device(kind))
    assert calls == (["pin", "copy to cuda, non-blocking"] if kind == "cuda" else [f"copy to {kind}"])
