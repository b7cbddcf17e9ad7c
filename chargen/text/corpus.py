"""Texts to train on, as ids: read from what `text.sources` finds, in memory or mapped from `text.cache`.

A text is read twice in chunks, once to count its characters and once to encode them, so memory does not grow with
it. The second start on a large one reads nothing but the cache.
"""

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chargen.errors import ConfigError, CorpusError
from chargen.text import cache
from chargen.text.decode import STDIN, Decoding, decoded, unreadable
from chargen.text.id_file import Header, Ids, MappedIds, id_type
from chargen.text.sources import Builtin, Source, builtin, find
from chargen.text.vocab import CODE_POINTS, Vocab

__all__ = ["DEFAULT", "Builtin", "Corpus", "Progress", "Split", "Texts", "builtin", "load"]

DEFAULT: Final = "alice"
IN_MEMORY: int = 64 << 20
"""Bytes of ids up to which a corpus is kept in memory and not cached."""

Progress = Callable[[int, int], None]
"""Takes the bytes read so far and those to read in all; each file is read twice."""


@dataclass(frozen=True)
class Split:
    """Three contiguous ranges that cover a corpus, in this order."""

    train: range
    val: range
    test: range


@dataclass(frozen=True)
class Corpus:
    """A text as ids.

    Attributes:
        name: Of the built-in corpus, file or folder it was read from.
        ids: Shape (N,), the smallest unsigned type that holds every id; read-only, in memory or in a file.
        vocab: What the ids mean.
        sha256: Of the normalised text in UTF-8.
        unknown: How many characters fell to the reserved unknown id.
    """

    name: str
    ids: Ids
    vocab: Vocab
    sha256: str
    unknown: int

    def __len__(self) -> int:
        """Number of characters."""
        return len(self.ids)

    def split(self, val_fraction: float, test_fraction: float) -> Split:
        """The training range, then the validation and test ranges with these shares of the text.

        Raises:
            ConfigError: a fraction is negative, or they leave nothing for training.
            CorpusError: the text is too short to leave two characters for training.
        """
        if not (val_fraction >= 0 and test_fraction >= 0 and val_fraction + test_fraction < 1):
            raise ConfigError(
                f"val-fraction {val_fraction} and test-fraction {test_fraction} must be at least 0 and together below 1"
            )
        # Rounding first keeps 1 - 0.05 - 0.05 from losing a character to floating point.
        train = int(round((1 - val_fraction - test_fraction) * len(self), 6))
        val = int(round((1 - test_fraction) * len(self), 6))
        if train < 2:
            raise CorpusError(f"{self.name} has only {len(self)} characters, too few to train on")
        return Split(range(train), range(train, val), range(val, len(self)))

    def release(self) -> None:
        """Let go of what was read of ids in a file, so that resident memory does not grow; they stay valid."""
        if isinstance(self.ids, MappedIds):
            self.ids.release()


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Which texts to read, and how: the arguments of ``load``."""

    sources: tuple[str, ...]
    encoding: str = "utf-8"
    errors: str = "strict"
    min_count: int = 1
    glob: str | None = None

    def load(self, progress: Progress | None = None) -> Corpus:
        """The corpus."""
        return load(progress=progress, **dataclasses.asdict(self))


def load(
    sources: Sequence[str | Path] = (),
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    min_count: int = 1,
    glob: str | None = None,
    progress: Progress | None = None,
) -> Corpus:
    """The text of the sources, one after the other, as ids.

    Files are joined as they are, with a line end between two where the first lacks it.

    Args:
        sources: Names, paths, folders or ``-``, looked up as `chargen.text.sources` says; nothing for Alice.
        encoding: Of every file that is not built in.
        errors: What becomes of bytes in them that do not decode, as in ``Decoding``.
        min_count: Characters that occur less often share one reserved unknown id; at 1 none is reserved.
        glob: Which files of a folder to take, at any depth; ``*.txt``, ``*.text`` and ``*.md`` (gzip too) without.
        progress: Called after each chunk.

    Raises:
        ConfigError: ``min_count`` is not a positive whole number.
        CorpusError: a source is missing, cannot be read or decoded, or the text is not one to train on.
    """
    if isinstance(min_count, bool) or not isinstance(min_count, int) or min_count < 1:
        raise ConfigError(f"min-count must be a whole number of at least 1, not {min_count!r}")
    decoding = Decoding(encoding=encoding, errors=errors)
    wanted = [sources] if isinstance(sources, str | Path) else list(sources) or [DEFAULT]
    if wanted.count(STDIN) > 1:
        raise CorpusError("standard input (-) was named twice; it can be read once")
    with contextlib.ExitStack() as stack:
        found = [find(source, decoding, glob, stack) for source in wanted]
        names = [name for name, _ in found]
        name = "+".join(names) if len(names) < 4 else f"{names[0]}+{len(names) - 1}"
        return _load(_Text(name, [file for _, files in found for file in files], progress), min_count)


def _load(text: "_Text", min_count: int) -> Corpus:
    signature = text.signature()
    link = None if signature is None else cache.key(signature, min_count)
    if link is not None and (hit := _cached(text, min_count, cache.follow(link))):
        return Corpus(text.name, *hit)
    header = _header(text, min_count)
    chunks = _encode(text, signature, header)
    if header.size <= IN_MEMORY:
        ids = np.concatenate(list(chunks))
        ids.flags.writeable = False
        return Corpus(text.name, ids, header.vocab, header.sha256, header.unknown)
    entry = cache.key_of(header)
    if _cached(text, min_count, entry) is None:
        cache.save(header, chunks)
    if link is not None:
        cache.point(link, entry)
    hit = _cached(text, min_count, entry)
    if hit is None:
        raise CorpusError(f"the ids of {text.name} vanished from {cache.folder()} while they were written; start again")
    return Corpus(text.name, *hit)


def _cached(text: "_Text", min_count: int, entry: str | None) -> cache.Encoded | None:
    """The text from the cache; what of it turns out to be damaged when it is read is made anew from its files."""

    def remake() -> None:
        cache.remove(str(entry))
        text.progress = None  # whoever showed it has gone on
        signature = text.signature()
        if signature is None:
            raise CorpusError(f"the ids of {text.name} in {cache.folder()} were damaged and are removed; start again")
        header = _header(text, min_count)
        if cache.key_of(header) != entry:
            raise CorpusError(f"the ids of {text.name} in {cache.folder()} were damaged, and its text is another now")
        cache.save(header, _encode(text, signature, header))

    return cache.load(entry, remake)


def _header(text: "_Text", min_count: int) -> Header:
    """What there is to say of the text's ids, from reading it once."""
    counts, sha256 = _count(text)
    vocab, unknown = _vocab(text.name, counts, min_count)
    reserved = vocab.unknown_id is not None
    return Header(text.name, vocab.characters, reserved, sha256, min_count, unknown, int(counts.sum()))


def _count(text: "_Text") -> tuple[NDArray[np.int64], str]:
    """How often each code point occurs, shape (1114112,), and the text's sha256."""
    counts = np.zeros(CODE_POINTS, dtype=np.int64)
    digest = hashlib.sha256()
    for data, codes in text.chunks():
        seen = np.bincount(codes)
        counts[: len(seen)] += seen
        digest.update(data)
    return counts, digest.hexdigest()


def _vocab(name: str, counts: NDArray[np.int64], min_count: int) -> tuple[Vocab, int]:
    """The vocabulary of the characters that occur often enough, and how many characters do not."""
    distinct = np.flatnonzero(counts)
    if len(distinct) == 0:
        raise CorpusError(f"{name} is empty; a model needs text to learn from")
    if len(distinct) == 1:
        raise CorpusError(f"{name} has one distinct character, {chr(distinct[0])!r}; there is nothing to learn from it")
    often = distinct[counts[distinct] >= min_count]
    if len(often) < 2:
        raise CorpusError(
            f"min-count {min_count} leaves {len(often)} of the {len(distinct)} characters in {name}; lower it"
        )
    unknown = counts.sum() - counts[often].sum()
    return Vocab("".join(map(chr, often)), unknown=min_count > 1), int(unknown)


def _encode(text: "_Text", signature: object, header: Header) -> Iterator[NDArray[np.unsignedinteger]]:
    """The ids of the text in chunks; the end checks that it is still the text that was counted."""
    vocab = header.vocab
    table = np.full(CODE_POINTS, vocab.unknown_id or 0, dtype=id_type(vocab))
    table[[ord(character) for character in vocab.characters]] = np.arange(len(vocab.characters))
    done = 0
    for _, codes in text.chunks():
        done += len(codes)
        yield table[codes]
    if done != header.length or text.signature() != signature:
        raise CorpusError(f"{text.name} was changed while it was read; start again")


class _Text:
    """The text of some files, read from its beginning at each pass, with the progress over two passes."""

    def __init__(self, name: str, files: list[Source], progress: Progress | None) -> None:
        self.name = name
        self._files = files
        self.progress = progress
        self._done = 0

    def signature(self) -> list[object] | None:
        """What differs once a file was changed; None with a pipe among them."""
        signatures: list[object] = [source.signature() for source in self._files]
        return None if None in signatures else signatures

    def chunks(self) -> Iterator[tuple[bytes, NDArray[np.unsignedinteger]]]:
        """Pieces of the text, each in UTF-8 and as code points, shape (characters,)."""
        total = 2 * sum(map(_size, self._files))
        data = b"\n"
        for source in self._files:
            with source.open() as stream:
                at = 0
                joint = "" if data.endswith(b"\n") else "\n"
                for text in decoded(stream, source.label, source.decoding):
                    data, codes = _code_points(joint + text, source.label)
                    joint = ""
                    yield data, codes
                    self._done, at = self._done + stream.tell() - at, stream.tell()
                    if self.progress is not None:
                        self.progress(self._done, total)


def _code_points(text: str, label: str) -> tuple[bytes, NDArray[np.unsignedinteger]]:
    """The text in UTF-8, and its code points."""
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise CorpusError(f"{label} holds a lone surrogate, which is no character") from error
    if len(data) == len(text):
        return data, np.frombuffer(data, np.uint8)
    return data, np.frombuffer(text.encode("utf-32-le"), "<u4")


def _size(source: Source) -> int:
    with source.open() as stream:
        try:
            return stream.seek(0, os.SEEK_END)
        except OSError as error:
            raise unreadable(source.label, error) from error
