"""One recurrent layer of each cell, run over a whole window at once.

LSTM, GRU and RNN are PyTorch's own fused layers. The peephole LSTM, which PyTorch lacks, and the LSTM over a single
sequence, which it is slow at, are written here with their gradients by hand: as plain autograd operations they would
record some fifteen nodes a step.

A step that is a reset leaves the zero state whatever was before, exactly, and costs what any other step does: its input
closes the gates that let a state through, and the one that lets an input in.

Legend: B batch, T time, I input width, H hidden size, S state parts (2 for ``(h, c)``, 1 for ``h``).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from chargen.config import CELLS

SINGLE: Final = 256
"""Units from which a single sequence is quicker in NumPy; in smaller layers the calls take longer than the products."""


class Layer(nn.Module):
    """One recurrent layer; its parameters carry the names of ``ModelConfig.weight_shapes``."""

    def __init__(self, cell: str, input_size: int, hidden_size: int) -> None:
        super().__init__()
        rows = len(CELLS[cell].gates) * hidden_size
        self.cell = cell
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias_ih = nn.Parameter(torch.zeros(rows))
        self.bias_hh = nn.Parameter(torch.zeros(rows))
        if CELLS[cell].peepholes:
            self.weight_peephole = nn.Parameter(torch.zeros(len(CELLS[cell].peepholes), hidden_size))

    def forward(
        self, x: Tensor, state: Tensor, weight_hh: Tensor, resets: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The hidden states of a window, and the state after it.

        Args:
            x: Input, (T, B, I).
            state: State before the window, (S, B, H).
            weight_hh: The recurrent weights to use: the layer's own, or those that DropConnect left of them.
            resets: Which steps are resets, bool, (T, B); None where none is. The input is zero there.

        Returns:
            Hidden states (T, B, H) and state (S, B, H).
        """
        run = RUNS[self.cell]
        if resets is None:
            return run(self, x, state, self.weight_ih, weight_hh)
        if self.cell not in CLOSING:
            return _step_by_step(run, self, x, state, weight_hh, ~resets[..., None])
        weight_ih = torch.cat([self.weight_ih, CLOSING[self.cell](self)[:, None]], dim=1)
        return run(self, torch.cat([x, resets[..., None].to(x.dtype)], dim=-1), state, weight_ih, weight_hh)

    def fused(self, weight_ih: Tensor, weight_hh: Tensor) -> tuple[Any, ...]:
        """What PyTorch's fused layers take after the state."""
        weights = [weight_ih, weight_hh, self.bias_ih, self.bias_hh]
        # has biases, one layer, no dropout, training, one direction, time first
        return weights, True, 1, 0.0, self.training, False, False


def _lstm(layer: Layer, x: Tensor, state: Tensor, weight_ih: Tensor, weight_hh: Tensor) -> tuple[Tensor, Tensor]:
    alone = x.shape[1] == 1 and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    if alone and weight_hh.shape[1] >= SINGLE:
        hidden, last = SingleLSTM.apply(  # type: ignore[no-untyped-call]  # torch leaves apply untyped
            x[:, 0], state[:, 0], weight_ih, weight_hh, layer.bias_ih + layer.bias_hh
        )
        return hidden[:, None], last[:, None]
    hidden, h, c = torch.lstm(x, (state[0:1], state[1:2]), *layer.fused(weight_ih, weight_hh))
    return hidden, torch.cat([h, c])


def _gru(layer: Layer, x: Tensor, state: Tensor, weight_ih: Tensor, weight_hh: Tensor) -> tuple[Tensor, Tensor]:
    return torch.gru(x, state, *layer.fused(weight_ih, weight_hh))


def _rnn(layer: Layer, x: Tensor, state: Tensor, weight_ih: Tensor, weight_hh: Tensor) -> tuple[Tensor, Tensor]:
    return torch.rnn_tanh(x, state, *layer.fused(weight_ih, weight_hh))


def _peephole(layer: Layer, x: Tensor, state: Tensor, weight_ih: Tensor, weight_hh: Tensor) -> tuple[Tensor, Tensor]:
    gates = F.linear(x, weight_ih, layer.bias_ih + layer.bias_hh)  # (T, B, 4H)
    weight = weight_hh.to(gates.dtype)
    hidden, c = Peephole.apply(  # type: ignore[no-untyped-call]  # torch leaves apply untyped
        gates, state[0], state[1], weight, layer.weight_peephole.to(gates.dtype)
    )
    return hidden, torch.stack([hidden[-1].to(state.dtype), c])


Run = Callable[[Layer, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Takes a layer, its input, state, input weights and recurrent weights; gives what ``Layer.forward`` does."""

RUNS: Final[Mapping[str, Run]] = {
    "lstm": _lstm,
    "gru": _gru,
    "rnn": _rnn,
    "peephole": _peephole,
}
"""How a layer of each cell runs over a window."""


def _closing_lstm(layer: Layer) -> Tensor:
    closing = torch.zeros_like(layer.bias_ih)
    closing[: len(closing) // 2] = CLOSED  # i and f: c' = f c + i g = 0, and so h' = o tanh(c') = 0
    return closing


def _closing_gru(layer: Layer) -> Tensor:
    reset, update, new = layer.bias_ih.chunk(3)
    # r and z, and nothing for n: n = tanh(0 + r ...) = 0, and so h' = (1 - z) n + z h = 0
    return torch.cat([torch.full_like(reset, CLOSED), torch.full_like(update, CLOSED), -new])


CLOSED: Final = -1e4
"""What is added to a gate, in float32 and bfloat16 alike, that is to be 0 whatever else comes in."""

CLOSING: Final[Mapping[str, Callable[[Layer], Tensor]]] = {
    "lstm": _closing_lstm,
    "gru": _closing_gru,
    "peephole": _closing_lstm,
}
"""What a reset adds to the input of each gate, (rows,); the state of other cells has to be cleared from outside."""


def _step_by_step(
    run: Run, layer: Layer, x: Tensor, state: Tensor, weight_hh: Tensor, kept: Tensor
) -> tuple[Tensor, Tensor]:
    """A window whose state is cleared after each step that is not ``kept``, (T, B, 1)."""
    hidden = []
    for step, keep in zip(torch.split(x, 1), kept, strict=True):
        output, state = run(layer, step, state, layer.weight_ih, weight_hh)
        hidden.append(output * keep)
        state = state * keep
    return torch.cat(hidden), state


class SingleLSTM(torch.autograd.Function):
    """The LSTM over a window of one sequence on the CPU (Gers et al. 2000), in NumPy.

    i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of W x + R h + b,  c' = f c + i g,  h' = o tanh(c').

    A step is a product of the recurrent weights with a single vector. Backwards, PyTorch's fused layer takes half as
    long again at 512 units, and several times as long where other work fills the processor's cache.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, state: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Hidden states (T, H) and last state (2, H) of inputs ``x`` (T, I) from ``state`` (2, H)."""
        inputs, w, r = _array(x), _array(weight_ih), _array(weight_hh)
        gates = inputs @ w.T  # (T, 4H)
        gates += _array(bias)
        size = r.shape[1]
        hidden, cells = np.empty((2, len(gates) + 1, size), gates.dtype)
        hidden[0], cells[0] = _array(state)
        product, new = np.empty(4 * size, gates.dtype), np.empty(size, gates.dtype)
        half = np.repeat(np.array([0.5, 0.5, 1, 0.5], gates.dtype), size)  # sigmoid(a) = tanh(a / 2) / 2 + 1 / 2
        rest = 1 - half
        for t, gate in enumerate(gates):
            gate += np.dot(r, hidden[t], product)
            gate *= half
            np.tanh(gate, gate)
            gate *= half
            gate += rest
            i, f, g, o = gate.reshape(4, size)
            np.multiply(f, cells[t], cells[t + 1])
            cells[t + 1] += np.multiply(i, g, new)
            np.tanh(cells[t + 1], hidden[t + 1])
            hidden[t + 1] *= o
        ctx.window = inputs, w, r, gates, hidden, cells
        return torch.from_numpy(hidden[1:]), torch.from_numpy(np.stack([hidden[-1], cells[-1]]))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        """Gradients of the inputs, by back-propagating through the window's steps from the last to the first."""
        inputs, w, r, gates, hidden, cells = ctx.window
        d_hidden, (d_h, d_c) = _array(grads[0]), _array(grads[1]).copy()
        steps, size = d_hidden.shape
        i, f, g, o = gates.reshape(steps, 4, size).swapaxes(0, 1)  # each (T, H)
        before, squashed = cells[:-1], np.tanh(cells[1:])
        # what a step multiplies by, for all steps at once
        slope_o = squashed * o * (1 - o)
        slope_c = o * (1 - squashed * squashed)
        slopes = np.stack([g * i * (1 - i), before * f * (1 - f), i * (1 - g * g)], axis=1)  # (T, 3, H)
        d_gates = np.empty((steps, 4, size), gates.dtype)
        flat = d_gates.reshape(steps, 4 * size)
        for t in reversed(range(steps)):
            d_h += d_hidden[t]
            d_c += d_h * slope_c[t]
            np.multiply(slopes[t], d_c, d_gates[t, :3])
            np.multiply(slope_o[t], d_h, d_gates[t, 3])
            d_c *= f[t]
            np.dot(flat[t], r, d_h)
        gradients = flat @ w, np.stack([d_h, d_c]), flat.T @ inputs, flat.T @ hidden[:-1], flat.sum(axis=0)
        return tuple(map(torch.from_numpy, gradients))


def _array(tensor: Tensor) -> NDArray[Any]:
    """The same memory as a NumPy array."""
    array: NDArray[Any] = tensor.detach().numpy()
    return array


class Peephole(torch.autograd.Function):
    """The peephole LSTM over a window (Graves 2013, *Generating Sequences With RNNs*, equations 7 to 11).

    i = sigmoid(x_i + W_i h + p_i c),  f = sigmoid(x_f + W_f h + p_f c),  g = tanh(x_g + W_g h),
    c' = f c + i g,  o = sigmoid(x_o + W_o h + p_o c'),  h' = o tanh(c').
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, c: Tensor, weight: Tensor, peephole: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states (T, B, H) and last cell state (B, H) of input products ``x`` (T, B, 4H)."""
        steps, batch, rows = x.shape
        size = rows // 4
        gates = torch.empty(steps, batch, 4, size, dtype=c.dtype, device=x.device)
        cells = torch.empty(steps + 1, batch, size, dtype=c.dtype, device=x.device)
        hidden = torch.empty(steps + 1, batch, size, dtype=x.dtype, device=x.device)
        cells[0], hidden[0] = c, h
        p_i, p_f, p_o = peephole.to(c.dtype)
        transposed = weight.t()
        for t in range(steps):
            a = torch.addmm(x[t], hidden[t], transposed).view(batch, 4, size).to(c.dtype)
            i = torch.sigmoid(torch.addcmul(a[:, 0], cells[t], p_i, value=1))
            f = torch.sigmoid(torch.addcmul(a[:, 1], cells[t], p_f, value=1))
            g = torch.tanh(a[:, 2])
            cell = torch.addcmul(f * cells[t], i, g)
            o = torch.sigmoid(torch.addcmul(a[:, 3], cell, p_o, value=1))
            torch.stack((i, f, g, o), dim=1, out=gates[t])
            cells[t + 1] = cell
            hidden[t + 1] = o * torch.tanh(cell)
        ctx.save_for_backward(gates, cells, hidden, weight, peephole)
        return hidden[1:], cells[-1].clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Gradients of the inputs, by back-propagating through the window's steps from the last to the first."""
        d_hidden, d_last = grads
        gates, cells, hidden, weight, peephole = ctx.saved_tensors
        steps, batch, _, size = gates.shape
        i, f, g, o = gates.unbind(2)  # each (T, B, H)
        before, after = cells[:-1], cells[1:]
        p_i, p_f, p_o = peephole.to(cells.dtype)
        squashed = torch.tanh(after)
        # what a step multiplies by, for all steps at once
        slope_o = squashed * o * (1 - o)
        slope_c = o * (1 - squashed * squashed) + slope_o * p_o
        slope_i, slope_f, slope_g = g * i * (1 - i), before * f * (1 - f), i * (1 - g * g)
        carry = f + slope_i * p_i + slope_f * p_f
        slopes = torch.stack((slope_i, slope_f, slope_g), dim=2)  # (T, B, 3, H)
        d_x = torch.empty(steps, batch, 4, size, dtype=weight.dtype, device=weight.device)
        d_h = torch.zeros(batch, size, dtype=cells.dtype, device=cells.device)
        d_c = d_last.clone()
        for t in reversed(range(steps)):
            d_h = d_h + d_hidden[t]
            d_c = torch.addcmul(d_c, d_h, slope_c[t])
            d_x[t, :, :3] = slopes[t] * d_c.unsqueeze(1)
            d_x[t, :, 3] = slope_o[t] * d_h
            d_c = d_c * carry[t]
            d_h = (d_x[t].view(batch, 4 * size) @ weight).to(cells.dtype)
        flat = d_x.view(steps * batch, 4 * size)
        d_weight = flat.t() @ hidden[:-1].reshape(steps * batch, size)
        wide = d_x.to(cells.dtype)
        seen = torch.stack((before, before, after))  # (3, T, B, H)
        d_peephole = (wide[:, :, [0, 1, 3]].permute(2, 0, 1, 3) * seen).sum(dim=(1, 2))
        d_x = d_x.view(steps, batch, 4 * size)
        return d_x, d_h.to(hidden.dtype), d_c, d_weight, d_peephole.to(peephole.dtype)
