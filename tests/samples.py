"""Small checkpoints made without training, and ways to tamper with their files."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from networks import random_weights
from numpy.typing import NDArray
from safetensors.numpy import load as parse
from safetensors.numpy import save as serialise

from chargen.config import ModelConfig, TrainConfig
from chargen.schema import record
from chargen.store.checkpoint import Checkpoint, CorpusInfo, Evaluation, ItemsInfo, Resume, Tally, load
from chargen.text.corpus import Corpus, Texts
from chargen.text.items import Division
from chargen.text.text_stream import Progress
from chargen.text.vocab import Vocab

Tensors = dict[str, NDArray[Any]]
PORTED = ("lstm", "gru", "rnn", "peephole")
"""The cells that the page's engine and ONNX have equations for."""


def vocab_of(text: str) -> Vocab:
    """The vocabulary of every distinct character of a text."""
    return Vocab("".join(sorted(set(text))))


def load_corpus(
    sources: str | Path | Sequence[str | Path] = (), *, progress: Progress | None = None, **reading: Any
) -> Corpus:
    """The texts of one source or several, read as ``Texts`` has it."""
    named = [sources] if isinstance(sources, str | Path) else sources
    return Texts(tuple(map(str, named)), **reading).load(progress)


def shares(val: float, test: float, seed: int = 1) -> TrainConfig:
    """Settings that hold out these shares of a text, and by this seed the items of a list."""
    return TrainConfig(val_fraction=val, test_fraction=test, seed=seed)


def evaluation(step: int = 10, **changes: Any) -> Evaluation:
    """An evaluation, all of its numbers there."""
    numbers: dict[str, Any] = {field.name: 0.5 for field in dataclasses.fields(Evaluation)}
    return Evaluation(**{**numbers, "step": step, **changes})


def checkpoint(characters: str = "\n abcdé", *, unknown: bool = False, scale: float = 0.5, **model: Any) -> Checkpoint:
    """A checkpoint of random weights, as a run's ``last`` would be: with what going on needs."""
    vocab = Vocab(characters, unknown=unknown)
    config = record(ModelConfig, {"vocab_size": len(vocab), "hidden_size": 4, "embedding_size": 3, **model})
    weights = random_weights(config, scale=scale)
    return Checkpoint(
        model=config,
        train=TrainConfig(seed=7, batch_size=2),
        vocab=vocab,
        corpus=CorpusInfo(name="some", sha256="0" * 64, characters=50, train=(0, 40), val=(40, 45), test=(45, 50)),
        weights=weights,
        history=(evaluation(5), evaluation(10, train_bpc=None, val_bpc=2.25)),
        test_bpc=2.5,
        resume=Resume(
            step=10,
            total_steps=20,
            best_step=10,
            best_bpc=2.25,
            seconds=1.5,
            tally=Tally(steps=3, sums=(0.5, 1.0, 2.0)),
            origin=Texts(sources=("some.txt",)),
            tensors={"hidden": np.ones((2, 2, 2, 4), np.float32), "count": np.arange(3)},
        ),
    )


def of_a_list(whole: Checkpoint) -> Checkpoint:
    """The same checkpoint, trained on a list of lines."""
    items = ItemsInfo(division=Division("lines"), train=4, val=1, test=1, longest=9)
    seen = np.array([3, 5, 1 << 63], dtype=np.uint64)
    return dataclasses.replace(whole, corpus=dataclasses.replace(whole.corpus, items=items), seen=seen)


def resume_of(path: Path) -> Resume:
    """What a run's ``last`` checkpoint keeps for going on."""
    found = load(path, with_state=True).resume
    assert found is not None
    return found


def without_arrays(whole: Checkpoint) -> Checkpoint:
    """What is left to be compared with ``==``."""
    resume = whole.resume and dataclasses.replace(whole.resume, tensors={})
    return dataclasses.replace(whole, weights={}, resume=resume, seen=None)


def assert_equal(one: Checkpoint, other: Checkpoint) -> None:
    """Fail unless both hold the same, every tensor bit for bit."""
    left, right = arrays(one), arrays(other)
    assert left.keys() == right.keys()
    for name, array in left.items():
        assert array.dtype == right[name].dtype, name
        np.testing.assert_array_equal(array, right[name], err_msg=name)
    assert without_arrays(one) == without_arrays(other)


def arrays(whole: Checkpoint) -> Tensors:
    """Its weights and, under ``state.``, what going on needs; of a list also the hashes of its items."""
    state = whole.resume.tensors if whole.resume else {}
    seen: Tensors = {} if whole.seen is None else {"items.seen": whole.seen}
    return {**whole.weights, **seen, **{f"state.{name}": tensor for name, tensor in state.items()}}


def taken_apart(path: Path) -> tuple[dict[str, Any], Tensors]:
    """The settings and the tensors of a checkpoint file."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    return json.loads(header["__metadata__"]["chargen"]), parse(data)


def put_together(path: Path, document: object, tensors: Tensors, **metadata: str) -> Path:
    """A file of these settings, JSON text or what becomes it, and tensors, with a checksum that is right."""
    text = document if isinstance(document, str) else json.dumps(document)
    sums = {"chargen": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    path.write_bytes(serialise(tensors, {**sums, **metadata}))
    return path


def with_digests(document: dict[str, Any], tensors: Tensors) -> dict[str, Any]:
    """The settings with checksums that fit the tensors."""
    digests = {name: hashlib.sha256(tensor.tobytes()).hexdigest() for name, tensor in tensors.items()}
    return {**document, "tensors": digests}
