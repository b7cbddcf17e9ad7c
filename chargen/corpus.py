"""Texts to train on: names, files, folders or standard input, as ids.

A source is looked up in this order: ``-`` is standard input; a bare word that names a built-in corpus is that corpus
(write ``./alice`` for a file or folder of the same name; a ``Path`` is always a path); everything else is a path. The
text is read twice in chunks, once to count its characters and once to encode them, so memory does not grow with it;
ids of more than ``IN_MEMORY`` bytes are memory-mapped from the cache.
"""

import contextlib
import difflib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chargen import cache
from chargen.errors import ConfigError, CorpusError
from chargen.reading import STDIN, Source, check_encoding, decoded, read_text, spooled
from chargen.vocab import Vocab

__all__ = ["Builtin", "Corpus", "Split", "builtin", "load", "read_text"]

DEFAULT: Final = "alice"
IN_MEMORY: int = 64 << 20
"""Bytes of ids up to which a corpus is kept in memory and not cached."""

_CODES: Final = 0x110000
_SUFFIXES: Final = (".txt", ".text", ".md")

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Split:
    """Three contiguous ranges of a corpus that cover it, in this order."""

    train: range
    val: range
    test: range


@dataclass(frozen=True)
class Corpus:
    """A text as ids.

    Attributes:
        name: Of the built-in corpus, file or folder it was read from.
        ids: Shape (N,), the smallest unsigned type that holds every id; read-only.
        vocab: What the ids mean.
        sha256: Of the normalised text in UTF-8.
        unknown: Characters that fell to the reserved unknown id.
    """

    name: str
    ids: NDArray[np.unsignedinteger]
    vocab: Vocab
    sha256: str
    unknown: int

    def __len__(self) -> int:
        """Number of characters."""
        return len(self.ids)

    def split(self, val_fraction: float, test_fraction: float) -> Split:
        """The training, validation and test ranges; validation and test lie last, in this order.

        Raises:
            ConfigError: a fraction is negative, or they leave nothing for training.
            CorpusError: the text is too short to leave two characters for training.
        """
        if not (val_fraction >= 0 and test_fraction >= 0 and val_fraction + test_fraction < 1):
            raise ConfigError(
                f"val-fraction {val_fraction} and test-fraction {test_fraction} must not be negative and together "
                "stay below 1"
            )
        length = len(self)
        # Rounding first keeps 1 - 0.05 - 0.05 from losing a character to floating point.
        train = int(round((1 - val_fraction - test_fraction) * length, 6))
        val = int(round((1 - test_fraction) * length, 6))
        if train < 2:
            raise CorpusError(f"{self.name} has {length} characters, too few to train on")
        return Split(range(train), range(train, val), range(val, length))


@dataclass(frozen=True)
class Builtin:
    """A corpus that comes with chargen."""

    name: str
    path: Path


def builtin() -> list[Builtin]:
    """The corpora that come with chargen, by name."""
    package = Path(__file__).parent
    # A wheel carries the folder inside the package, a checkout beside it.
    for folder in (package / "corpora", package.parent / "corpora"):
        if folder.is_dir():
            return [Builtin(path.stem, path) for path in sorted(folder.glob("*.txt"))]
    return []


def load(
    sources: Sequence[str | Path] = (),
    *,
    encoding: str = "utf-8",
    min_count: int = 1,
    glob: str | None = None,
    progress: Progress | None = None,
) -> Corpus:
    """The text of the sources, one after the other, as ids.

    Files are joined as they are, with a line end between two where the first lacks it.

    Args:
        sources: Built-in names, files (gzip too), folders, or ``-``; nothing for Alice.
        encoding: Of every file that is not built in.
        min_count: Characters that occur less often share one reserved unknown id; at 1 none is reserved.
        glob: Which files of a folder to take, at any depth; ``*.txt``, ``*.text`` and ``*.md`` (gzip too) without.
        progress: Called with the bytes read so far and those in all (None while that is not known); each is read
            twice.

    Raises:
        ConfigError: ``min_count`` is not a positive whole number.
        CorpusError: a source is missing, cannot be read or decoded, or the text has fewer than two characters.
    """
    if isinstance(min_count, bool) or not isinstance(min_count, int) or min_count < 1:
        raise ConfigError(f"min-count must be a whole number of at least 1, not {min_count!r}")
    check_encoding(encoding)
    wanted = [sources] if isinstance(sources, str | Path) else list(sources)
    with contextlib.ExitStack() as stack:
        files: list[Source] = []
        names: list[str] = []
        for source in wanted or [DEFAULT]:
            name, found = _find(source, glob, stack)
            names.append(name)
            files += found
        name = "+".join(names) if len(names) < 4 else f"{names[0]}+{len(names) - 1}"
        return replace(_encode(name, files, encoding, min_count, progress), name=name)


def _encode(name: str, files: list[Source], encoding: str, min_count: int, progress: Progress | None) -> Corpus:
    signature = _signature(files)
    link = None if signature is None else cache.key(signature, encoding, min_count)
    if link is not None and (entry := cache.follow(link)) and (hit := cache.load(entry)):
        return _corpus(hit)
    passes = _Passes(files, encoding, progress)
    counts = np.zeros(_CODES, dtype=np.int64)
    digest = hashlib.sha256()
    for data, codes in passes.read():
        seen = np.bincount(codes)
        counts[: len(seen)] += seen
        digest.update(data)
    vocab, unknown = _vocab(name, counts, min_count)
    length = int(counts.sum())
    dtype = cache.id_type(vocab)
    table = np.full(_CODES, vocab.unknown_id or 0, dtype=dtype)
    table[[ord(character) for character in vocab.characters]] = np.arange(len(vocab.characters))
    head = cache.Encoded(name, np.empty(0, dtype), vocab, digest.hexdigest(), unknown)

    def chunks() -> Iterator[NDArray[np.unsignedinteger]]:
        done = 0
        for _, codes in passes.read():
            done += len(codes)
            yield table[codes]
        if done != length or _signature(files) != signature:
            raise CorpusError(f"{name} was changed while it was read; start again")

    if length * dtype.itemsize <= IN_MEMORY:
        ids = np.concatenate(list(chunks()))
        ids.flags.writeable = False
        return _corpus(replace(head, ids=ids))
    entry = cache.key(head.sha256, min_count)
    hit = cache.load(entry)
    if hit is None:
        cache.save(entry, head, length, chunks())
        hit = cache.load(entry)
    if hit is None:
        raise CorpusError(f"the cached ids of {name} vanished from {cache.folder()} as they were written; start again")
    if link is not None:
        cache.point(link, entry)
    return _corpus(hit)


def _corpus(encoded: cache.Encoded) -> Corpus:
    return Corpus(encoded.name, encoded.ids, encoded.vocab, encoded.sha256, encoded.unknown)


def _vocab(name: str, counts: NDArray[np.int64], min_count: int) -> tuple[Vocab, int]:
    """The vocabulary of the characters that occur often enough, and how many characters do not."""
    distinct = int((counts > 0).sum())
    if not distinct:
        raise CorpusError(f"{name} is empty; a model needs text")
    if distinct == 1:
        character = chr(int(counts.argmax()))
        raise CorpusError(f"{name} holds one distinct character, {character!r}; there is nothing to learn from it")
    often = np.flatnonzero(counts >= min_count)
    if len(often) < 2:
        raise CorpusError(f"min-count {min_count} leaves {len(often)} of {name}'s {distinct} characters; lower it")
    kept = "".join(map(chr, often.tolist()))
    return Vocab(kept, unknown=min_count > 1), int(counts[counts < min_count].sum())


class _Passes:
    """The text of some files, read from its beginning at each pass, with the progress over two passes."""

    def __init__(self, files: list[Source], encoding: str, progress: Progress | None) -> None:
        self.files = files
        self.encoding = encoding
        self.progress = progress
        self.total = 2 * sum(map(_size, files))
        self.done = 0

    def read(self) -> Iterator[tuple[bytes, NDArray[np.unsignedinteger]]]:
        """Chunks of the text, each in UTF-8 and as code points, shape (characters,)."""
        last = b"\n"
        for source in self.files:
            with source.open() as stream:
                start, at = True, 0
                for text in decoded(stream, source.label, self.encoding):
                    if start and not last.endswith(b"\n"):
                        yield b"\n", np.array([10], dtype=np.uint8)
                    start = False
                    try:
                        last = text.encode()
                    except UnicodeEncodeError as error:
                        raise CorpusError(f"{source.label} holds a lone surrogate, which is no character") from error
                    ascii_only = len(last) == len(text)
                    yield (
                        last,
                        np.frombuffer(last if ascii_only else text.encode("utf-32-le"), "u1" if ascii_only else "<u4"),
                    )
                    now = stream.tell()
                    self.done += now - at
                    at = now
                    if self.progress:
                        self.progress(self.done, self.total)


def _find(source: str | Path, glob: str | None, stack: contextlib.ExitStack) -> tuple[str, list[Source]]:
    """The name of one source and the files it stands for."""
    if source == STDIN:
        return "stdin", [stack.enter_context(spooled(None))]
    known = {corpus.name: corpus.path for corpus in builtin()}
    if isinstance(source, str) and source in known:
        return source, [Source(source, known[source])]
    path = Path(source)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise CorpusError(_missing(str(source), list(known))) from error
    if stat.S_ISDIR(mode):
        return path.resolve().name or "root", [Source(str(file), file) for file in _texts_in(path, glob)]
    name = path.name.removesuffix(".gz")
    name = Path(name).stem or name
    if not stat.S_ISREG(mode):
        return name, [stack.enter_context(spooled(path))]
    return name, [Source(str(path), path)]


def _texts_in(folder: Path, glob: str | None) -> list[Path]:
    try:
        found = folder.rglob("*" if glob is None else glob)
        paths = [path for path in found if path.is_file() and not _hidden(path.relative_to(folder))]
    except (ValueError, NotImplementedError) as error:
        raise CorpusError(f"glob {glob!r} is no pattern for files in a folder: {error}") from error
    except OSError as error:
        raise CorpusError(f"cannot read {folder}: {error.strerror or error}") from error
    if glob is None:
        paths = [path for path in paths if path.name.removesuffix(".gz").endswith(_SUFFIXES)]
    if not paths:
        pattern = "*.txt, *.text or *.md" if glob is None else glob
        raise CorpusError(f"no text files ({pattern}) in the folder {folder}; --glob chooses others")
    return sorted(paths)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _missing(source: str, known: list[str]) -> str:
    close = difflib.get_close_matches(source, known, n=1)
    if close:
        return f"no file, folder or corpus {source!r}; did you mean {close[0]}?"
    return f"no file, folder or corpus {source!r}; built in: {', '.join(known) or 'none'}"


def _size(source: Source) -> int:
    with source.open() as stream:
        return stream.seek(0, os.SEEK_END)


def _signature(files: list[Source]) -> list[tuple[str, int, int, int]] | None:
    """What changes when a file does: path, size, time of change and inode of each; None for what came by a pipe."""
    signature = []
    for source in files:
        if source.path is None:
            return None
        status = source.path.stat()
        signature.append((str(source.path.resolve()), status.st_size, status.st_mtime_ns, status.st_ino))
    return signature
