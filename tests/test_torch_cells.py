"""Recurrent layers against torch's own modules, their equations and themselves."""

import pytest
import torch
from torch import Tensor, nn

from chargen.config import CELLS
from chargen.training import torch_cells
from chargen.training.torch_cells import Layer, Peephole, SingleLSTM

T, B, WIDTH, H = 7, 3, 4, 5


def random_layer(cell: str, seed: int = 0) -> Layer:
    """A layer of random weights."""
    layer = Layer(cell, WIDTH, H)
    generator = torch.Generator().manual_seed(seed)
    for weight in layer.parameters():
        nn.init.normal_(weight, std=0.5, generator=generator)
    return layer


def draw(seed: int, *shape: int) -> Tensor:
    """Normally distributed values."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def parts(cell: str) -> int:
    """Vectors that a cell carries."""
    return 2 if cell in ("lstm", "peephole") else 1


def run(layer: Layer, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """The layer over a window, with its own recurrent weights."""
    hidden, after = layer(x, state, layer.weight_hh)
    return hidden, after


def peephole_by_hand(layer: Layer, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Graves 2013, equations 7 to 11, as they stand, differentiated by autograd."""
    h, c = state
    p_i, p_f, p_o = layer.weight_peephole
    outputs = []
    for row in x:
        gates = row @ layer.weight_ih.T + layer.bias_ih + h @ layer.weight_hh.T + layer.bias_hh
        i, f, g, o = gates.chunk(4, dim=1)
        i, f = torch.sigmoid(i + p_i * c), torch.sigmoid(f + p_f * c)
        c = f * c + i * torch.tanh(g)
        h = torch.sigmoid(o + p_o * c) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs), torch.stack([h, c])


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_fused_layers_are_torchs_modules(cell: str) -> None:
    """From the same weights and state, torch's own module gives the same hidden states and the same last one."""
    layer = random_layer(cell)
    module = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell](WIDTH, H)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(module, f"{name}_l0").data = getattr(layer, name).data
    x, state = draw(1, T, B, WIDTH), draw(2, parts(cell), B, H)
    start = (state[:1], state[1:]) if cell == "lstm" else state
    expected, last = module(x, start)
    hidden, after = run(layer, x, state)
    torch.testing.assert_close(hidden, expected)
    torch.testing.assert_close(after, torch.cat(last) if cell == "lstm" else last)


def test_the_peephole_cell_follows_its_equations() -> None:
    """Hidden states, last state and every gradient are those of the equations written out."""
    x, state = draw(1, T, B, WIDTH), draw(2, 2, B, H)
    found: list[list[Tensor]] = []
    for compute in (run, peephole_by_hand):
        layer = random_layer("peephole")
        inputs = [x.clone().requires_grad_(), state.clone().requires_grad_()]
        hidden, after = compute(layer, *inputs)
        loss = (hidden * draw(3, T, B, H)).sum() + (after * draw(4, 2, B, H)).sum()
        found.append([hidden, after, *torch.autograd.grad(loss, [*inputs, *layer.parameters()])])
    for mine, expected in zip(*found, strict=True):
        torch.testing.assert_close(mine, expected, atol=2e-5, rtol=1e-4)


def test_the_peephole_gradient_is_that_of_finite_differences() -> None:
    """The gradient written by hand is the function's own, in double precision."""
    shapes = ((4, 2, 4 * 3), (2, 3), (2, 3), (4 * 3, 3), (3, 3))
    inputs = tuple(draw(at, *shape).double().requires_grad_() for at, shape in enumerate(shapes))
    assert torch.autograd.gradcheck(Peephole.apply, inputs)


def test_a_single_sequence_goes_as_torchs_module_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hidden states, last state and every gradient of an LSTM are those of torch's fused layer."""
    monkeypatch.setattr(torch_cells, "SINGLE", 1)
    layer = random_layer("lstm")
    x, state = draw(1, T, 1, WIDTH).requires_grad_(), draw(2, 2, 1, H).requires_grad_()
    results: list[list[Tensor]] = []
    for fused in (False, True):
        if fused:
            hidden, h, c = torch.lstm(x, (state[:1], state[1:]), *layer.fused(layer.weight_ih, layer.weight_hh))
            after = torch.cat([h, c])
        else:
            hidden, after = run(layer, x, state)
        loss = (hidden * draw(3, T, 1, H)).sum() + (after * draw(4, 2, 1, H)).sum()
        results.append([hidden, after, *torch.autograd.grad(loss, [x, state, *layer.parameters()])])
    for mine, expected in zip(*results, strict=True):
        torch.testing.assert_close(mine, expected, atol=2e-6, rtol=1e-5)


def test_the_gradient_over_a_single_sequence_is_that_of_finite_differences() -> None:
    """In double precision, and with any of the results left unused."""
    shapes = ((4, 2), (2, 3), (4 * 3, 2), (4 * 3, 3), (4 * 3,))
    inputs = tuple(draw(at, *shape).double().requires_grad_() for at, shape in enumerate(shapes))
    assert torch.autograd.gradcheck(SingleLSTM.apply, inputs)


@pytest.mark.parametrize("cell", CELLS)
def test_two_carried_windows_equal_one_long_pass(cell: str) -> None:
    """The state holds everything that the next window needs, wherever the cut."""
    layer = random_layer(cell)
    x, state = draw(1, T, B, WIDTH), draw(2, parts(cell), B, H)
    whole, last = run(layer, x, state)
    for cut in range(1, T):
        first, between = run(layer, x[:cut], state)
        second, after = run(layer, x[cut:], between)
        torch.testing.assert_close(torch.cat([first, second]), whole)
        torch.testing.assert_close(after, last)


@pytest.mark.parametrize("cell", CELLS)
def test_sequences_of_a_batch_do_not_touch_each_other(cell: str) -> None:
    """Each column goes as it would alone."""
    layer = random_layer(cell)
    x, state = draw(1, T, B, WIDTH), draw(2, parts(cell), B, H)
    together, after = run(layer, x, state)
    for at in range(B):
        alone, last = run(layer, x[:, at : at + 1], state[:, at : at + 1])
        torch.testing.assert_close(alone[:, 0], together[:, at])
        torch.testing.assert_close(last[:, 0], after[:, at])


@pytest.mark.parametrize("cell", CELLS)
def test_the_recurrent_weights_are_those_given(cell: str) -> None:
    """What DropConnect left of the recurrent weights is used, and the gradient reaches the weights through it."""
    layer = random_layer(cell)
    x, state = draw(1, T, B, WIDTH), draw(2, parts(cell), B, H)
    kept = (draw(3, len(CELLS[cell].gates) * H, H) > 0).float()
    hidden, _ = layer(x, state, layer.weight_hh * kept)
    other = random_layer(cell)
    other.weight_hh.data *= kept
    torch.testing.assert_close(hidden, run(other, x, state)[0])
    hidden.sum().backward()
    assert layer.weight_hh.grad is not None
    assert (layer.weight_hh.grad[kept == 0] == 0).all()
    assert (layer.weight_hh.grad[kept == 1] != 0).any()
