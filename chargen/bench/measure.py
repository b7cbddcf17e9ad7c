"""How fast this machine trains and samples, beside the plain way in PyTorch and beside the bare matrix products.

A figure is the median of several rounds, in which the three take turns; a ratio is the median of the rounds' ratios.
Torch is imported only where it is needed, so that the process that samples does without, as ``chargen sample`` does.
"""

import math
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final, NamedTuple

import numpy as np

from chargen.bench.interleaved import Contestant, race
from chargen.bench.sizes import SMALL, WINDOWS, BenchConfig
from chargen.config import ModelConfig, TrainConfig
from chargen.errors import ConfigError
from chargen.inference.generate import generate
from chargen.inference.numpy_network import Network
from chargen.text import corpus
from chargen.threads import cores

BATCHES: Final = (1, 64)
"""Texts written at once in the two measurements of sampling."""


@dataclass(frozen=True, kw_only=True)
class TrainingRow:
    """Training at one size; ``peak_share`` is of the GFLOP/s that the bare products reach."""

    size: str
    batch_size: int
    bptt: int
    precision: str
    chars_per_second: float
    plain_chars_per_second: float
    ratio: float
    gflops: float
    peak_share: float


@dataclass(frozen=True, kw_only=True)
class SamplingRow:
    """Sampling at one size; ``bandwidth_share`` is of the rate at which the bare products read the weights."""

    size: str
    batch: int
    chars_per_second: float
    plain_chars_per_second: float
    ratio: float
    bandwidth_share: float

    @property
    def gigabytes_per_second(self) -> float:
        """Weights read: those of every product once a step."""
        weights = sum(math.prod(shape) for shape in step_products(architecture(self.size), self.batch))
        return 4e-9 * weights * self.chars_per_second / self.batch


def architecture(size: str) -> ModelConfig:
    """The LSTM of a size such as ``2x512``: for Alice's characters, and layered as ``nn.LSTM`` is, without skips.

    Raises:
        ConfigError: the size is not layers x hidden size.
    """
    layers, _, hidden = size.partition("x")
    if not (layers.isdecimal() and hidden.isdecimal()):
        raise ConfigError(f"size must be layers x hidden size, as in 2x512, not {size!r}")
    vocab_size = len(corpus.load().vocab)
    return ModelConfig(vocab_size=vocab_size, num_layers=int(layers), hidden_size=int(hidden), skip=False)


def regimen(model: ModelConfig, settings: BenchConfig) -> TrainConfig:
    """How ``model`` is trained: with nothing that the plain loop does not do too, so without regularisation."""
    from chargen.training import hardware

    precision = hardware.choose_precision(settings.precision, "cpu")
    large = model.hidden_size > SMALL
    return TrainConfig(
        batch_size=settings.batch_size or WINDOWS["batch_size"][large],
        bptt=settings.bptt or WINDOWS["bptt"][large],
        precision=precision,
        device="cpu",
        threads=hardware.choose_threads(settings.threads, model, precision),
        dropout=0,
        input_dropout=0,
        output_dropout=0,
        weight_drop=0,
        ema_decay=0,
    )


def training(sizes: Sequence[str], settings: BenchConfig) -> Iterator[TrainingRow]:
    """The speed of training on Alice, a row a size.

    Raises:
        ConfigError: a size or a setting is out of its range.
        CorpusError: Alice is too short for the batch.
    """
    from chargen.bench import plain_torch

    threads = settings.threads or cores()
    plans = [(size, model, regimen(model, settings)) for size in sizes for model in (architecture(size),)]

    def row(size: str, model: ModelConfig, train: TrainConfig) -> TrainingRow:
        result = _Result.of(
            Contestant(chargen_training, (model, train), train.threads),
            Contestant(plain_training, (model, train), threads),
            Contestant(plain_torch.bare_training, (model, train), train.threads),
            settings,
        )
        return TrainingRow(
            size=size,
            batch_size=train.batch_size,
            bptt=train.bptt,
            precision=train.precision,
            chars_per_second=result.chargen,
            plain_chars_per_second=result.plain,
            ratio=result.ratio,
            gflops=1e-9 * training_operations(model) * result.chargen,
            peak_share=result.share,
        )

    return (row(*plan) for plan in plans)


def sampling(sizes: Sequence[str], settings: BenchConfig) -> Iterator[SamplingRow]:
    """The speed of sampling, a row a size and number of texts written at once.

    Raises:
        ConfigError: a size is out of its range.
    """
    from chargen.bench import plain_torch

    threads = settings.threads or cores()
    characters = corpus.load().vocab.characters
    plans = [(size, architecture(size), batch) for size in sizes for batch in BATCHES]

    def row(size: str, model: ModelConfig, batch: int) -> SamplingRow:
        result = _Result.of(
            Contestant(chargen_sampling, (model, batch), threads),
            Contestant(plain_torch.plain_sampling, (model, characters, batch), threads),
            Contestant(bare_sampling, (model, batch), threads),
            settings,
        )
        return SamplingRow(
            size=size,
            batch=batch,
            chars_per_second=result.chargen,
            plain_chars_per_second=result.plain,
            ratio=result.ratio,
            bandwidth_share=result.share,
        )

    return (row(*plan) for plan in plans)


class _Result(NamedTuple):
    """Characters a second of chargen and of the plain way, their ratio, and chargen's share of the bare products."""

    chargen: float
    plain: float
    ratio: float
    share: float

    @classmethod
    def of(cls, chargen: Contestant, plain: Contestant, bare: Contestant, settings: BenchConfig) -> "_Result":
        rates = race([chargen, plain, bare], rounds=settings.rounds, seconds=settings.seconds)
        speeds = np.median(rates, axis=0)
        ratios = np.median(rates[:, :1] / rates, axis=0)
        return cls(float(speeds[0]), float(speeds[1]), float(ratios[1]), float(ratios[2]))


def chargen_training(model: ModelConfig, train: TrainConfig) -> Iterator[int]:
    """The steps of ``chargen train`` on Alice, one a turn."""
    from chargen.training import hardware
    from chargen.training.bptt import Windows
    from chargen.training.running_means import RunningMeans
    from chargen.training.step import Learner

    ids = corpus.load().ids
    windows = Windows(ids, range(len(ids)), train.batch_size, train.bptt, train.seed)
    with hardware.tuned(train.threads):
        learner = Learner(model, train)
        means = RunningMeans(learner.device)
        while True:
            if windows.starts_epoch(learner.step):
                learner.forget()
            loss, norm = learner.learn(*windows.at(learner.step), train.learning_rate)
            means.add(loss, norm, train.grad_clip)
            yield train.batch_size * train.bptt


def plain_training(model: ModelConfig, train: TrainConfig) -> Iterator[int]:
    """The steps of the plain loop on Alice, one a turn."""
    from chargen.bench import plain_torch

    return plain_torch.plain_training(model, train, corpus.load().ids)


def chargen_sampling(model: ModelConfig, batch: int) -> Iterator[int]:
    """Texts written as ``chargen sample`` writes them, one character of each a turn."""
    generator = np.random.default_rng(1)
    weights = {
        name: generator.standard_normal(shape, np.float32) / np.float32(math.sqrt(shape[-1]))
        for name, shape in model.weight_shapes().items()
    }
    vocab = corpus.load().vocab
    pieces = generate(Network(model, weights), vocab, length=sys.maxsize, seed=1, num_samples=batch)
    while True:
        for _ in range(batch):
            next(pieces)
        yield batch


def bare_sampling(model: ModelConfig, batch: int) -> Iterator[int]:
    """The matrix products of a step in NumPy, and nothing else, a step a turn."""
    generator = np.random.default_rng(1)
    products = [
        (
            generator.standard_normal((batch, inputs), np.float32),
            generator.standard_normal((inputs, outputs), np.float32),
            np.empty((batch, outputs), np.float32),
        )
        for inputs, outputs in step_products(model, batch)
    ]
    while True:
        for values, weights, out in products:
            values.dot(weights, out)
        yield batch


def step_products(model: ModelConfig, batch: int) -> list[tuple[int, int]]:
    """Inputs and outputs of each product of a sampling step; what the character adds is a row of a table.

    For one text a layer's recurrent product and that with the layer below are one.
    """
    hidden = model.hidden_size
    upper = [(2 * hidden, 4 * hidden)] if batch == 1 else [(hidden, 4 * hidden)] * 2
    return [(hidden, 4 * hidden)] + upper * (model.num_layers - 1) + [(hidden, model.vocab_size)]


def training_operations(model: ModelConfig) -> int:
    """Floating-point operations of all matrix products per trained character: 2 a weight forward, 4 backward."""
    shapes = model.weight_shapes()
    del shapes["embedding.weight"]  # a row of it is looked up
    return 6 * sum(math.prod(shape) for shape in shapes.values() if len(shape) == 2)


def machine(settings: BenchConfig) -> dict[str, Any]:
    """What the figures depend on beside chargen."""
    from chargen.training import hardware

    return {
        "processor": hardware.processor(),
        "cores": cores(),
        "threads": settings.threads or cores(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": metadata.version("torch"),
    }
