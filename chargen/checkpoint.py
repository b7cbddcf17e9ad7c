"""The checkpoint: one self-contained safetensors file, all that joins training to everything else.

Tensors hold the weights under the names of ``ModelConfig.weight_shapes`` and, in a run's ``last`` checkpoint, what
resuming needs under ``state.``. The header's metadata has two entries: ``chargen``, a JSON document with everything
that is not a tensor, a SHA-256 of each tensor's bytes among it, and ``sha256`` of that document. A file in which any
bit that matters has changed is therefore refused, not loaded wrongly. Nothing is ever unpickled.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen.config import ModelConfig, TrainConfig
from chargen.errors import CheckpointError, ConfigError
from chargen.files import replacing
from chargen.vocab import Vocab

FORMAT: Final = 1
MAX_HEADER: Final = 64 << 20  # bytes; a vocabulary of every code point takes about 13 MB of JSON
_STATE: Final = "state."


@dataclass(frozen=True, kw_only=True)
class CorpusInfo:
    """What a model was trained on.

    Attributes:
        name: The corpus's name or file names.
        sha256: Of the normalised text's UTF-8 bytes.
        characters: Length of the whole text.
        train: First and one past the last character of the training split; ``val`` and ``test`` likewise.
    """

    name: str
    sha256: str
    characters: int
    train: tuple[int, int]
    val: tuple[int, int]
    test: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One validation, and the training since the one before. Losses are in bits per character.

    Attributes:
        step: Optimizer steps so far.
        epoch: Passes over the training split so far.
        train_bpc: Mean training loss since the last evaluation, with dropout acting; None before the first step.
        val_bpc: Loss over the whole validation split; None where there is none.
        learning_rate: The rate at this step.
        grad_norm: Mean global gradient norm, before clipping, since the last evaluation.
        clipped: Share of the steps since the last evaluation at which the gradient was clipped.
        seconds: Training time so far, over all sittings.
        chars_per_second: Training speed since the last evaluation.
    """

    step: int
    epoch: float
    train_bpc: float | None
    val_bpc: float | None
    learning_rate: float
    grad_norm: float
    clipped: float
    seconds: float
    chars_per_second: float


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
        RunError: the file cannot be written.
    """
    from safetensors.numpy import save as serialise

    kind = np.float16 if half else np.float32
    tensors: dict[str, NDArray[Any]] = {
        name: np.ascontiguousarray(weight, dtype=kind) for name, weight in checkpoint.weights.items()
    }
    tensors |= {_STATE + name: np.ascontiguousarray(tensor) for name, tensor in checkpoint.state.items()}
    document = json.dumps(
        {
            "format": FORMAT,
            "model": dataclasses.asdict(checkpoint.model),
            "train": dataclasses.asdict(checkpoint.train),
            "vocab": {"characters": checkpoint.vocab.characters, "unknown": checkpoint.vocab.unknown_id is not None},
            "corpus": dataclasses.asdict(checkpoint.corpus),
            "history": [dataclasses.asdict(evaluation) for evaluation in checkpoint.history],
            "test_bpc": checkpoint.test_bpc,
            "progress": dict(checkpoint.progress),
            "tensors": {name: _digest(tensor) for name, tensor in tensors.items()},
        },
        allow_nan=False,
    )
    data = serialise(tensors, {"chargen": document, "sha256": hashlib.sha256(document.encode()).hexdigest()})
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
            weights = {name: _tensor(file, name, document["tensors"][name]).astype(np.float32) for name in wanted}
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
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _digest(tensor: NDArray[Any]) -> str:
    return hashlib.sha256(tensor.reshape(-1).view(np.uint8).data).hexdigest()


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
    if head.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        raise CheckpointError(f"{path} is a pickle; chargen reads safetensors only, since a pickle can run code")
    header = int.from_bytes(head, "little")
    if len(head) < 8 or header > size - 8:
        raise CheckpointError(f"{path} is not a safetensors file, or it is cut short ({size} bytes)")
    if header > MAX_HEADER:
        raise CheckpointError(f"{path} claims a header of {header} bytes; chargen takes at most {MAX_HEADER}")


def _document(path: Path, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    if not metadata or "chargen" not in metadata:
        raise CheckpointError(f"{path} is a safetensors file of another program, not a chargen checkpoint")
    text = metadata["chargen"]
    if hashlib.sha256(text.encode()).hexdigest() != metadata.get("sha256"):
        raise CheckpointError(f"{path} is damaged: its settings do not match their checksum")
    document = json.loads(text)
    if not isinstance(document, dict):
        raise CheckpointError(f"{path} is not a consistent chargen checkpoint: its settings are no JSON object")
    if document.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has checkpoint format {document.get('format')!r}; this chargen reads format {FORMAT}"
        )
    return document


def _without_tensors(document: Mapping[str, Any]) -> Checkpoint:
    vocab = Vocab(document["vocab"]["characters"], unknown=document["vocab"]["unknown"])
    model = ModelConfig.from_dict(document["model"])
    if len(vocab) != model.vocab_size:
        raise ValueError(f"its vocabulary has {len(vocab)} ids, its model {model.vocab_size}")
    spans = {split: tuple(document["corpus"][split]) for split in ("train", "val", "test")}
    corpus = CorpusInfo(**(document["corpus"] | spans))
    return Checkpoint(
        model=model,
        train=TrainConfig.from_dict(document["train"]),
        vocab=vocab,
        corpus=corpus,
        weights={},
        history=tuple(Evaluation(**evaluation) for evaluation in document["history"]),
        test_bpc=document["test_bpc"],
        progress=document["progress"],
    )


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
    if tensor.dtype.kind == "f" and not math.isfinite(float(np.abs(tensor).max(initial=0))):
        raise ValueError(f"{name} holds values that are not finite")
    return tensor
