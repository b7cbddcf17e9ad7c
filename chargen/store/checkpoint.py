"""The checkpoint: one self-contained safetensors file, all that joins training to everything else.

Tensors hold the weights under the names of ``ModelConfig.weight_shapes`` and, in a run's ``last`` checkpoint, what
resuming needs under ``state.``. The header's metadata has two entries: ``chargen``, a JSON document with everything
that is not a tensor, a SHA-256 of each tensor's bytes among it, and ``sha256`` of that document. A file in which any
bit that matters has changed is therefore refused, not loaded wrongly. Nothing is ever unpickled.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen.atomic import replacing
from chargen.config import ModelConfig, TrainConfig
from chargen.errors import CheckpointError, ConfigError
from chargen.schema import (
    CorpusInfo,
    Evaluation,
    Kind,
    check,
    check_progress,
    is_count,
    is_flag,
    is_number,
    is_object,
    is_text,
    list_of,
    or_none,
    record,
)
from chargen.text.vocab import Vocab

__all__ = ["Checkpoint", "CorpusInfo", "Evaluation", "load", "save"]

FORMAT: Final = 1
MAX_HEADER: Final = 16 << 20  # bytes; a vocabulary of every code point takes 15 MB of JSON in JSON
MAX_VALUES: Final = 1 << 18  # lists and objects in the settings; parsed, they take some hundred bytes each
_STATE: Final = "state."
_PICKLES: Final = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model with everything that is known of it.

    Attributes:
        model: Architecture.
        train: Training settings.
        vocab: Characters and ids.
        corpus: What it was trained on.
        weights: Float32 arrays with the names and shapes of ``model.weight_shapes()``.
        history: Every evaluation up to this checkpoint; the last one is its own.
        test_bpc: Bits per character on the test split, once it has been scored.
        progress: What resuming needs beside tensors, in a run's ``last`` checkpoint.
        state: Tensors that resuming needs, likewise.
    """

    model: ModelConfig
    train: TrainConfig
    vocab: Vocab
    corpus: CorpusInfo
    weights: Mapping[str, NDArray[np.float32]]
    history: tuple[Evaluation, ...] = ()
    test_bpc: float | None = None
    progress: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def val_bpc(self) -> float | None:
        """Bits per character on the validation split, None before the first evaluation or without a split."""
        return self.history[-1].val_bpc if self.history else None


def save(path: Path, checkpoint: Checkpoint, *, half: bool = False) -> None:
    """Write ``checkpoint`` to ``path``, whole or not at all.

    Args:
        path: The file; an old one is replaced once the new one is safely on the disk.
        checkpoint: What to write.
        half: Keep the weights as float16, half the size.

    Raises:
        CheckpointError: it is one that ``load`` would refuse: a number in it is not finite, or its header too large.
        RunError: the file cannot be written.
    """
    from safetensors.numpy import save as serialise

    kind = np.float16 if half else np.float32
    tensors: dict[str, NDArray[Any]] = {
        name: np.ascontiguousarray(weight, dtype=kind) for name, weight in checkpoint.weights.items()
    }
    tensors |= {_STATE + name: np.ascontiguousarray(tensor) for name, tensor in checkpoint.state.items()}
    document = {
        "format": FORMAT,
        "model": dataclasses.asdict(checkpoint.model),
        "train": dataclasses.asdict(checkpoint.train),
        "vocab": {"characters": checkpoint.vocab.characters, "unknown": checkpoint.vocab.unknown_id is not None},
        "corpus": dataclasses.asdict(checkpoint.corpus),
        "history": [dataclasses.asdict(evaluation) for evaluation in checkpoint.history],
        "test_bpc": checkpoint.test_bpc,
        "progress": dict(checkpoint.progress),
        "tensors": {name: _digest(tensor) for name, tensor in tensors.items()},
    }
    try:
        for name, tensor in tensors.items():
            _check_finite(name, tensor)
        text = json.dumps(document, allow_nan=False)
        data = serialise(tensors, {"chargen": text, "sha256": hashlib.sha256(text.encode()).hexdigest()})
        _check_size(int.from_bytes(data[:8], "little"))
    except ValueError as error:
        raise CheckpointError(f"{path} was not written, since it could not be read again: {error}") from error
    with replacing(path) as file:
        file.write(data)


def load(path: Path, *, with_state: bool = False) -> Checkpoint:
    """The checkpoint in the file ``path``.

    Sizes, shapes, types, vocabulary and settings are checked against each other before any tensor is read, and each
    tensor against its digest.

    Args:
        path: A checkpoint file.
        with_state: Read also what resuming needs.

    Raises:
        CheckpointError: the file is missing, is not a chargen checkpoint, or is damaged.
    """
    _refuse_other_files(path)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            document = _document(path, file.metadata())
            checkpoint = _without_tensors(document)
            wanted = _check_header(checkpoint.model, document["tensors"], file)
            weights = {name: _tensor(file, name, document["tensors"][name]) for name in wanted}
            weights = {name: weight.astype(np.float32, copy=False) for name, weight in weights.items()}
            names = [name for name in document["tensors"] if with_state and name.startswith(_STATE)]
            state = {name.removeprefix(_STATE): _tensor(file, name, document["tensors"][name]) for name in names}
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a whole safetensors file ({error})") from error
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
    except (ConfigError, TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a consistent chargen checkpoint: {_why(error)}") from error
    return dataclasses.replace(checkpoint, weights=weights, state=state)


def _why(error: Exception) -> str:
    text = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return text if len(text) <= 200 else text[:200] + " ..."


def _digest(tensor: NDArray[Any]) -> str:
    return hashlib.sha256(tensor.reshape(-1).view(np.uint8).data).hexdigest()


def _check_finite(name: str, tensor: NDArray[Any]) -> None:
    # the two ends tell of nan too, and need no copy as np.isfinite and np.abs do
    if tensor.dtype.kind == "f" and tensor.size and not np.isfinite([tensor.min(), tensor.max()]).all():
        raise ValueError(f"{name} holds values that are not finite")


def _check_size(header: int) -> None:
    if header > MAX_HEADER:
        raise ValueError(f"a header of {header} bytes; chargen takes at most {MAX_HEADER}")


def _refuse_other_files(path: Path) -> None:
    """Raise a CheckpointError that says what ``path`` is where it is plainly something else."""
    try:
        if path.is_dir():
            raise CheckpointError(f"{path} is a folder without best.safetensors or last.safetensors")
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
    header = int.from_bytes(head, "little")
    # the first bytes of a pickle, read as a header's size, are far beyond any file's; a header may begin like a pickle
    if (header > size - 8 or header > MAX_HEADER) and head.startswith(_PICKLES):
        raise CheckpointError(f"{path} is a pickle; chargen reads safetensors only, since a pickle can run code")
    if len(head) < 8 or header > size - 8:
        raise CheckpointError(f"{path} is not a safetensors file, or it is cut short ({size} bytes)")
    try:
        _check_size(header)
    except ValueError as error:
        raise CheckpointError(f"{path} claims {error}") from error


def _document(path: Path, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    if not metadata or "chargen" not in metadata:
        raise CheckpointError(f"{path} is a safetensors file of another program, not a chargen checkpoint")
    text = metadata["chargen"]
    if hashlib.sha256(text.encode()).hexdigest() != metadata.get("sha256"):
        raise CheckpointError(f"{path} is damaged: its settings do not match their checksum")
    if text.count("[") + text.count("{") > MAX_VALUES:
        raise ValueError("its settings hold too many values")
    document = json.loads(text, parse_constant=_refuse_constant)
    if not isinstance(document, dict):
        raise CheckpointError(f"{path} is not a consistent chargen checkpoint: its settings are no JSON object")
    if document.get("format") != FORMAT:
        found = _why(ValueError(repr(document.get("format"))))
        raise CheckpointError(f"{path} has checkpoint format {found}; this chargen reads format {FORMAT}")
    return document


def _refuse_constant(name: str) -> float:
    raise ValueError(f"its settings hold {name}")


def _without_tensors(document: dict[str, Any]) -> Checkpoint:
    parts = check("header", document, _PARTS)
    vocab = _vocab(parts["vocab"])
    model = ModelConfig.from_dict(parts["model"])
    if len(vocab) != model.vocab_size:
        raise ValueError(f"its vocabulary has {len(vocab)} ids, its model {model.vocab_size}")
    corpus = record(CorpusInfo, parts["corpus"])
    if max(corpus.train[1], corpus.val[1], corpus.test[1]) > corpus.characters:
        raise ValueError(f"its splits go beyond the {corpus.characters} characters of its corpus")
    return Checkpoint(
        model=model,
        train=TrainConfig.from_dict(parts["train"]),
        vocab=vocab,
        corpus=corpus,
        weights={},
        history=tuple(record(Evaluation, evaluation) for evaluation in parts["history"]),
        test_bpc=parts["test_bpc"],
        progress=parts["progress"] and check_progress(parts["progress"]),
    )


def _vocab(values: object) -> Vocab:
    parts = check("vocabulary", values, {"characters": is_text, "unknown": is_flag})
    if any("\ud800" <= character <= "\udfff" for character in parts["characters"]):
        raise ValueError("its vocabulary holds a lone surrogate, which is no character")
    return Vocab(parts["characters"], unknown=parts["unknown"])


_PARTS: Final[Mapping[str, Kind]] = {
    "format": is_count,
    "model": is_object,
    "train": is_object,
    "vocab": is_object,
    "corpus": is_object,
    "history": list_of(is_object),
    "test_bpc": or_none(is_number),
    "progress": is_object,
    "tensors": is_object,
}


def _check_header(model: ModelConfig, digests: Mapping[str, str], file: Any) -> list[str]:
    """The names of the weights, after their shapes and types have been held against the model's settings."""
    shapes = model.weight_shapes()
    names = set(file.keys())
    if names != set(digests):
        raise ValueError(f"tensors and checksums differ: {sorted(names ^ set(digests))[:3]}")
    weights = {name for name in names if not name.startswith(_STATE)}
    if weights != set(shapes):
        raise ValueError(f"its weights are not those of its model: {sorted(weights ^ set(shapes))[:3]}")
    for name, shape in shapes.items():
        entry = file.get_slice(name)
        if tuple(entry.get_shape()) != shape:
            raise ValueError(f"{name} has shape {tuple(entry.get_shape())}, its model needs {shape}")
        if entry.get_dtype() not in ("F32", "F16"):
            raise ValueError(f"{name} has type {entry.get_dtype()}, not F32 or F16")
    return list(shapes)


def _tensor(file: Any, name: str, digest: str) -> NDArray[Any]:
    tensor: NDArray[Any] = file.get_tensor(name)
    if _digest(tensor) != digest:
        raise ValueError(f"{name} does not match its checksum, so the file is damaged")
    _check_finite(name, tensor)
    return tensor
