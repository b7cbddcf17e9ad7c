"""What ``chargen bench`` measures against: the plain way in PyTorch, and the matrix products of training by themselves.

Each is an endless iterator that does one piece of work a turn and gives the characters it was worth.

Legend: B batch, T time, V vocabulary, E embedding, H hidden size, L layers.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chargen.config import ModelConfig, SamplerConfig, TrainConfig
from chargen.text.id_file import Ids

State = tuple[Tensor, Tensor]


class PlainLSTM(nn.Module):
    """Embedding, ``nn.LSTM`` and read-out, as in PyTorch's own tutorials."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size)
        self.recurrent = nn.LSTM(config.embedding_size, config.hidden_size, config.num_layers)
        self.readout = nn.Linear(config.hidden_size, config.vocab_size)

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits (T, B, V) and the state after ``ids`` (T, B)."""
        hidden, state = self.recurrent(self.embedding(ids), state)
        return self.readout(hidden), state


def plain_training(config: ModelConfig, train: TrainConfig, ids: Ids) -> Iterator[int]:
    """The textbook loop in float32 on ``ids`` (N,), one step a turn: Adam, gradient clipping, carried state."""
    network = PlainLSTM(config)
    optimizer = torch.optim.Adam(network.parameters(), lr=train.learning_rate)
    columns = torch.from_numpy(ids[:].astype(np.int64))[: len(ids) // train.batch_size * train.batch_size]
    columns = columns.view(train.batch_size, -1).t().contiguous()  # (N / B, B)
    total_loss = 0.0
    while True:
        state: State | None = None
        for at in range(0, len(columns) - train.bptt, train.bptt):
            inputs, targets = columns[at : at + train.bptt], columns[at + 1 : at + train.bptt + 1]
            logits, (h, c) = network(inputs, state)
            state = h.detach(), c.detach()
            loss = F.cross_entropy(logits.reshape(-1, config.vocab_size), targets.reshape(-1))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
            nn.utils.clip_grad_norm_(network.parameters(), train.grad_clip)
            optimizer.step()
            total_loss += loss.item()
            yield train.batch_size * train.bptt


def plain_sampling(config: ModelConfig, characters: str, batch_size: int) -> Iterator[int]:
    """Texts written through ``nn.LSTM``, one step and one character of each text a turn."""
    network = PlainLSTM(config).eval()
    ids = torch.zeros(1, batch_size, dtype=torch.int64)
    state: State | None = None
    texts: list[list[str]] = [[] for _ in range(batch_size)]
    while True:
        with torch.no_grad():
            logits, state = network(ids, state)
            ids = torch.multinomial(F.softmax(logits[0] / SamplerConfig.temperature, dim=-1), 1).t()
        for text, at in zip(texts, ids[0].tolist(), strict=True):
            text.append(characters[at])
        yield batch_size


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
            for each in products:
                each()
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
