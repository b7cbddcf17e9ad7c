"""Fine-tuning: an older model's architecture and weights, carried over to the vocabulary of a new text."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chargen.config import ModelConfig
from chargen.errors import CheckpointError, MismatchError
from chargen.store.checkpoint import Checkpoint
from chargen.text.vocab import Vocab
from chargen.training.torch_network import StackedRNN


def inherited_architecture(parent: Checkpoint, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings asked for, with the parent's architecture, which may be named again but not changed.

    Raises:
        MismatchError: one of them differs from the parent's.
    """
    inherited = dataclasses.asdict(parent.model)
    del inherited["vocab_size"]
    for name, value in settings.items():
        if value != inherited.get(name, value):
            raise MismatchError(
                f"--{name.replace('_', '-')} {value} differs from the {inherited[name]} of the checkpoint to start "
                "from; leave it out"
            )
    return inherited | settings


def carried_weights(
    parent: Checkpoint, model: ModelConfig, vocab: Vocab, seed: int
) -> tuple[dict[str, NDArray[np.float32]], tuple[str, ...]]:
    """The parent's weights for a new vocabulary: shared characters keep theirs, new ones get fresh ones.

    Returns:
        The weights, named as in ``model.weight_shapes()``, and notes on what became of the characters.

    Raises:
        CheckpointError: no character is in both vocabularies.
    """
    weights = StackedRNN(model, seed=seed).export()
    pairs = [(at, parent.vocab.id_of(character)) for at, character in enumerate(vocab.characters)]
    shared = [(at, before) for at, before in pairs if before is not None]
    if not shared:
        raise CheckpointError("the checkpoint to start from shares no character with this text; train without it")
    if vocab.unknown_id is not None and parent.vocab.unknown_id is not None:
        shared.append((vocab.unknown_id, parent.vocab.unknown_id))
    new, old = (np.array(ids) for ids in zip(*shared, strict=True))
    for name, weight in parent.weights.items():
        if name == "embedding.weight" or name.split(".")[-2] in ("readout", "joint"):
            weights[name][new] = weight[old]
        elif model.one_hot and name.endswith("weight_ih") and (model.skip or name.split(".")[-2] == "0"):
            below = weight.shape[1] - len(parent.vocab)  # one-hot characters come after what the layer below hands up
            weights[name][:, :below] = weight[:, :below]
            weights[name][:, below + new] = weight[:, below + old]
        else:
            weights[name] = weight.copy()
    fresh = len(vocab) - len(shared)
    note = f"{len(shared)} characters keep their embedding and read-out rows, {fresh} new ones start fresh"
    return weights, (note,)
