"""The checkpoint: one self-contained safetensors file, all that joins training to everything else.

Tensors hold the weights under the names of ``ModelConfig.weight_shapes`` and, in a run's ``last`` checkpoint, what
resuming needs under ``state.``. The header's metadata has two entries: ``chargen``, a JSON document with everything
that is not a tensor, a SHA-256 of each tensor's bytes among it, and ``sha256`` of that document. A file in which any
bit that matters has changed is therefore refused, not loaded wrongly. Nothing is ever unpickled.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen.atomic import replacing
from chargen.config import ModelConfig, TrainConfig
from chargen.errors import CheckpointError, ConfigError
from chargen.schema import document, parse
from chargen.store.header import FORMAT, Header, Vocabulary, read_header, why
from chargen.store.records import CorpusInfo, Evaluation, ItemsInfo, Resume, Tally
from chargen.store.safetensors_layout import layout
from chargen.text.vocab import Vocab

__all__ = ["Checkpoint", "CorpusInfo", "Evaluation", "ItemsInfo", "Resume", "Tally", "load", "save"]

MAX_HEADER: Final = 16 << 20  # bytes; a vocabulary of every code point takes 15 MB of JSON in JSON
_STATE: Final = "state."
_SEEN: Final = "items.seen"
_PICKLES: Final = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_ZIP: Final = b"PK\x03\x04"
_BINARY: Final = re.compile(rb"[\0-\x08\x0e-\x1a\x7f]")
"""Bytes that no text has."""
_LOOK: Final = 1000
"""Bytes that tell whether a file is a text, or torch's."""


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
        resume: What going on with the training needs, in a run's ``last`` checkpoint.
        seen: Of a model of a list, the fingerprints of the items it was trained on, each once and sorted, uint64.
    """

    model: ModelConfig
    train: TrainConfig
    vocab: Vocab
    corpus: CorpusInfo
    weights: Mapping[str, NDArray[np.float32]]
    history: tuple[Evaluation, ...] = ()
    test_bpc: float | None = None
    resume: Resume | None = None
    seen: NDArray[np.uint64] | None = None

    def __repr__(self) -> str:
        step = f", step {self.history[-1].step:,}" if self.history else ""
        loss = "" if self.val_bpc is None else f", {self.val_bpc:.4f} bits per character in validation"
        return f"<Checkpoint of {self.corpus.name}: {self.model}{step}{loss}>"

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
    kind = np.float16 if half else np.float32
    tensors: dict[str, NDArray[Any]] = {
        name: np.ascontiguousarray(weight, dtype=kind) for name, weight in checkpoint.weights.items()
    }
    if checkpoint.seen is not None:
        tensors[_SEEN] = np.ascontiguousarray(checkpoint.seen)
    if checkpoint.resume is not None:
        state = checkpoint.resume.tensors.items()
        tensors |= {_STATE + name: np.ascontiguousarray(tensor) for name, tensor in state}
    header = Header(
        format=FORMAT,
        model=checkpoint.model,
        train=checkpoint.train,
        vocab=Vocabulary(checkpoint.vocab.characters, unknown=checkpoint.vocab.unknown_id is not None),
        corpus=checkpoint.corpus,
        history=checkpoint.history,
        test_bpc=checkpoint.test_bpc,
        progress=checkpoint.resume,
        tensors={name: _digest(tensor) for name, tensor in tensors.items()},
    )
    values = document(header)
    values["progress"] = values["progress"] or {}
    try:
        for name, tensor in tensors.items():
            _check_finite(name, tensor)
        text = json.dumps(values, allow_nan=False)
        metadata = {"chargen": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
        opening, arrays = layout(tensors, metadata)
        _check_size(int.from_bytes(opening[:8], "little"))
    except ValueError as error:
        raise CheckpointError(f"{path} was not written, since it could not be read again: {error}") from error
    with replacing(path) as file:
        file.write(opening)
        for array in arrays:
            file.write(array.data)


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
    from safetensors import SafetensorError

    try:
        with contextlib.ExitStack() as stack:
            file = _opened(path, stack)
            header = read_header(path, file.metadata())
            _check_tensors(header, file)
            tensor = functools.partial(_tensor, file, header)
            weights = {name: tensor(name).astype(np.float32, copy=False) for name in header.model.weight_shapes()}
            state = [name for name in header.tensors if with_state and name.startswith(_STATE)]
            resume = header.progress and dataclasses.replace(
                header.progress, tensors={name.removeprefix(_STATE): tensor(name) for name in state}
            )
            return Checkpoint(
                model=header.model,
                train=header.train,
                vocab=Vocab(
                    header.vocab.characters,
                    unknown=header.vocab.unknown,
                    end=header.corpus.items.end if header.corpus.items else None,
                ),
                corpus=header.corpus,
                weights=weights,
                history=header.history,
                test_bpc=header.test_bpc,
                resume=resume,
                seen=None if header.corpus.items is None else _ascending(_SEEN, tensor(_SEEN)),
            )
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a whole safetensors file ({error})") from error
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
    except (ConfigError, TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a consistent chargen checkpoint: {why(error)}") from error


def _opened(path: Path, stack: contextlib.ExitStack) -> Any:
    """A safetensors file to read tensors from; of one that cannot be memory-mapped, a copy in the temporary folder."""
    from safetensors import safe_open

    try:
        file = safe_open(path, framework="np")
    except OSError:  # there are file systems without memory maps
        file = safe_open(shutil.copy(path, stack.enter_context(tempfile.TemporaryDirectory())), framework="np")
    return stack.enter_context(file)


def _digest(tensor: NDArray[Any]) -> str:
    return hashlib.sha256(tensor.reshape(-1).view(np.uint8).data).hexdigest()


def _check_finite(name: str, tensor: NDArray[Any]) -> None:
    # the two ends tell of nan too, and need no copy as np.isfinite and np.abs do
    if tensor.dtype.kind == "f" and tensor.size and not np.isfinite([tensor.min(), tensor.max()]).all():
        raise ValueError(f"{name} holds values that are not finite")


def _ascending(name: str, numbers: NDArray[Any]) -> NDArray[Any]:
    if not (numbers[1:] > numbers[:-1]).all():
        raise ValueError(f"{name} is not in order")
    return numbers


def _check_size(header: int) -> None:
    if header > MAX_HEADER:
        raise ValueError(f"a header of {header} bytes; chargen takes at most {MAX_HEADER}")


def _is_pickle(beginning: bytes) -> bool:
    """Whether a file that begins so is a pickle, bare or in a zip archive as torch writes it."""
    return beginning.startswith(_PICKLES) or (beginning.startswith(_ZIP) and b"/data.pkl" in beginning)


def _refuse_other_files(path: Path) -> None:
    """Raise a CheckpointError that says what ``path`` is where it is plainly something else."""
    try:
        if path.is_dir():
            raise CheckpointError(f"{path} is a folder without best.safetensors or last.safetensors")
        size = path.stat().st_size
        if not path.is_file() or size < 8:  # a pipe, or what /proc has, could be waited for without end
            raise CheckpointError(f"{path} is not a safetensors file, or it is cut short ({size} bytes)")
        with path.open("rb") as file:
            head = file.read(8)
            entries = file.read(min(int.from_bytes(head, "little"), MAX_HEADER))
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
    header = int.from_bytes(head, "little")
    # the first bytes of a pickle, read as a header's size, are far beyond any file's; a header may begin like a pickle
    if (header > size - 8 or header > MAX_HEADER) and _is_pickle(head + entries[:_LOOK]):
        raise CheckpointError(f"{path} is a pickle; chargen reads safetensors only, since a pickle can run code")
    if header > size - 8:
        advice = ""
        if not _BINARY.search(head + entries[:_LOOK]):
            advice = f"; it looks like a text: name a model before it, or make one of it with chargen train {path}"
        raise CheckpointError(f"{path} is not a safetensors file, or it is cut short ({size} bytes){advice}")
    try:
        _check_size(header)
        parse(entries.decode())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file: {why(error)}") from error


def _check_tensors(header: Header, file: Any) -> None:
    """Hold the names, shapes and types of a file's tensors against what its header says, before any is read."""
    shapes = header.model.weight_shapes()
    names = set(file.keys())
    if names != set(header.tensors):
        raise ValueError(f"tensors and checksums differ: {sorted(names ^ set(header.tensors))[:3]}")
    weights = {name for name in names if not name.startswith(_STATE)} - {_SEEN}
    if (_SEEN in names) != (header.corpus.items is not None):
        raise ValueError(f"it holds {_SEEN} without a list, or a list without that")
    if _SEEN in names:
        entry = file.get_slice(_SEEN)
        if entry.get_dtype() != "U64" or len(entry.get_shape()) != 1:
            raise ValueError(f"{_SEEN} has type {entry.get_dtype()} and shape {tuple(entry.get_shape())}")
    if weights != set(shapes):
        raise ValueError(f"its weights are not those of its model: {sorted(weights ^ set(shapes))[:3]}")
    for name, shape in shapes.items():
        entry = file.get_slice(name)
        if tuple(entry.get_shape()) != shape:
            raise ValueError(f"{name} has shape {tuple(entry.get_shape())}, its model needs {shape}")
        if entry.get_dtype() not in ("F32", "F16"):
            raise ValueError(f"{name} has type {entry.get_dtype()}, not F32 or F16")


def _tensor(file: Any, header: Header, name: str) -> NDArray[Any]:
    tensor: NDArray[Any] = file.get_tensor(name)
    if _digest(tensor) != header.tensors[name]:
        raise ValueError(f"{name} does not match its checksum, so the file is damaged")
    _check_finite(name, tensor)
    return tensor
