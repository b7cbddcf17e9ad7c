"""Fine-tuning: an older model's architecture and weights, carried over to the vocabulary of a new text."""

import dataclasses
import math
from collections import Counter
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from chargen.config import ModelConfig
from chargen.errors import MismatchError
from chargen.store.checkpoint import Checkpoint
from chargen.text import prompt
from chargen.text.vocab import Vocab
from chargen.training.evaluate import evaluate
from chargen.training.torch_network import StackedRNN
from chargen.wording import counted

COUNTED: Final = 1 << 20
"""Characters at the beginning of a text whose frequencies stand for those of all."""
SAMPLE: Final = 2000
"""Characters at the beginning of a text that a network reads before it is trained."""
KNOWN: Final = 0.25
"""Least share of a text in characters that the parent knows, or knows a look-alike of. In Russian and Chinese, English
knows the spaces and the punctuation, a fifth."""
SHORT: Final = 1_000_000
"""Characters from which on a network of one's own learns to spell by itself."""
FAMILIAR: Final = 0.66
"""Most bits per character of a text that a model is advised for, as a share of the entropy of the text's characters.
English has 0.45 of Alice, 0.5 to 0.6 of verse, 0.64 of a modern diary, 0.7 and 0.9 of a README and Python code, and
more than 1 of German, French and names."""


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
    parent: Checkpoint, model: ModelConfig, vocab: Vocab, ids: NDArray[np.unsignedinteger], seed: int
) -> tuple[dict[str, NDArray[np.float32]], tuple[str, ...]]:
    """The parent's weights for a new vocabulary.

    A character that the parent knows keeps its rows. One that it does not begins from the rows of what it is read as (a
    curly quote from the straight one), the probability of that shared among all that are read so. Any other begins
    from scratch, as likely everywhere as it is in the text, so that it is not written more often.

    Args:
        parent: The model to start from.
        model: Its architecture with the new vocabulary's size.
        vocab: The new vocabulary.
        ids: The beginning of the training split, (N,).
        seed: Of the weights that begin from scratch.

    Returns:
        The weights, named as in ``model.weight_shapes()``, and notes on what became of the characters.

    Raises:
        MismatchError: the parent knows too little of the text's characters.
    """
    origins = _origins(parent, vocab)
    counts = np.bincount(ids, minlength=len(vocab))
    shares = (counts + 0.5) / (counts.sum() + 0.5 * len(vocab))
    known = origins >= 0
    if counts[known].sum() < KNOWN * counts.sum():
        raise MismatchError(
            f"the checkpoint to start from, of {parent.corpus.name}, knows {counts[known].sum() / counts.sum():.0%} of "
            "this text's characters; leave out --init-from and train on the text alone"
        )
    weights = StackedRNN(model, seed=seed).export()
    new, old = np.flatnonzero(known), origins[known]
    together = np.bincount(old, shares[new], minlength=len(parent.vocab))[old]
    for name, weight in parent.weights.items():
        kind = name.split(".")[-2]
        if name == "embedding.weight":
            weights[name][new] = weight[old]
        elif kind in ("readout", "joint"):
            weights[name][:] = 0
            weights[name][new] = weight[old]
            if weight.ndim == 1:
                weights[name][new] += np.log(shares[new] / together)
                weights[name][~known] = np.log(shares[~known])
        elif model.one_hot and name.endswith("weight_ih") and (model.skip or kind == "0"):
            below = weight.shape[1] - len(parent.vocab)  # one-hot characters come after what the layer below hands up
            weights[name][:, :below] = weight[:, :below]
            weights[name][:, below + new] = weight[:, below + old]
        else:
            weights[name] = weight.copy()
    if not known.all():
        level = _level(model, weights, ids[:SAMPLE])
        for name in weights.keys() & {"readout.bias", "joint.bias"}:
            weights[name][~known] += level
    return weights, (_note(parent, vocab, origins),)


def _origins(parent: Checkpoint, vocab: Vocab) -> NDArray[np.int64]:
    """The parent's id that each id of ``vocab`` begins from, (V,); -1 for none."""
    seen = Vocab("".join(character for character in parent.vocab.characters if character not in parent.corpus.unseen))
    origins = np.full(len(vocab), -1)
    for at, character in enumerate(vocab.characters):
        reading = prompt.fit(character, seen).text
        if len(reading) == 1:
            origins[at] = parent.vocab.ids_of(reading)[0]
    if vocab.unknown_id is not None and parent.vocab.unknown_id is not None:
        origins[vocab.unknown_id] = parent.vocab.unknown_id
    return origins


def _level(model: ModelConfig, weights: dict[str, NDArray[np.float32]], ids: NDArray[np.unsignedinteger]) -> float:
    """The logit of a character that is as likely as all others together: the mean over a text of log sum exp."""
    network = StackedRNN(model)
    network.load(weights)
    with torch.no_grad():
        logits, _ = network(torch.from_numpy(ids.astype(np.int64))[:, None], network.initial_state(1))
    return float(logits.logsumexp(-1).mean())


def _note(parent: Checkpoint, vocab: Vocab, origins: NDArray[np.int64]) -> str:
    """What became of the characters."""
    alike = sum(
        bool(origin >= 0) and parent.vocab.characters[origin] != character
        for character, origin in zip(vocab.characters, origins, strict=False)  # the unknown id is no character
    )
    fresh = int((origins < 0).sum())
    rows = "embedding and read-out rows"
    parts = [counted(len(vocab) - alike - fresh, f"character keeps its {rows}", f"characters keep their {rows}")]
    parts += [counted(alike, "begins as what it looks like", "begin as what they look like")] * bool(alike)
    parts += [counted(fresh, "begins from scratch", "begin from scratch")] * bool(fresh)
    return ", ".join(parts)


def knows(model: Checkpoint, text: str) -> bool:
    """Whether a model predicts a text far better than the frequencies of the text's own characters do."""
    ids = model.vocab.ids_of(prompt.fit(text, model.vocab).text)
    if len(ids) < 2:
        return False
    network = StackedRNN(model.model)
    network.load(model.weights)
    (bits,) = evaluate(network, ids, range(1, len(ids)))
    return bits < FAMILIAR * _entropy(text)


def _entropy(text: str) -> float:
    """Of the characters' frequencies, in bits per character (Shannon 1948)."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
