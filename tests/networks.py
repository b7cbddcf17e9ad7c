"""Small networks for the tests of inference."""

import numpy as np
from numpy.typing import NDArray

from chargen.config import ModelConfig
from chargen.inference.numpy_network import Network
from chargen.schema import record


def random_weights(config: ModelConfig, seed: int = 0, scale: float = 0.5) -> dict[str, NDArray[np.float32]]:
    """Normally distributed weights for every name of ``config``."""
    generator = np.random.default_rng(seed)
    return {
        name: (scale * generator.standard_normal(shape)).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }


def random_network(seed: int = 0, **settings: object) -> Network:
    """A network of random weights."""
    config = record(ModelConfig, {"vocab_size": 7, "hidden_size": 6, "embedding_size": 4, **settings})
    return Network(config, random_weights(config, seed))


def chain(logits: NDArray[np.float32]) -> Network:
    """A network whose next logits are the row of ``logits`` (V, V) that the last character names, exactly."""
    size = len(logits)
    config = ModelConfig(vocab_size=size, cell="rnn", num_layers=1, hidden_size=size, one_hot=True, skip=False)
    weights = {name: np.zeros(shape, np.float32) for name, shape in config.weight_shapes().items()}
    weights["layers.0.weight_ih"] = np.eye(size, dtype=np.float32) * 100  # tanh makes exactly 1 of it
    weights["readout.weight"] = np.ascontiguousarray(logits.T)
    return Network(config, weights)


def reciter(characters: str) -> Network:
    """A network that surely writes ``characters`` in a circle; each of them stands once, its id is its place."""
    return chain(np.roll(np.eye(len(characters), dtype=np.float32), 1, axis=1) * 1000)
