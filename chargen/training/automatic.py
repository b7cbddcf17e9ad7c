"""Automatic settings made definite: device, precision, threads, and a window that fits the text."""

import dataclasses
import functools
import time
from typing import Final

import torch

from chargen.config import ModelConfig, TrainConfig
from chargen.training import hardware
from chargen.training.bptt import fit
from chargen.training.distributed import ALONE, World
from chargen.training.step import Learner

PROBE_SECONDS: Final = 1.0
TRIAL_SECONDS: Final = 0.3  # for each number of threads that is tried


def resolve(
    train: TrainConfig, model: ModelConfig, characters: int, world: World = ALONE
) -> tuple[TrainConfig, tuple[str, ...]]:
    """``train`` with automatic settings chosen and the window fitted to the text, and notes on what was lowered.

    Args:
        train: As asked for.
        model: Architecture.
        characters: Length of the training split.
        world: The processes that share the work.

    Raises:
        ConfigError: the device is not there or too small for the network, or the batch cannot be divided among the
            processes.
    """
    world.columns(train.batch_size)
    device = hardware.choose_device(train.device, world.size)
    hardware.check_memory(device, model)
    batch_size, bptt = fit(characters, train.batch_size, train.bptt)
    batch_size = max(1, batch_size // world.size) * world.size
    changes = (("batch size", train.batch_size, batch_size), ("bptt", train.bptt, bptt))
    lowered = [f"{name} {was} became {now}" for name, was, now in changes if was != now]
    note = f"the training split has only {characters:,} characters, so {' and '.join(lowered)}"
    resolved = dataclasses.replace(
        train,
        device=device,
        precision=hardware.choose_precision(train.precision, device),
        batch_size=batch_size,
        bptt=bptt,
    )
    return with_threads(resolved, model, world), (note,) * bool(lowered)


def with_threads(train: TrainConfig, model: ModelConfig, world: World = ALONE) -> TrainConfig:
    """``train``, all else in which is definite, with the number of threads that it asks for or else that suits it now.

    Raises:
        MismatchError: it asks for more than any machine like this could use.
    """
    counts = thread_counts(train, model, world)
    train = dataclasses.replace(train, threads=counts[-1])
    return dataclasses.replace(train, threads=_fastest_threads(model, train, counts)) if len(counts) > 1 else train


def thread_counts(train: TrainConfig, model: ModelConfig, world: World = ALONE) -> tuple[int, ...]:
    """The numbers of threads that are tried: one, half of the cores and all; just one number where no trial is made.

    Raises:
        MismatchError: ``train`` asks for more than any machine like this could use.
    """
    most = hardware.choose_threads(train.threads, model)
    if train.threads or train.device != "cpu" or world.size > 1:
        return (most,)
    return tuple(sorted({1, max(1, most // 2), most}))


def measured_speed(model: ModelConfig, train: TrainConfig, world: World = ALONE) -> float:
    """How many characters a second one process of ``world`` trains such a network on, from a second's trial."""
    train, _ = resolve(train, model, train.batch_size * train.bptt * 16, world)
    return _speed(model, train, PROBE_SECONDS)


@functools.lru_cache(maxsize=16)
def _fastest_threads(model: ModelConfig, train: TrainConfig, counts: tuple[int, ...]) -> int:
    """The number of threads that trains such a network fastest now.

    Beside another busy process a second thread may halve the speed instead of doubling it, since all wait for the
    slowest after each product.
    """
    speeds = {threads: _speed(model, dataclasses.replace(train, threads=threads), TRIAL_SECONDS) for threads in counts}
    return max(speeds, key=speeds.__getitem__)


def _speed(model: ModelConfig, train: TrainConfig, seconds: float) -> float:
    """Characters a second with settings that are all definite, from a trial of so many seconds."""
    window = torch.zeros(train.bptt + 1, train.batch_size, dtype=torch.int64)
    with hardware.tuned(train.threads):
        learner = Learner(model, train)
        learner.learn(window[:-1], window[1:], 0.0)
        steps, began = 0, time.perf_counter()
        while not steps or time.perf_counter() - began < seconds:  # beside other work a single step may take seconds
            loss, _ = learner.learn(window[:-1], window[1:], 0.0)
            steps += 1
        float(loss)  # wait for a GPU
        return steps * train.batch_size * train.bptt / (time.perf_counter() - began)
