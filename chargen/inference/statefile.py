"""State files, which keep where a generated text stopped, so that it goes on exactly there; and files of vectors.

A state file is a NumPy archive (``.npz``, whose members carry checksums) of three arrays: ``state`` (S, L, 1, H),
``recent`` (W,) and ``about``, a JSON document with the rest of the ``Ending`` and a fingerprint of the model that
wrote it. Nothing is ever unpickled.

S parts of the state, L layers, H hidden, W characters that the repetition penalty looks at.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen.atomic import replacing
from chargen.config import SamplerConfig
from chargen.errors import ConfigError, TextError
from chargen.inference.generate import Ending
from chargen.schema import Whole, document, parse, record
from chargen.store.checkpoint import Checkpoint

FORMAT: Final = 1
MAX_BYTES: Final = 256 << 20  # the largest state of a valid ModelConfig takes 32 MiB, the largest window 8


@dataclass(frozen=True, kw_only=True)
class _About:
    """What a state file says in JSON: the model that wrote it, and the ``Ending`` without its arrays."""

    format: int
    model: str
    cell: str
    reason: str
    last: int
    seed: Whole
    drawn: int
    sampler: SamplerConfig


def fingerprint(checkpoint: Checkpoint) -> str:
    """A SHA-256 of all that a model computes with: vocabulary and weights, whose names and shapes tell the rest."""
    shapes = checkpoint.model.weight_shapes()
    about = [checkpoint.vocab.characters, checkpoint.vocab.unknown_id, list(shapes.items())]
    digest = hashlib.sha256(json.dumps(about).encode())
    for name in shapes:
        digest.update(np.ascontiguousarray(checkpoint.weights[name]).data)
    return digest.hexdigest()


def save(path: Path, checkpoint: Checkpoint, ending: Ending) -> None:
    """Write where a text of this model stopped to ``path``, whole or not at all.

    Raises:
        RunError: the file cannot be written.
    """
    about = _About(
        format=FORMAT,
        model=fingerprint(checkpoint),
        cell=checkpoint.model.cell,
        reason=ending.reason,
        last=ending.last,
        seed=Whole(ending.seed),
        drawn=ending.drawn,
        sampler=ending.sampler,
    )
    data = io.BytesIO()  # NumPy asks its file for positions, which a device or a pipe has not
    np.savez(data, state=ending.state, recent=ending.recent, about=np.array(json.dumps(document(about))))
    with replacing(path) as file:
        file.write(data.getbuffer())


def save_vectors(path: Path, vectors: NDArray[np.float32]) -> None:
    """Write an array as a ``.npy`` file, whole or not at all.

    Raises:
        RunError: the file cannot be written.
    """
    data = io.BytesIO()
    np.save(data, vectors, allow_pickle=False)
    with replacing(path) as file:
        file.write(data.getbuffer())


def load(path: Path, checkpoint: Checkpoint) -> Ending | NDArray[Any]:
    """Where a text of this model stopped, as ``save`` wrote it; or, from a ``.npy`` file, the vector of its one text.

    Raises:
        TextError: the file cannot be read, is damaged or neither of the two, or is the state of another model or the
            vectors of several texts.
    """
    arrays = _arrays(path)
    if isinstance(arrays, np.ndarray):
        if arrays.ndim > 1 and len(arrays) != 1:
            texts = len(arrays)
            raise TextError(f"{path} has the shape {arrays.shape}, which is {texts} texts; a text starts from one")
        return arrays[0] if arrays.ndim > 1 else arrays
    try:
        return _ending(path, arrays, checkpoint)
    except (ConfigError, ValueError, RecursionError) as error:
        raise TextError(f"{path} is no state of a text, or it is damaged: {str(error)[:200]}") from error


def _ending(path: Path, arrays: dict[str, NDArray[Any]], checkpoint: Checkpoint) -> Ending:
    if arrays.keys() != {"state", "recent", "about"}:
        raise ValueError(f"it holds {sorted(arrays)[:5]}")
    state, recent = arrays["state"], arrays["recent"]
    about = record(_About, parse(str(arrays["about"])), "description")
    if about.format != FORMAT:
        raise TextError(f"{path} has state format {about.format}; this chargen reads format {FORMAT}")
    if about.model != fingerprint(checkpoint):
        raise TextError(
            f"{path} is the state of a text by another model (cell {about.cell[:20]!r}, shape {state.shape}); only "
            "the checkpoint that began a text can go on with it"
        )
    model, known = checkpoint.model, len(checkpoint.vocab.characters)
    expected = (model.state_parts, model.num_layers, 1, model.hidden_size)
    if state.dtype != np.float32 or state.shape != expected or not np.isfinite(state).all():
        raise ValueError(f"its state is not {expected} finite numbers of float32")
    ids = np.append(recent, about.last)
    if recent.ndim != 1 or recent.dtype != np.int64 or ids.min() < 0 or ids.max() >= known:
        raise ValueError(f"its characters are not from 0 to {known - 1}")
    return Ending(about.reason, state, about.last, about.seed, about.drawn, recent, about.sampler)


def _arrays(path: Path) -> dict[str, NDArray[Any]] | NDArray[Any]:
    """The arrays of an ``.npz`` file, or the one of an ``.npy`` file."""
    try:
        with path.open("rb") as file:  # which may be a device without an end
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise TextError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    if len(data) <= MAX_BYTES:
        try:
            archive = np.load(io.BytesIO(data), allow_pickle=False)
            if isinstance(archive, np.ndarray):
                return archive
            if sum(member.file_size for member in archive.zip.infolist()) <= MAX_BYTES:
                return dict(archive)
        except Exception as error:  # whatever NumPy and zipfile raise on bytes that are not what they seem
            raise TextError(f"{path} is damaged, or neither a state of a text nor a vector") from error
    raise TextError(f"{path} is too large to be a state or a vector")
