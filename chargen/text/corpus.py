"""Texts to train on, as ids: read from what `text.sources` finds, in memory or mapped from `text.cache`.

A text is read twice in chunks, once to count its characters and once to encode them, so memory does not grow with
it. The second start on a large one reads nothing but the cache.
"""

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chargen.config import TrainConfig
from chargen.errors import ConfigError, CorpusError
from chargen.text import cache
from chargen.text.decode import STDIN, Decoding
from chargen.text.id_file import Header, Ids, MappedIds, id_type
from chargen.text.items import Division
from chargen.text.sources import Source, find, members_of, web_pages
from chargen.text.split import Split, split_items, split_texts
from chargen.text.text_stream import Progress, TextStream
from chargen.text.vocab import CODE_POINTS, Vocab

DEFAULT: Final = "alice"
IN_MEMORY: int = 64 << 20
"""Bytes of ids up to which a corpus is kept in memory and not cached."""

_PRINTABLE: Final = "".join(map(chr, range(32, 127)))
"""The printable ASCII characters."""


@dataclass(frozen=True)
class Corpus:
    """One or several texts as ids.

    Attributes:
        name: Of the built-in corpus, file or folder it was read from.
        ids: Shape (N,), the smallest unsigned type that holds every id; read-only, in memory or in a file.
        vocab: What the ids mean.
        sha256: Of the normalised text in UTF-8.
        unknown: How many characters fell to the reserved unknown id.
        lengths: Characters of each text; they add up to N.
        unseen: The characters of ``vocab`` that no text holds.
        division: How the texts, which are one then, are divided into the items of a list; None for no list.
        remarks: What there is to know of the files that were read.
    """

    name: str
    ids: Ids
    vocab: Vocab
    sha256: str
    unknown: int
    lengths: tuple[int, ...]
    unseen: str = ""
    division: Division | None = None
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of characters."""
        return len(self.ids)

    def split(self, train: TrainConfig, *, lengths: tuple[int, ...] = (), known: Vocab | None = None) -> Split:
        """The training, validation and test parts.

        Args:
            train: Has the shares of each text, or of a list's items, for validation and for the test at the very end,
                and the seed of the order of a list's items.
            lengths: Where other texts begin and end than in ``self.lengths``, as a checkpoint tells.
            known: The vocabulary of the model that the list was shuffled for, if that is another than the list's.

        Raises:
            CorpusError: the text is too short to leave two characters for training, or all items of a list are equal.
        """
        if self.division is None:
            split = split_texts(self.ids, lengths or self.lengths, train)
        else:
            split = split_items(self.name, self.ids, self.vocab, self.division, train, known or self.vocab)
        if len(split.train) < 2:
            raise CorpusError(f"{self.name} has only {len(self)} characters, too few to train on")
        return split

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to know of what was read, and of how the ids are kept."""
        if isinstance(self.ids, MappedIds) and not self.ids.mapped:
            kept = f"{cache.folder()} cannot be memory-mapped, so the text is held in memory: {len(self):,} characters"
            return (*self.remarks, kept)
        return self.remarks

    def release(self) -> None:
        """Let go of what was read of ids in a file, so that resident memory does not grow; they stay valid."""
        if isinstance(self.ids, MappedIds):
            self.ids.release()


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Which texts to read, and how.

    Attributes:
        sources: Names, paths, folders or ``-``, looked up as `chargen.text.sources` says; none for Alice.
        encoding: Of every file that is not built in.
        errors: What becomes of bytes in them that do not decode, as in ``Decoding``.
        min_count: Characters that occur less often share one reserved unknown id; at 1 none is reserved.
        printable: Give every printable ASCII character an id of its own, also those that the texts lack.
        glob: Which files of a folder to take, at any depth; ``*.txt``, ``*.text`` and ``*.md`` (gzip too) without.
        lines: The texts are one list, and each line is an item of it.
        separator: The same, with a line between items that equals this.
        files: The same, and each file is an item.
    """

    sources: tuple[str, ...] = dataclasses.field(default=(), kw_only=False)
    encoding: str = "utf-8"
    errors: str = "strict"
    min_count: int = 1
    printable: bool = False
    glob: str | None = None
    lines: bool = False
    separator: str | None = None
    files: bool = False

    def divided(self, division: Division | None) -> "Texts":
        """The same texts as a list so divided; as texts for None."""
        kind, separator = (None, None) if division is None else (division.kind, division.separator)
        return dataclasses.replace(self, lines=kind == "lines", separator=separator, files=kind == "files")

    def load(self, progress: Progress | None = None) -> Corpus:
        """The texts of the sources, one after the other, as ids; a folder's files are one text.

        Files are joined as they are, with a line end between two where the first lacks it.

        Args:
            progress: Called after each chunk.

        Raises:
            ConfigError: ``min_count`` is not a positive whole number, or a list is divided in two ways.
            CorpusError: a source is missing, cannot be read or decoded, or the text is not one to train on.
        """
        min_count = self.min_count
        if isinstance(min_count, bool) or not isinstance(min_count, int) or min_count < 1:
            raise ConfigError(f"min-count must be a whole number of at least 1, not {min_count!r}")
        decoding = Decoding(encoding=self.encoding, errors=self.errors)
        division = Division.chosen(lines=self.lines, separator=self.separator, files=self.files)
        if self.sources.count(STDIN) > 1:
            raise CorpusError("standard input (-) was named twice; it can be read once")
        with contextlib.ExitStack() as stack:
            names: list[str] = []
            texts: list[list[Source]] = []
            remarks: list[str] = []
            for source in self.sources or (DEFAULT,):
                members = [find(member, decoding, self.glob, stack) for member in members_of(source)]
                names.append(members[0].name if len(members) == 1 else source)
                texts += [member.files for member in members]
                remarks += [note for member in members for note in (*member.notes, *web_pages(member.files))]
            name = "+".join(names) if len(names) < 4 else f"{names[0]}+{len(names) - 1}"
            if division:
                texts = [[file for files in texts for file in files]]
            besides = (_PRINTABLE if self.printable else "") + (division.end if division else "")
            corpus = _load(TextStream(name, texts, progress, division), min_count, besides)
            return dataclasses.replace(corpus, remarks=tuple(remarks))


def _load(texts: TextStream, min_count: int, besides: str) -> Corpus:
    signature = texts.signature()
    link = None if signature is None else cache.key(signature, min_count, besides)
    if link is not None and (ids := _cached(texts, min_count, besides, cache.follow(link))):
        return _corpus(texts, ids, ids.header)
    header = _header(texts, min_count, besides)
    chunks = _encode(texts, signature, header)
    if header.size <= IN_MEMORY:
        array = np.concatenate(list(chunks))
        array.flags.writeable = False
        return _corpus(texts, array, header)
    entry = cache.key_of(header)
    if _cached(texts, min_count, besides, entry) is None:
        cache.save(header, chunks)
    if link is not None:
        cache.point(link, entry)
    ids = _cached(texts, min_count, besides, entry)
    if ids is None:
        raise CorpusError(
            f"the ids of {texts.name} vanished from {cache.folder()} while they were written; start again"
        )
    return _corpus(texts, ids, ids.header)


def _corpus(texts: TextStream, ids: Ids, header: Header) -> Corpus:
    division = texts.division
    vocab = Vocab(header.characters, unknown=header.reserved, end=division.end if division else None)
    return Corpus(texts.name, ids, vocab, header.sha256, header.unknown, header.lengths, header.unseen, division)


def _cached(texts: TextStream, min_count: int, besides: str, entry: str | None) -> MappedIds | None:
    """The texts from the cache; what of them turns out to be damaged when it is read is made anew from their files."""

    def remake() -> None:
        cache.remove(str(entry))
        texts.progress = None  # whoever showed it has gone on
        signature = texts.signature()
        if signature is None:
            raise CorpusError(f"the ids of {texts.name} in {cache.folder()} were damaged and are removed; start again")
        header = _header(texts, min_count, besides)
        if cache.key_of(header) != entry:
            raise CorpusError(f"the ids of {texts.name} in {cache.folder()} were damaged, and its text is another now")
        cache.save(header, _encode(texts, signature, header))

    return cache.load(entry, remake)


def _header(texts: TextStream, min_count: int, besides: str) -> Header:
    """What there is to say of the texts' ids, from reading them once.

    The vocabulary has the characters that occur often enough, and those in ``besides``.
    """
    counts, lengths, sha256 = _count(texts)
    name, distinct = texts.name, np.flatnonzero(counts)
    if len(distinct) == 0:
        raise CorpusError(f"{name} is empty; a model needs text to learn from")
    if len(distinct) == 1:
        raise CorpusError(f"{name} has one distinct character, {chr(distinct[0])!r}; there is nothing to learn from it")
    often = distinct[counts[distinct] >= min_count]
    if len(often) < 2:
        raise CorpusError(
            f"min-count {min_count} leaves {len(often)} of the {len(distinct)} characters in {name}; lower it"
        )
    listed = np.union1d(often, [ord(character) for character in besides]).astype(np.int64)
    unknown = int(counts.sum() - counts[listed].sum())
    unseen = "".join(map(chr, listed[counts[listed] == 0]))
    return Header(name, "".join(map(chr, listed)), min_count > 1, sha256, min_count, unknown, lengths, unseen)


def _count(texts: TextStream) -> tuple[NDArray[np.int64], tuple[int, ...], str]:
    """How often each code point occurs, shape (1114112,), the length of each text, and the sha256 of all."""
    counts = np.zeros(CODE_POINTS, dtype=np.int64)
    lengths = [0] * texts.count
    digest = hashlib.sha256()
    for text, data, codes in texts.chunks():
        occurring = np.bincount(codes)
        counts[: len(occurring)] += occurring
        lengths[text] += len(codes)
        digest.update(data)
    return counts, tuple(lengths), digest.hexdigest()


def _encode(texts: TextStream, signature: object, header: Header) -> Iterator[NDArray[np.unsignedinteger]]:
    """The ids of the text in chunks; the end checks that it is still the text that was counted."""
    vocab = header.vocab
    table = np.full(CODE_POINTS, vocab.unknown_id or 0, dtype=id_type(vocab))
    table[[ord(character) for character in vocab.characters]] = np.arange(len(vocab.characters))
    done = 0
    for _, _, codes in texts.chunks():
        done += len(codes)
        yield table[codes]
    if done != header.length or texts.signature() != signature:
        raise CorpusError(f"{texts.name} was changed while it was read; start again")
