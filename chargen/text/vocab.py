"""The vocabulary: characters to ids and back."""

from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chargen.errors import TextError

CODE_POINTS: Final = 0x110000
"""How many characters there can be."""
UNKNOWN: Final = "\ufffd"
"""What the reserved unknown id is shown as; it is never written by the sampler."""


class Vocab:
    """The distinct characters of a text, in code point order, each with its id.

    Args:
        characters: Distinct characters; the id of each is its place.
        unknown: Reserve one more id, the last, for every character that is not listed.
        end: The end mark, where the text is a list: the character behind each item. Two vocabularies that differ in it
            alone are equal.

    Raises:
        ValueError: a character stands twice.
    """

    def __init__(self, characters: str, *, unknown: bool = False, end: str | None = None) -> None:
        if len(set(characters)) != len(characters):
            raise ValueError("a character stands twice in the vocabulary")
        self.characters = characters
        self.unknown_id = len(characters) if unknown else None
        self.end = end

    def __len__(self) -> int:
        """Number of ids, the reserved one included."""
        return len(self.characters) + (self.unknown_id is not None)

    def __contains__(self, character: object) -> bool:
        return character in self._ids

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocab):
            return NotImplemented
        return (self.characters, self.unknown_id) == (other.characters, other.unknown_id)

    def __hash__(self) -> int:
        return hash((self.characters, self.unknown_id))

    def __repr__(self) -> str:
        return f"Vocab({self.characters!r}, unknown={self.unknown_id is not None})"

    def id_of(self, character: str) -> int | None:
        """The id of one character, None for one that is not listed."""
        return self._ids.get(character)

    @property
    def end_id(self) -> int | None:
        """The id of the end mark, None where the text is no list."""
        return None if self.end is None else self.id_of(self.end)

    def lookup(self, text: str) -> NDArray[np.int64]:
        """The id of each character of ``text``, shape (T,); -1 for one that is not listed."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        ids = np.full(len(codes), -1, dtype=np.int64)
        inside = codes < len(self._table)
        ids[inside] = self._table[codes[inside]]
        return ids

    def read(self, text: str) -> NDArray[np.int64]:
        """As ``lookup``, with the reserved id, where there is one, for those not listed."""
        ids = self.lookup(text)
        if self.unknown_id is not None:
            ids[ids < 0] = self.unknown_id
        return ids

    def unlisted(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the ids that ``read`` gave stand for characters that are not listed."""
        return ids < 0 if self.unknown_id is None else ids == self.unknown_id

    def ids_of(self, text: str) -> NDArray[np.int64]:
        """The id of each character, shape (T,); the reserved id, where there is one, for those not listed.

        Raises:
            TextError: a character is not listed and no id is reserved for such.
        """
        ids = self.read(text)
        if (ids < 0).any():
            at = int((ids < 0).argmax())
            raise TextError(f"character {text[at]!r} (U+{ord(text[at]):04X}, at {at}) is not in the model's vocabulary")
        return ids

    def text_of(self, ids: NDArray[np.integer]) -> str:
        """The text of ``ids``, shape (T,); the reserved id shows as U+FFFD."""
        return "".join(map(self._shown.__getitem__, ids.tolist()))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {character: at for at, character in enumerate(self.characters)}

    @cached_property
    def _shown(self) -> str:
        return self.characters + ("" if self.unknown_id is None else UNKNOWN)

    @cached_property
    def _table(self) -> NDArray[np.int64]:
        codes = [ord(character) for character in self.characters]
        table = np.full(max(codes, default=-1) + 1, -1, dtype=np.int64)
        table[codes] = np.arange(len(codes))
        return table
