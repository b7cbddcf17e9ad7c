"""One recurrent layer of each cell, run over a whole window at once.

LSTM, GRU and RNN are PyTorch's own fused layers. The peephole LSTM, which PyTorch lacks, is written here with its
gradient by hand: as plain autograd operations it would record some fifteen nodes a step.

Legend: B batch, T time, I input width, H hidden size, S state parts (2 for ``(h, c)``, 1 for ``h``).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chargen.config import CELLS


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

    def forward(self, x: Tensor, state: Tensor, weight_hh: Tensor) -> tuple[Tensor, Tensor]:
        """The hidden states of a window, and the state after it.

        Args:
            x: Input, (T, B, I).
            state: State before the window, (S, B, H).
            weight_hh: The recurrent weights to use: the layer's own, or those that DropConnect left of them.

        Returns:
            Hidden states (T, B, H) and state (S, B, H).
        """
        return RUNS[self.cell](self, x, state, weight_hh)

    def fused(self, weight_hh: Tensor) -> tuple[Any, ...]:
        """What PyTorch's fused layers take after the state."""
        weights = [self.weight_ih, weight_hh, self.bias_ih, self.bias_hh]
        # has biases, one layer, no dropout, training, one direction, time first
        return weights, True, 1, 0.0, self.training, False, False


def _lstm(layer: Layer, x: Tensor, state: Tensor, weight_hh: Tensor) -> tuple[Tensor, Tensor]:
    hidden, h, c = torch.lstm(x, (state[0:1], state[1:2]), *layer.fused(weight_hh))
    return hidden, torch.cat([h, c])


def _gru(layer: Layer, x: Tensor, state: Tensor, weight_hh: Tensor) -> tuple[Tensor, Tensor]:
    return torch.gru(x, state, *layer.fused(weight_hh))


def _rnn(layer: Layer, x: Tensor, state: Tensor, weight_hh: Tensor) -> tuple[Tensor, Tensor]:
    return torch.rnn_tanh(x, state, *layer.fused(weight_hh))


def _peephole(layer: Layer, x: Tensor, state: Tensor, weight_hh: Tensor) -> tuple[Tensor, Tensor]:
    gates = F.linear(x, layer.weight_ih, layer.bias_ih + layer.bias_hh)  # (T, B, 4H)
    weight = weight_hh.to(gates.dtype)
    hidden, c = Peephole.apply(  # type: ignore[no-untyped-call]  # torch leaves apply untyped
        gates, state[0], state[1], weight, layer.weight_peephole.to(gates.dtype)
    )
    return hidden, torch.stack([hidden[-1].to(state.dtype), c])


RUNS: Final[Mapping[str, Callable[[Layer, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]]] = {
    "lstm": _lstm,
    "gru": _gru,
    "rnn": _rnn,
    "peephole": _peephole,
}
"""How a layer of each cell runs over a window: what ``Layer.forward`` takes and returns."""


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
