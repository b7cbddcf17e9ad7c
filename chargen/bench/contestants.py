"""How chargen takes part in the measurements, as other processes make it, and the bare products of sampling.

Torch is imported only where it is needed, so that the process that samples does without, as ``chargen sample`` does.
"""

import math
import sys
from collections.abc import Iterator

import numpy as np

from chargen.config import ModelConfig, TrainConfig
from chargen.inference.generate import generate
from chargen.inference.numpy_network import Network
from chargen.text.corpus import Texts


def chargen_training(model: ModelConfig, train: TrainConfig) -> Iterator[int]:
    """The steps of ``chargen train`` on Alice, one a turn."""
    from chargen.training import hardware
    from chargen.training.bptt import Windows
    from chargen.training.running_means import RunningMeans
    from chargen.training.step import Learner
    from chargen.training.trainer import REPORT_STEPS

    ids = Texts().load().ids
    windows = Windows(ids, range(len(ids)), train)
    with hardware.tuned(train.threads):
        learner = Learner(model, train)
        means = RunningMeans(train.grad_clip)
        while True:
            if windows.starts_epoch(learner.step):
                learner.forget()
            means.add(*learner.learn(*windows.at(learner.step), train.learning_rate))
            if learner.step % REPORT_STEPS == 0:
                means.values()
            yield train.batch_size * train.bptt


def chargen_sampling(model: ModelConfig, batch: int) -> Iterator[int]:
    """Texts written as ``chargen sample`` writes them, one character of each a turn."""
    generator = np.random.default_rng(1)
    weights = {
        name: generator.standard_normal(shape, np.float32) / np.float32(math.sqrt(shape[-1]))
        for name, shape in model.weight_shapes().items()
    }
    vocab = Texts().load().vocab
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
