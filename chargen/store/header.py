"""What a checkpoint file says of itself beside its tensors."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chargen.config import ModelConfig, TrainConfig
from chargen.errors import CheckpointError
from chargen.schema import parse, record
from chargen.store.records import CorpusInfo, Evaluation, Resume

FORMAT: Final = 1


@dataclass(frozen=True)
class Vocabulary:
    """The characters in the order of their ids, and whether one more id stands for all others."""

    characters: str
    unknown: bool

    def __post_init__(self) -> None:
        if any("\ud800" <= character <= "\udfff" for character in self.characters):
            raise ValueError("its vocabulary holds a lone surrogate, which is no character")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of its checkpoint in JSON; ``progress`` is its word for ``resume``, there ``{}`` for None.

    Attributes:
        tensors: SHA-256 of each tensor's bytes.
    """

    format: int
    model: ModelConfig
    train: TrainConfig
    vocab: Vocabulary
    corpus: CorpusInfo
    history: tuple[Evaluation, ...]
    test_bpc: float | None
    progress: Resume | None
    tensors: Mapping[str, str]

    def __post_init__(self) -> None:
        ids = len(self.vocab.characters) + self.vocab.unknown
        if ids != self.model.vocab_size:
            raise ValueError(f"its vocabulary has {ids} ids, its model {self.model.vocab_size}")
        corpus = self.corpus
        if max(corpus.train[1], corpus.val[1], corpus.test[1]) > corpus.characters:
            raise ValueError(f"its splits go beyond the {corpus.characters} characters of its corpus")
        if corpus.items is not None and corpus.items.end not in self.vocab.characters:
            raise ValueError("its vocabulary lacks the end mark of its items")


def read_header(path: Path, metadata: Mapping[str, str] | None) -> Header:
    """What a safetensors file's metadata say.

    Args:
        path: The file, for messages.
        metadata: None where it has none.

    Raises:
        CheckpointError: they are not those of a checkpoint that this chargen reads, or are damaged.
        ValueError: they are not consistent; ``chargen.schema`` has what else may be wrong with JSON.
    """
    if not metadata or "chargen" not in metadata:
        raise CheckpointError(f"{path} is a safetensors file of another program, not a chargen checkpoint")
    text = metadata["chargen"]
    if hashlib.sha256(text.encode()).hexdigest() != metadata.get("sha256"):
        raise CheckpointError(f"{path} is damaged: its settings do not match their checksum")
    values = parse(text)
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} is not a consistent chargen checkpoint: its settings are no JSON object")
    if values.get("format") != FORMAT:
        version = why(ValueError(repr(values.get("format"))))
        raise CheckpointError(f"{path} has checkpoint format {version}; this chargen reads format {FORMAT}")
    if values.get("progress") == {}:
        values["progress"] = None
    return record(Header, values, "header")


def why(error: Exception) -> str:
    """What an error says, shortened where that is long."""
    text = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return text if len(text) <= 200 else text[:200] + " ..."
