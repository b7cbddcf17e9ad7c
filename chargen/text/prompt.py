"""Makes any prompt fit a vocabulary: what a model does not know is read as something it does, or left out, and told."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from chargen.errors import TextError
from chargen.text.vocab import Vocab

# What reads alike though Unicode's compatibility mappings keep it apart, in the typewriter's spelling. A character
# that stands twice has two readings, the better one first.
ALIKE: Final = (
    ("'", "‘’‚‛′‵‹›`´ʹʻʼʽ"),
    ('"', "“”„‟″‶«»〝〞"),
    ("'", '"'),
    ("-", "‐‑‒–⁃−"),
    ("--", "—―⸺"),
    ("...", "…"),
    ("*", "•‣◦▪●"),
    (".", "·。"),
    (",", "、"),
    ("/", "⁄∕"),
    ("x", "×"),
    ("!", "¡"),
    ("?", "¿"),
    ("ae", "æ"),
    ("AE", "Æ"),
    ("oe", "œ"),
    ("OE", "Œ"),
    ("ss", "ß"),
    ("o", "ø"),
    ("O", "Ø"),
    ("d", "đð"),
    ("D", "ĐÐ"),
    ("l", "ł"),
    ("L", "Ł"),
    ("i", "ı"),
    ("th", "þ"),
    ("Th", "Þ"),
    ("    ", "\t"),
    ("\n", "\v\f\x85\u2028\u2029"),
    (" ", "\n"),
)


@dataclass(frozen=True)
class Note:
    """What became of one distinct character that the vocabulary lacks.

    Attributes:
        character: The character.
        count: How often it stands in the prompt.
        reading: What it was read as, None where it was left out.
    """

    character: str
    count: int
    reading: str | None

    def __str__(self) -> str:
        """One printable line, whatever the character."""
        times = f", {self.count} times," if self.count > 1 else ""
        became = "was left out" if self.reading is None else f"was read as {self.reading!r}"
        return f"{shown(self.character)}{times} {became}"


@dataclass(frozen=True)
class Fitted:
    """A prompt whose characters are all in the vocabulary, and what was done to it."""

    text: str
    notes: tuple[Note, ...]


def fit(text: str, vocab: Vocab, *, strict: bool = False) -> Fitted:
    """The prompt in characters that ``vocab`` lists, with one note for each distinct character it does not.

    Line ends become LF, as in every corpus. An unknown character is read by a small table of look-alikes, by Unicode
    compatibility (NFKC, NFKD), without its combining marks, or in the other case; failing these it is left out.

    Raises:
        TextError: a character is unknown and ``strict`` is set.
    """
    if "\r" in text and "\r" not in vocab:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    places = np.flatnonzero(vocab.lookup(text) < 0)
    if len(places) == 0:
        return Fitted(text, ())
    if strict:
        at = int(places[0])
        raise TextError(f"character {at + 1} of the prompt, {shown(text[at])}, is not in the model's vocabulary")
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")[places]
    distinct, first, counts = np.unique(codes, return_index=True, return_counts=True)
    notes = tuple(
        Note(chr(distinct[at]), int(counts[at]), _read(chr(distinct[at]), vocab, frozenset()))
        for at in np.argsort(first)
    )
    return Fitted(text.translate({ord(note.character): note.reading for note in notes}), notes)


def shown(character: str) -> str:
    """The character with its code point, or its name where it cannot be printed by itself."""
    code = f"U+{ord(character):04X}"
    if character.isprintable() and not unicodedata.category(character).startswith("M"):
        return f"{character!r} ({code})"
    return f"{code} {unicodedata.name(character, '')}".rstrip()


def _read(character: str, vocab: Vocab, tried: frozenset[str]) -> str | None:
    """The first alternative whose every character is listed or can be read itself."""
    if character in vocab:
        return character
    if character in tried:
        return None
    for alternative in _alternatives(character):
        parts = [_read(part, vocab, tried | {character}) for part in alternative]
        known = [part for part in parts if part is not None]
        if known and len(known) == len(parts):
            return "".join(known)
    return None


def _alternatives(character: str) -> Iterator[str]:
    for reading, characters in ALIKE:
        if character in characters:
            yield reading
    yield unicodedata.normalize("NFKC", character)
    decomposed = unicodedata.normalize("NFKD", character)
    yield decomposed
    yield "".join(part for part in decomposed if not unicodedata.category(part).startswith("M"))
    yield character.lower()
    yield character.upper()
