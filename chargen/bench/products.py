"""The matrix products of a training step by themselves: what a step could not do without.

Legend: N rows, I inputs, O outputs.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from chargen.config import ModelConfig, TrainConfig


def bare_training(config: ModelConfig, train: TrainConfig) -> Iterator[int]:
    """The matrix products of a training step and nothing else, in the step's precision and order, a step a turn."""
    kind = torch.bfloat16 if train.precision == "bf16" else torch.float32
    time, batch, hidden, vocab = train.bptt, train.batch_size, config.hidden_size, config.vocab_size
    products = [
        _layer_products(time, batch, config.layer_input_size(at), hidden, kind) for at in range(config.num_layers)
    ]
    products.append(_linear_products(_normal(time * batch, hidden, kind), _normal(time * batch, vocab, kind)))
    while True:
        with torch.no_grad():
            for product in products:
                product()
        yield batch * time


def _layer_products(time: int, batch: int, width: int, hidden: int, kind: torch.dtype) -> Callable[[], None]:
    """The products of one layer's forward and backward pass over a window, the recurrent ones step by step."""
    gates = _normal(time * batch, 4 * hidden, kind)  # stands for the gates and for their gradient
    past = _normal(time * batch, hidden, kind)
    weight = _normal(4 * hidden, hidden, kind)
    step, past_grad, weight_grad = gates[:batch].clone(), past[:batch].clone(), weight.clone()
    linear = _linear_products(_normal(time * batch, width, kind), gates)

    def run() -> None:
        linear()
        for before in torch.split(past, batch):
            torch.mm(before, weight.t(), out=step)
        for grad in torch.split(gates, batch):
            torch.mm(grad, weight, out=past_grad)
        torch.mm(gates.t(), past, out=weight_grad)

    return run


def _linear_products(x: Tensor, y: Tensor) -> Callable[[], None]:
    """The three products of ``y`` (N, O) as a linear map of ``x`` (N, I): forward, and both gradients."""
    weight = _normal(y.shape[1], x.shape[1], x.dtype)
    y_out, x_grad, weight_grad = torch.empty_like(y), torch.empty_like(x), torch.empty_like(weight)

    def run() -> None:
        torch.mm(x, weight.t(), out=y_out)
        torch.mm(y, weight, out=x_grad)
        torch.mm(y.t(), x, out=weight_grad)

    return run


def _normal(rows: int, columns: int, kind: torch.dtype) -> Tensor:
    return torch.randn(rows, columns).to(kind)
