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
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import platformdirs
from numpy.typing import NDArray

from chargen.errors import CorpusError, RunError
from chargen.files import replacing
from chargen.vocab import Vocab

FORMAT: Final = 1
_MAGIC: Final = b"chargen ids\n"
_ALIGN: Final = 64
_ENTRY: Final = ".ids"
_LINK: Final = ".link"
_MAX_HEADER: Final = 1 << 25  # more than every Unicode character escaped in JSON


@dataclass(frozen=True)
class Encoded:
    """A text as ids.

    Attributes:
        name: The corpus' name when it was written.
        ids: Shape (N,), the smallest unsigned type that holds every id.
        vocab: What the ids mean.
        sha256: Of the normalised text in UTF-8.
        unknown: Characters that fell to the reserved unknown id.
    """

    name: str
    ids: NDArray[np.unsignedinteger]
    vocab: Vocab
    sha256: str
    unknown: int


@dataclass(frozen=True)
class Entry:
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


def load(entry: str) -> Encoded | None:
    """The entry of that key, its ids memory-mapped; None when it is missing or damaged."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        path = folder() / f"{entry}{_ENTRY}"
        header, start = _header(path)
        vocab = Vocab(header["characters"], unknown=header["reserved"])
        dtype = id_type(vocab)
        length = int(header["length"])
        if path.stat().st_size == start + length * dtype.itemsize:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            ids = np.frombuffer(mapped, dtype, length, start)
            return Encoded(str(header["name"]), ids, vocab, str(header["sha256"]), int(header["unknown"]))
    return None


def save(entry: str, encoded: Encoded, length: int, chunks: Iterable[NDArray[np.unsignedinteger]]) -> None:
    """Write an entry: everything but the ids from ``encoded``, and ``length`` ids from ``chunks``.

    Raises:
        CorpusError: the cache folder cannot be written, or the disk is full.
    """
    header = {
        "name": encoded.name,
        "length": length,
        "characters": encoded.vocab.characters,
        "reserved": encoded.vocab.unknown_id is not None,
        "sha256": encoded.sha256,
        "unknown": encoded.unknown,
    }
    line = _MAGIC + json.dumps(header).encode()
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
    """What is cached, newest first; an entry that cannot be read is listed as damaged."""
    found = []
    for path in folder().glob(f"*{_ENTRY}"):
        try:
            header, _ = _header(path)
            name, characters = str(header["name"]), int(header["length"])
        except (OSError, ValueError, KeyError, TypeError):
            name, characters = "(damaged)", 0
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
    for pattern in (f"*{_ENTRY}", f"*{_LINK}", f".*{_ENTRY}.*.tmp", f".*{_LINK}.*.tmp"):
        for path in folder().glob(pattern):
            try:
                size = path.stat().st_size
                path.unlink()
            except OSError as error:
                raise CorpusError(f"cannot remove {path}: {error.strerror or error}") from error
            freed += size
    return freed


def id_type(vocab: Vocab) -> np.dtype[Any]:
    """The smallest unsigned integer type that holds every id, little-endian."""
    return np.min_scalar_type(len(vocab) - 1).newbyteorder("<")


@contextlib.contextmanager
def _writing(path: Path) -> Any:
    try:
        with replacing(path) as file:
            yield file
    except RunError as error:
        raise CorpusError(f"{error}; CHARGEN_CACHE_DIR names another folder for large corpora") from error


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The JSON of an entry, and the offset in bytes where its ids start."""
    with path.open("rb") as file:
        if file.readline(len(_MAGIC)) != _MAGIC:
            raise ValueError("not an entry")
        header = json.loads(file.readline(_MAX_HEADER))
        if not isinstance(header, dict):
            raise TypeError("not a header")
        return header, file.tell()
