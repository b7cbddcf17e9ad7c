"""How fast this machine trains and samples, beside the same network in PyTorch and beside the bare matrix products.

A figure is the median of several rounds, in which all take turns with the same number of threads; a ratio is the median
of the rounds' ratios. How much of the processors goes to other processes meanwhile is measured too. Beside these there
are no ratios, since other work slows each contestant in its own measure: threads wait for each other, and memory and
caches are shared. Of one 2x512 text by one thread, a second of processor time is then worth three quarters of chargen's
quiet speed, and less than half of that of the textbook's, which copies all weights at each step.
"""

import math
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen.bench import contestants
from chargen.bench.interleaved import Contestant, race
from chargen.bench.sizes import SMALL, WINDOWS, BenchConfig
from chargen.config import ModelConfig, TrainConfig
from chargen.errors import ConfigError
from chargen.text.corpus import Texts
from chargen.threads import cores, idle_cores

BATCHES: Final = (1, 64)
"""Texts written at once in the two measurements of sampling."""
BUSY: Final = 0.1
"""Share of the processors from which on other processes keep a measurement from being this machine's."""
DOUBTFUL: Final = 1 / 3
"""Spread from which on a ratio says nothing."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Speeds at one size.

    Attributes:
        size: Layers x hidden size.
        threads: Of each contestant.
        chars_per_second: chargen's speed.
        spread: How far its middle rounds lie apart: the distance of the quartiles, as a share of the median.
        plain_chars_per_second: The speed of PyTorch written as in a textbook.
        ratio: chargen's speed over that; None where the rounds disagree, or other processes were busy.
        competent_chars_per_second: The speed of PyTorch written competently.
        competent_ratio: As ``ratio``.
        busy: Whether other processes took more than a tenth of the processors; None where the system does not tell.
    """

    size: str
    threads: int
    chars_per_second: float
    spread: float
    plain_chars_per_second: float
    ratio: float | None
    competent_chars_per_second: float
    competent_ratio: float | None
    busy: bool | None


@dataclass(frozen=True, kw_only=True)
class TrainingRow(Row):
    """Training at one size; ``peak_share`` is of the GFLOP/s that the bare products reach."""

    batch_size: int
    bptt: int
    precision: str
    gflops: float
    peak_share: float | None


@dataclass(frozen=True, kw_only=True)
class SamplingRow(Row):
    """Sampling at one size; ``bandwidth_share`` is of the rate at which the bare products read the weights."""

    batch: int
    gigabytes_per_second: float
    bandwidth_share: float | None


def architecture(size: str) -> ModelConfig:
    """The LSTM of a size such as ``2x512``: for Alice's characters, and layered as ``nn.LSTM`` is, without skips.

    Raises:
        ConfigError: the size is not layers x hidden size.
    """
    layers, _, hidden = size.partition("x")
    if not (layers.isdecimal() and hidden.isdecimal()):
        raise ConfigError(f"size must be layers x hidden size, as in 2x512, not {size!r}")
    vocab_size = len(Texts().load().vocab)
    return ModelConfig(vocab_size=vocab_size, num_layers=int(layers), hidden_size=int(hidden), skip=False)


def regimen(model: ModelConfig, settings: BenchConfig) -> TrainConfig:
    """How chargen trains ``model``: with its dropout, DropConnect, clipping and averaging, which the others lack."""
    from chargen.training import hardware

    large = model.hidden_size > SMALL
    return TrainConfig(
        batch_size=settings.batch_size or WINDOWS["batch_size"][large],
        bptt=settings.bptt or WINDOWS["bptt"][large],
        precision=hardware.choose_precision(settings.precision, "cpu"),
        device="cpu",
        threads=settings.threads,
    )


def training(sizes: Sequence[str], settings: BenchConfig) -> Iterator[TrainingRow]:
    """The speed of training on Alice, a row a size.

    Raises:
        ConfigError: a size or a setting is out of its range.
        CorpusError: Alice is too short for the batch.
    """
    from chargen.bench import plain_torch, products
    from chargen.training import automatic

    ids = Texts().load().ids
    plans = [(size, model, regimen(model, settings)) for size in sizes for model in (architecture(size),)]

    def row(size: str, model: ModelConfig, train: TrainConfig) -> TrainingRow:
        train = automatic.with_threads(train, model)
        result = _Result(
            [
                Contestant(contestants.chargen_training, (model, train), train.threads),
                Contestant(plain_torch.textbook_training, (model, train, ids), train.threads),
                Contestant(plain_torch.competent_training, (model, train, ids), train.threads),
                Contestant(products.bare_training, (model, train), train.threads),
            ],
            settings,
        )
        return TrainingRow(
            size=size,
            **result.common(),
            batch_size=train.batch_size,
            bptt=train.bptt,
            precision=train.precision,
            gflops=1e-9 * training_operations(model) * result.speed(0),
            peak_share=result.ratio(3),
        )

    return (row(*plan) for plan in plans)


def sampling(sizes: Sequence[str], settings: BenchConfig) -> Iterator[SamplingRow]:
    """The speed of sampling, a row a size and number of texts written at once.

    Raises:
        ConfigError: a size is out of its range.
    """
    from chargen.bench import plain_torch

    characters = Texts().load().vocab.characters
    plans = [(size, architecture(size), batch) for size in sizes for batch in BATCHES]

    def row(size: str, model: ModelConfig, batch: int) -> SamplingRow:
        threads = settings.threads or idle_cores()
        result = _Result(
            [
                Contestant(contestants.chargen_sampling, (model, batch), threads),
                Contestant(plain_torch.textbook_sampling, (model, characters, batch), threads),
                Contestant(plain_torch.competent_sampling, (model, characters, batch), threads),
                Contestant(contestants.bare_sampling, (model, batch), threads),
            ],
            settings,
        )
        weights = sum(math.prod(shape) for shape in contestants.step_products(model, batch))
        return SamplingRow(
            size=size,
            **result.common(),
            batch=batch,
            gigabytes_per_second=4e-9 * weights * result.speed(0) / batch,  # read once a step, for all texts
            bandwidth_share=result.ratio(3),
        )

    return (row(*plan) for plan in plans)


class _Result:
    """What came of chargen, the textbook's way, the competent way and the bare products, in that order."""

    def __init__(self, entered: Sequence[Contestant], settings: BenchConfig) -> None:
        self._race = race(entered, rounds=settings.rounds, seconds=settings.seconds)
        self._threads = entered[0].threads
        others = self._race.others
        self._busy = None if others is None else others > BUSY

    def speed(self, contestant: int) -> float:
        """Median speed, in characters a second."""
        return float(np.median(self._race.rates[:, contestant]))

    def ratio(self, contestant: int) -> float | None:
        """How many times as fast chargen is as another, where it can be told."""
        ratios = self._race.rates[:, 0] / self._race.rates[:, contestant]
        return None if self._busy or _spread(ratios) > DOUBTFUL else float(np.median(ratios))

    def common(self) -> dict[str, Any]:
        """What rows of training and of sampling share."""
        return {
            "threads": self._threads,
            "chars_per_second": self.speed(0),
            "spread": _spread(self._race.rates[:, 0]),
            "plain_chars_per_second": self.speed(1),
            "ratio": self.ratio(1),
            "competent_chars_per_second": self.speed(2),
            "competent_ratio": self.ratio(2),
            "busy": self._busy,
        }


def _spread(values: NDArray[np.float64]) -> float:
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75))
    return float((high - low) / median)


def training_operations(model: ModelConfig) -> int:
    """Floating-point operations of all matrix products per trained character: 2 a weight forward, 4 backward."""
    shapes = model.weight_shapes()
    del shapes["embedding.weight"]  # a row of it is looked up
    return 6 * sum(math.prod(shape) for shape in shapes.values() if len(shape) == 2)


def machine() -> dict[str, Any]:
    """What the figures depend on beside chargen."""
    from chargen.training import hardware

    return {
        "processor": hardware.processor(),
        "cores": cores(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": metadata.version("torch"),
    }
