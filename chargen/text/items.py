"""Lists of many short texts, such as names or poems: how a file is divided into items, and which items are known.

A list is one stream of characters, in which an end mark stands behind every item, its last one too. White space at
either end of an item is dropped, and so are items that hold nothing else.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chargen.config import MARK
from chargen.errors import ConfigError, CorpusError
from chargen.text.id_file import Ids
from chargen.text.vocab import CODE_POINTS, Vocab

KINDS: Final = ("lines", "separator", "files")
_BLOCK: Final = 1 << 20  # characters handled at a time, which take some 50 bytes each meanwhile


@dataclass(frozen=True)
class Division:
    """How files are divided into items.

    Attributes:
        kind: One of ``KINDS``: each line is an item, each stretch between lines that equal ``separator``, or each file.
        separator: The line that divides items; None for the other kinds.
    """

    kind: str
    separator: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"its items are divided by {self.kind!r}, which is none of {', '.join(KINDS)}")
        if (self.kind == "separator") != (self.separator is not None):
            raise ValueError(f"its items are divided by {self.kind}, and its separator is {self.separator!r}")

    @classmethod
    def chosen(cls, *, lines: bool, separator: str | None, files: bool) -> "Division | None":
        """The division that was asked for; None for one long text.

        Raises:
            ConfigError: more than one was, or the separator can be no line.
        """
        named = [name for name, is_given in zip(KINDS, (lines, separator is not None, files), strict=True) if is_given]
        if len(named) > 1:
            raise ConfigError(f"{' and '.join(named)} each say how a list is divided into its items; give one")
        if separator is not None and ("\n" in separator or MARK in separator):
            raise ConfigError(f"separator must be one line that divides items, not {separator!r}")
        return cls(named[0], separator) if named else None

    @property
    def end(self) -> str:
        """The end mark."""
        return "\n" if self.kind == "lines" else MARK

    @property
    def noun(self) -> str:
        """What a person calls several items."""
        return self.kind if self.kind in ("lines", "files") else "items"

    def stream(self, pieces: Iterable[str], label: str) -> Iterator[str]:
        """The items of one file, an end mark behind each.

        Args:
            pieces: The file's text, piece by piece.
            label: What messages call the file.

        Raises:
            CorpusError: the text holds the end mark of items that may hold line ends.
        """
        for items in self._items(pieces):
            if self.end == MARK and any(MARK in item for item in items):
                raise CorpusError(f"{label} holds the character U+0003, which chargen puts behind each item; remove it")
            if items:
                yield self.end.join(items) + self.end

    def split(self, text: str) -> list[str]:
        """The items of a text that is at hand as a whole."""
        return [item for items in self._items([text]) for item in items]

    def _items(self, pieces: Iterable[str]) -> Iterator[list[str]]:
        """The items of a file, some at a time."""
        rest: list[str] = []  # of the item that has not ended yet
        for block in _whole_lines(pieces):
            first, *others = self._parts(block)
            rest.append(first)
            if others:
                yield _kept(["".join(rest), *others[:-1]])
                rest = others[-1:]
        yield _kept(["".join(rest)])

    def _parts(self, block: str) -> list[str]:
        if self.kind == "lines":
            return block.split("\n")
        if self.kind == "files":
            return [block]
        return re.split(rf"(?m)^{re.escape(self.separator or '')}\n", block)

    def ends(self, ids: Ids, vocab: Vocab) -> NDArray[np.int64]:
        """The places of the end marks in a stream of items, shape (items,).

        Args:
            ids: Shape (N,).
            vocab: What they mean.
        """
        ends: NDArray[np.int64] = np.flatnonzero(ids[:] == vocab.id_of(self.end))
        return ends

    def fingerprints(self, ids: Ids, vocab: Vocab, known: Vocab | None = None) -> NDArray[np.uint64]:
        """A 64-bit hash of each item in a stream, shape (items,).

        Each character and its place in its item are mixed together, as SplitMix64 mixes (Steele, Lea and Flood 2014,
        *Fast Splittable Pseudorandom Number Generators*, figure 16), and an item's hash is the sum over its characters.

        Args:
            ids: Shape (N,).
            vocab: What they mean.
            known: Characters that this lacks are all taken for the same; ``vocab`` without.
        """
        codes = np.full(len(vocab), CODE_POINTS, dtype=np.uint64)
        for at, character in enumerate(vocab.characters):
            if known is None or character in known:
                codes[at] = ord(character)
        ends = self.ends(ids, vocab)
        hashes = np.empty(len(ends), dtype=np.uint64)
        for items in blocks(ends):
            start = ends[items.start - 1] + 1 if items.start else 0
            hashes[items] = _hashes(codes[ids[start : ends[items.stop - 1] + 1]], ends[items] - start)
        return hashes

    def seen(self, items: Sequence[str], hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which items, given without their end marks, are among those of which there are these hashes.

        Args:
            items: None holds an end mark.
            hashes: Sorted fingerprints.
        """
        stream = "".join(item + self.end for item in items)
        vocab = Vocab("".join(sorted(set(stream))))
        return np.isin(self.fingerprints(vocab.ids_of(stream), vocab), hashes)


def blocks(ends: NDArray[np.int64]) -> Iterator[slice]:
    """Stretches of consecutive items, each of about ``_BLOCK`` characters, of items that end at ``ends``."""
    first = 0
    while first < len(ends):
        start = ends[first - 1] + 1 if first else 0
        stop = max(first + 1, int(np.searchsorted(ends, start + _BLOCK)))
        yield slice(first, stop)
        first = stop


def places(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places of the characters of items of these starts and lengths, one item after the other."""
    before = np.cumsum(lengths) - lengths
    stream: NDArray[np.int64] = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    return stream


def _hashes(codes: NDArray[np.uint64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The hashes of a few items, which end at ``ends``."""
    starts = np.concatenate([[0], ends[:-1] + 1])
    at = np.arange(len(codes)) - np.repeat(starts, ends + 1 - starts)
    mixed = (codes << np.uint64(40)) + at.astype(np.uint64)
    mixed = (mixed + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.add.reduceat(mixed, starts)


def _whole_lines(pieces: Iterable[str]) -> Iterator[str]:
    """The text again, and a line end, in pieces that end where a line does."""
    rest: list[str] = []
    for piece in pieces:
        lines, newline, begun = piece.rpartition("\n")
        if newline:
            yield "".join([*rest, lines, newline])
            rest = []
        rest.append(begun)
    yield "".join([*rest, "\n"])


def _kept(items: Iterable[str]) -> list[str]:
    """The items without white space at either end, and none that is empty then."""
    return [stripped for item in items if (stripped := item.strip())]
