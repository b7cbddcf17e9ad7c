"""Encoded large corpora on disk: one file an entry, whole or not there, memory-mapped when it is used.

An entry is named by a hash of the text and the settings; beside it, a link named by a hash of where the text was read
from (path, size, time of change) lets the next start skip the reading. An entry whose header does not give its name,
and a link whose text does not follow from its name, are as good as none.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

import numpy as np
import platformdirs
from numpy.typing import NDArray

from chargen.atomic import replacing
from chargen.errors import CorpusError, RunError
from chargen.text import id_file
from chargen.text.id_file import Header, MappedIds

_ENTRY: Final = ".ids"
_LINK: Final = ".link"
_PAGE: Final = "page-"


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
    return hashlib.sha256(json.dumps([id_file.FORMAT, *parts]).encode()).hexdigest()


def key_of(header: Header) -> str:
    """The key of an entry; all else that its header says follows from these parts."""
    return key(header.sha256, header.characters, header.min_count, header.lengths)


def load(entry: str | None, remake: Callable[[], object]) -> MappedIds | None:
    """The entry of that key; None when there is none or its header is damaged.

    Args:
        entry: The key.
        remake: Saves the entry anew. It is called when, later on, ids that are read turn out to be damaged.
    """
    if entry is not None:
        with contextlib.suppress(OSError, ValueError):
            ids = MappedIds(_path(entry), remake)
            if key_of(ids.header) == entry:
                return ids
    return None


def save(header: Header, chunks: Iterable[NDArray[np.unsignedinteger]]) -> None:
    """Write the entry whose ids are the ``chunks``, one after the other.

    Raises:
        CorpusError: the cache folder cannot be written, or the disk is full.
    """
    with _writing(_path(key_of(header))) as file:
        id_file.write(file, header, chunks)


def remove(entry: str) -> None:
    """Remove an entry, where there is one and the system allows it."""
    with contextlib.suppress(OSError):
        _path(entry).unlink()


def follow(link: str) -> str | None:
    """The key of the entry that a link leads to, None if there is no such link or it is damaged."""
    with contextlib.suppress(OSError, ValueError), (folder() / f"{link}{_LINK}").open("rb") as file:
        entry, proof = file.read(200).decode("ascii").split()
        if proof == key(link, entry):
            return entry
    return None


def point(link: str, entry: str) -> None:
    """Let a link lead to an entry.

    Raises:
        CorpusError: the cache folder cannot be written.
    """
    with _writing(folder() / f"{link}{_LINK}") as file:
        file.write(f"{entry} {key(link, entry)}\n".encode())


def page(name: str) -> Path:
    """Where the page of a model lies that is opened again and again; it goes with the rest."""
    return folder() / f"{_PAGE}{key(name)[:16]}.html"


def entries() -> list[Entry]:
    """What is cached, newest first; what is damaged or was never finished stands under such a name."""
    listed = []
    for path in _files(_ENTRY):
        name, characters = "(unfinished)" if path.suffix == ".tmp" else "(damaged)", 0
        with contextlib.suppress(OSError, ValueError):
            header, _ = id_file.read_header(path)
            name, characters = header.name, header.length
        with contextlib.suppress(OSError):
            status = path.stat()
            listed.append(Entry(name, path, characters, status.st_size, status.st_mtime))
    return sorted(listed, key=lambda entry: entry.modified, reverse=True)


def clear() -> int:
    """Remove every entry, link and leftover, and the pages of `chargen play`; give the bytes freed.

    Raises:
        CorpusError: a file cannot be removed.
    """
    freed = 0
    for path in [*_files(_LINK), *_files(_ENTRY), *folder().glob(f"{_PAGE}*.html")]:
        try:
            size = path.stat().st_size
            path.unlink()
        except OSError as error:
            raise CorpusError(f"cannot remove {path}: {error.strerror or error}") from error
        freed += size
    return freed


def _files(suffix: str) -> list[Path]:
    return [*folder().glob(f"*{suffix}"), *folder().glob(f".*{suffix}.*.tmp")]


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[IO[bytes]]:
    try:
        with replacing(path) as file:
            yield file
    except RunError as error:
        raise CorpusError(f"{error}; CHARGEN_CACHE_DIR names another folder for large corpora") from error


def _path(entry: str) -> Path:
    return folder() / f"{entry}{_ENTRY}"
