"""A text's ids in a file: how it is laid out, written and read where it lies.

A magic line, the SHA-256 of the line that follows, that line, JSON padded so that what comes after it begins at a
multiple of 64 bytes, and the ids. The JSON holds the SHA-256 of each block of ids. Whatever was changed is thus
noticed: in the header when the file is opened, in a block when it is first read.
"""

import hashlib
import json
import mmap
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from chargen.errors import CorpusError
from chargen.schema import document, parse, record
from chargen.text.vocab import Vocab

FORMAT: Final = 2
BLOCK: int = 1 << 18
"""Bytes of ids with a digest of their own. A gigabyte has 4,096; the first batch of 256 columns checks 64 MiB."""
_MAGIC: Final = b"chargen ids %d\n" % FORMAT
_ALIGN: Final = 64
_DIGITS: Final = 64  # of a digest in hexadecimal
_MAX_HEADER: Final = 1 << 26  # every Unicode character escaped in JSON, and the digests of 100 GB


@dataclass(frozen=True)
class Header:
    """What a file says of its ids.

    Attributes:
        name: Of the text.
        characters: The vocabulary's.
        reserved: Whether it reserves an unknown id.
        sha256: Of the normalised text in UTF-8.
        min_count: How often a character occurs at least that has an id of its own.
        unknown: How many characters fell to the reserved unknown id.
        lengths: Ids of each text, one after the other.
        unseen: Characters of the vocabulary that no text holds.
        digests: The SHA-256 of each block.
    """

    name: str
    characters: str
    reserved: bool
    sha256: str
    min_count: int
    unknown: int
    lengths: tuple[int, ...]
    unseen: str = ""
    digests: tuple[str, ...] = ()

    @cached_property
    def vocab(self) -> Vocab:
        """What the ids mean."""
        return Vocab(self.characters, unknown=self.reserved)

    @property
    def length(self) -> int:
        """Number of ids."""
        return sum(self.lengths)

    @property
    def size(self) -> int:
        """Bytes of the ids."""
        return self.length * id_type(self.vocab).itemsize

    @property
    def blocks(self) -> int:
        """Into how many blocks the ids fall."""
        return -(-self.size // BLOCK)


class Ids(Protocol):
    """The ids of a text, (N,): an array in memory, or one in a file."""

    def __len__(self) -> int:
        """Number of ids."""

    def __getitem__(self, where: Any, /) -> Any:
        """The ids in a slice, or at an array of places."""


class MappedIds:
    """The ids of a file, (N,), memory-mapped; each block is checked when it is first read.

    Args:
        path: The file.
        remake: Writes the file anew from the text. It is called when a block is damaged.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not one of ids, or not a whole one.
    """

    def __init__(self, path: Path, remake: Callable[[], object]) -> None:
        self._path, self._remake = path, remake
        self._open()
        self._checked = bytearray(self.header.blocks)  # 1 for a block that was

    def __len__(self) -> int:
        """Number of ids."""
        return self.header.length

    def __getitem__(self, where: Any) -> NDArray[np.unsignedinteger]:
        """The ids in a slice without steps, or at an array of places from 0.

        Raises:
            CorpusError: they are damaged and cannot be made anew.
        """
        if isinstance(where, slice):
            start, stop, _ = where.indices(len(self))
            blocks: Iterable[int] = range(self._block(start), self._block(stop - 1) + 1) if start < stop else ()
        else:
            blocks = np.unique(self._block(where)).tolist()
        for block in blocks:
            if not self._checked[block]:
                self._check(block)
        ids: NDArray[np.unsignedinteger] = self._ids[where]
        return ids

    @property
    def mapped(self) -> bool:
        """Whether they are read where they lie; else the file system has no memory maps, and they are in memory."""
        return isinstance(self._bytes, mmap.mmap)

    def release(self) -> None:
        """Let go of the pages that were read, so that resident memory does not grow.

        What is read again comes from the system's file cache. Nothing happens where the system has no such call.
        """
        if isinstance(self._bytes, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            self._bytes.madvise(mmap.MADV_DONTNEED)

    def _open(self) -> None:
        self.header, start = read_header(self._path)
        with self._path.open("rb") as file:
            try:
                self._bytes: mmap.mmap | bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except OSError:  # there are file systems without memory maps
                self._bytes = file.read()
        self._ids = np.ndarray(self.header.length, id_type(self.header.vocab), self._bytes, start)

    def _block(self, at: Any) -> Any:
        """The block that an id, or each of several, lies in."""
        return at * self._ids.itemsize // BLOCK

    def _check(self, block: int) -> None:
        if not self._is_whole(block):
            before = self.header
            self._remake()
            try:
                self._open()
            except (OSError, ValueError) as error:
                raise CorpusError(f"{self._path} vanished while it was written anew; start again") from error
            if (self.header.vocab, len(self)) != (before.vocab, before.length):
                raise CorpusError(f"{self._path} was damaged and has been written anew; start again")
            if not self._is_whole(block):
                raise CorpusError(f"{self._path} is damaged, also after it was written anew; is its disk in order?")
        self._checked[block] = 1

    def _is_whole(self, block: int) -> bool:
        length = BLOCK // self._ids.itemsize
        ids = self._ids[block * length : (block + 1) * length]
        matches = hashlib.sha256(ids.data).hexdigest() == self.header.digests[block]
        return matches and int(ids.max()) < len(self.header.vocab)


def write(file: IO[bytes], header: Header, chunks: Iterable[NDArray[np.unsignedinteger]]) -> None:
    """Write a header and the ids of the ``chunks``, one after the other, to an empty file."""
    digests: list[str] = []
    digest, room = hashlib.sha256(), BLOCK
    file.write(_head(header, ["0" * _DIGITS] * header.blocks))  # of the length that it will have with the true ones
    for ids in chunks:
        data = memoryview(ids.tobytes())
        file.write(data)
        while data:
            part, data = data[:room], data[room:]
            digest.update(part)
            room -= len(part)
            if not room:
                digests.append(digest.hexdigest())
                digest, room = hashlib.sha256(), BLOCK
    if room < BLOCK:
        digests.append(digest.hexdigest())
    file.seek(0)
    file.write(_head(header, digests))


def read_header(path: Path) -> tuple[Header, int]:
    """What a file says of its ids, and the offset in bytes where they begin.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not one of ids, or not a whole one.
    """
    with path.open("rb") as file:
        if file.readline(len(_MAGIC)) != _MAGIC:
            raise ValueError("no magic line")
        digest, line, start = file.read(_DIGITS + 1), file.readline(_MAX_HEADER), file.tell()
        size = file.seek(0, os.SEEK_END)
    if digest != _digest_line(line):
        raise ValueError("a header that does not match its digest")
    try:
        header = record(Header, parse(line.decode()))
    except RecursionError as error:
        raise ValueError("a header of too many brackets") from error
    if size != start + header.size or len(header.digests) != header.blocks:
        raise ValueError("another size than the header tells")
    return header, start


def id_type(vocab: Vocab) -> np.dtype[np.unsignedinteger]:
    """The smallest unsigned integer type that holds every id, little-endian."""
    return np.min_scalar_type(len(vocab) - 1).newbyteorder("<")


def _head(header: Header, digests: Sequence[str]) -> bytes:
    """What stands before the ids."""
    line = json.dumps(document(replace(header, digests=tuple(digests)))).encode()
    line += b" " * (-(len(_MAGIC) + _DIGITS + 1 + len(line) + 1) % _ALIGN) + b"\n"
    return _MAGIC + _digest_line(line) + line


def _digest_line(line: bytes) -> bytes:
    return hashlib.sha256(line).hexdigest().encode() + b"\n"
