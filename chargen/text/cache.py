"""Encoded large corpora on disk: one file an entry, whole or not there, memory-mapped when it is used.

An entry is named by a hash of the text and the settings; beside it, a link named by a hash of where the text was read
from (path, size, time of change) lets the next start skip the reading. Layout of an entry: a magic line, one line of
JSON padded to a multiple of 64 bytes, then the ids.
"""

import contextlib
import hashlib
import json
import mmap
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

import numpy as np
import platformdirs
from numpy.typing import NDArray

from chargen.atomic import replacing
from chargen.errors import CorpusError, RunError
from chargen.text.vocab import Vocab

FORMAT: Final = 1
_MAGIC: Final = b"chargen ids\n"
_ALIGN: Final = 64
_ENTRY: Final = ".ids"
_LINK: Final = ".link"
_MAX_HEADER: Final = 1 << 25  # more than every Unicode character escaped in JSON


class Encoded(NamedTuple):
    """A text as ids, as `chargen.text.corpus.Corpus` describes its parts."""

    ids: NDArray[np.unsignedinteger]
    vocab: Vocab
    sha256: str
    unknown: int


class Header(NamedTuple):
    """What an entry says of its ``length`` ids."""

    name: str
    vocab: Vocab
    sha256: str
    unknown: int
    length: int


class Entry(NamedTuple):
    """A cached corpus as a list shows it: ``size`` in bytes, ``modified`` in seconds since 1970."""

    name: str
    path: Path
    characters: int
    size: int
    modified: float


def folder() -> Path:
    """Where entries lie: ``CHARGEN_CACHE_DIR`` if it is set, else the user's cache folder."""
    chosen = os.environ.get("CHARGEN_CACHE_DIR")
    return Path(chosen) if chosen else platformdirs.user_cache_path("chargen", appauthor=False)


def key(*parts: object) -> str:
    """A file name for these parts and this format, as 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps([FORMAT, *parts]).encode()).hexdigest()


def load(entry: str | None) -> Encoded | None:
    """The entry of that key, its ids memory-mapped; None when there is none or it is damaged."""
    if entry is None:
        return None
    path = folder() / f"{entry}{_ENTRY}"
    with contextlib.suppress(OSError, ValueError):
        header, start = _header(path)
        dtype = id_type(header.vocab)
        if path.stat().st_size == start + header.length * dtype.itemsize:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            ids = np.ndarray(header.length, dtype, mapped, start)
            return Encoded(ids, header.vocab, header.sha256, header.unknown)
    return None


def save(entry: str, header: Header, chunks: Iterable[NDArray[np.unsignedinteger]]) -> None:
    """Write an entry whose ids are the ``chunks``, one after the other.

    Raises:
        CorpusError: the cache folder cannot be written, or the disk is full.
    """
    fields = header._asdict() | {"vocab": header.vocab.characters, "reserved": header.vocab.unknown_id is not None}
    line = _MAGIC + json.dumps(fields).encode()
    line += b" " * (-(len(line) + 1) % _ALIGN) + b"\n"
    with _writing(folder() / f"{entry}{_ENTRY}") as file:
        file.write(line)
        for ids in chunks:
            file.write(ids.data)


def follow(link: str) -> str | None:
    """The key of the entry that a link leads to, None if there is no such link."""
    with contextlib.suppress(OSError, ValueError):
        return (folder() / f"{link}{_LINK}").read_text("ascii").strip()
    return None


def point(link: str, entry: str) -> None:
    """Let a link lead to an entry.

    Raises:
        CorpusError: the cache folder cannot be written.
    """
    with _writing(folder() / f"{link}{_LINK}") as file:
        file.write(f"{entry}\n".encode())


def entries() -> list[Entry]:
    """What is cached, newest first; what is damaged or was never finished stands under such a name."""
    found = []
    for path in _files(_ENTRY):
        name, characters = "(unfinished)" if path.suffix == ".tmp" else "(damaged)", 0
        with contextlib.suppress(OSError, ValueError):
            header, _ = _header(path)
            name, characters = header.name, header.length
        with contextlib.suppress(OSError):
            status = path.stat()
            found.append(Entry(name, path, characters, status.st_size, status.st_mtime))
    return sorted(found, key=lambda entry: entry.modified, reverse=True)


def clear() -> int:
    """Remove every entry, link and leftover, and give the bytes freed.

    Raises:
        CorpusError: a file cannot be removed.
    """
    freed = 0
    for path in [*_files(_LINK), *_files(_ENTRY)]:
        try:
            size = path.stat().st_size
            path.unlink()
        except OSError as error:
            raise CorpusError(f"cannot remove {path}: {error.strerror or error}") from error
        freed += size
    return freed


def id_type(vocab: Vocab) -> np.dtype[np.unsignedinteger]:
    """The smallest unsigned integer type that holds every id, little-endian."""
    return np.min_scalar_type(len(vocab) - 1).newbyteorder("<")


def _files(suffix: str) -> list[Path]:
    return [*folder().glob(f"*{suffix}"), *folder().glob(f".*{suffix}.*.tmp")]


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[IO[bytes]]:
    try:
        with replacing(path) as file:
            yield file
    except RunError as error:
        raise CorpusError(f"{error}; CHARGEN_CACHE_DIR names another folder for large corpora") from error


def _header(path: Path) -> tuple[Header, int]:
    """What an entry says of itself, and the offset in bytes where its ids start.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not an entry.
    """
    with path.open("rb") as file:
        if file.readline(len(_MAGIC)) != _MAGIC:
            raise ValueError("no magic line")
        match json.loads(file.readline(_MAX_HEADER)):
            case {
                "name": str(name),
                "vocab": str(characters),
                "reserved": bool(reserved),
                "sha256": str(sha256),
                "unknown": int(unknown),
                "length": int(length),
            }:
                return Header(name, Vocab(characters, unknown=reserved), sha256, unknown, length), file.tell()
        raise ValueError("a header that lacks something")
