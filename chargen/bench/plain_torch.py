"""What ``chargen bench`` measures against: the same network written in PyTorch, as a textbook does and competently.

The textbook's loop is in float32 and waits for its loss at each step, and its sampler calls ``nn.LSTM`` for each
character. Someone who knows PyTorch trains in bfloat16 where the hardware is fast at it, with a fused optimizer, never
waits, keeps the freed memory and flushes denormals, and samples by ``nn.LSTMCell`` without autograd's bookkeeping.

Each is an endless iterator that does one piece of work a turn and gives the characters it was worth.

Legend: B batch, T time, V vocabulary, E embedding, H hidden size, L layers.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chargen.config import ModelConfig, SamplerConfig, TrainConfig
from chargen.text.id_file import Ids
from chargen.training import hardware

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


def textbook_training(config: ModelConfig, train: TrainConfig, ids: Ids) -> Iterator[int]:
    """The textbook's loop in float32 on ``ids`` (N,), one step a turn: Adam, gradient clipping, carried state."""
    network = PlainLSTM(config)
    optimizer = torch.optim.Adam(network.parameters(), lr=train.learning_rate)
    columns = _columns(ids, train.batch_size)
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


def competent_training(config: ModelConfig, train: TrainConfig, ids: Ids) -> Iterator[int]:
    """A fast loop on ``ids`` (N,), one step a turn, with nothing beside the loss, its gradient and the optimizer."""
    columns = _columns(ids, train.batch_size)
    with hardware.tuned(train.threads):
        network = PlainLSTM(config)
        optimizer = torch.optim.AdamW(network.parameters(), lr=train.learning_rate, fused=True)
        total_loss = torch.zeros(())
        while True:
            state: State | None = None
            for at in range(0, len(columns) - train.bptt, train.bptt):
                inputs, targets = columns[at : at + train.bptt], columns[at + 1 : at + train.bptt + 1]
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=train.precision == "bf16"):
                    logits, (h, c) = network(inputs, state)
                    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
                state = h.detach(), c.detach()
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
                optimizer.step()
                total_loss += loss.detach()
                yield train.batch_size * train.bptt


def textbook_sampling(config: ModelConfig, characters: str, batch_size: int) -> Iterator[int]:
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


def competent_sampling(config: ModelConfig, characters: str, batch_size: int) -> Iterator[int]:
    """Texts written through ``nn.LSTMCell``, one step and one character of each text a turn."""
    embedding = nn.Embedding(config.vocab_size, config.embedding_size)
    sizes = [config.embedding_size] + [config.hidden_size] * (config.num_layers - 1)
    cells = [nn.LSTMCell(size, config.hidden_size) for size in sizes]
    readout = nn.Linear(config.hidden_size, config.vocab_size)
    states = [(torch.zeros(batch_size, config.hidden_size),) * 2 for _ in cells]
    ids = torch.zeros(batch_size, dtype=torch.int64)
    texts: list[list[str]] = [[] for _ in range(batch_size)]
    while True:
        with torch.inference_mode():
            hidden = embedding(ids)
            for layer, cell in enumerate(cells):
                states[layer] = cell(hidden, states[layer])
                hidden = states[layer][0]
            probabilities = F.softmax(readout(hidden) / SamplerConfig.temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1)[:, 0]
        for text, at in zip(texts, ids.tolist(), strict=True):
            text.append(characters[at])
        yield batch_size


def _columns(ids: Ids, batch_size: int) -> Tensor:
    """The text in contiguous columns, (N / B, B), int64."""
    columns = torch.from_numpy(ids[:].astype(np.int64))[: len(ids) // batch_size * batch_size]
    return columns.view(batch_size, -1).t().contiguous()
