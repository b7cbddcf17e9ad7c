"""An n-gram model of the text read so far, which learns with every character.

A recurrent network keeps the gist of a text in its weights and state; names, turns of phrase and whole repeated lines
are better looked up.

Legend: T time, V vocabulary.
"""

from array import array
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen.inference.numpy_cells import Floats
from chargen.text.vocab import Vocab

ORDER: Final = 12
"""Characters of the longest context that is looked up."""
RECENT: Final = 4096
"""Places after the last three characters that are looked at, the latest ones: all of a book, and bounded work."""
SHORT: Final = 3
"""Contexts shorter than this have their counts kept; longer ones are counted when they are looked up."""
DISCOUNTS: Final = (0.5, 0.5, 0.6, 0.7, 0.8, 0.85) + (0.9,) * (ORDER - 5)
"""Taken from every count, by the length of its context; chosen on Alice's validation split."""


class NGram:
    """An interpolated Kneser-Ney model of everything read (Kneser and Ney 1995; Chen and Goodman 1999, section 2.7).

    The longest context that was seen before, up to ``ORDER`` characters, and all shorter ones have their say:

        p_k(s) = max(c_k(s) - D_k, 0) / c_k + D_k t_k / c_k p_{k-1}(s)

    where c_k(s) counts how often ``s`` followed the last k characters, for k = ``ORDER``, and for a smaller k after how
    many different characters before them; c_k is the sum of those counts, t_k how many are not 0.

    The text itself is kept, with the places that follow each three characters. Places after longer contexts are picked
    out of the latest ``RECENT`` of these, so learning a character takes a microsecond and some ten bytes (of a script
    with thousands of characters, where most threes are new, ten microseconds and some 600 bytes).

    Args:
        vocab: Its vocabulary.
        history: What it has read right before; unlisted characters are read as the unknown id, or passed over where
            there is none. Behind such a text no new one begins: its last character is the first that ``run`` is given.
    """

    def __init__(self, vocab: Vocab, history: str = "") -> None:
        self._size = len(vocab)
        self._text = array("i", [0] * ORDER)
        self._places: dict[int, array[int]] = {}  # after each three characters
        self._seen: set[int] = set()  # every four that followed each other
        self._counts: tuple[dict[int, dict[int, int]], ...] = tuple({} for _ in range(SHORT))
        self._given = not history  # whether the next character that comes is a new one
        ids = vocab.read(history)
        for character in ids[ids >= 0].tolist():
            self.read(character)

    def run(self, ids: NDArray[np.integer[Any]]) -> Floats:
        """Log-probabilities (T, V) after each of the characters ``ids`` (T,), learnt on the way."""
        rows = np.empty((len(ids), self._size), np.float32)
        for row, character in zip(rows, ids.tolist(), strict=True):
            if self._given:
                self.read(character)
            self._given = True
            row[:] = np.log(self.predict())
        return rows

    def read(self, character: int) -> None:
        """Learn what followed, and go on behind it."""
        contexts = self._contexts()
        self._places.setdefault(contexts[SHORT], array("i")).append(len(self._text))
        self._text.append(character)
        quadruple = contexts[SHORT] * self._size + character
        if quadruple in self._seen:
            return
        self._seen.add(quadruple)
        for order in reversed(range(SHORT)):  # the context is new to the next shorter one only if it is itself
            counts = self._counts[order].setdefault(contexts[order], {})
            counts[character] = counts.get(character, 0) + 1
            if counts[character] > 1:
                return

    def predict(self) -> NDArray[np.float64]:
        """The probabilities (V,) of the next character, none of them 0."""
        contexts = self._contexts()
        p = np.full(self._size, 1 / self._size)
        for order in range(SHORT):
            followers = self._counts[order].get(contexts[order])
            if followers is None:
                return p
            counts = np.fromiter(followers.values(), np.int64, len(followers))
            _interpolate(p, np.fromiter(followers.keys(), np.int64, len(followers)), counts, DISCOUNTS[order])
        if contexts[SHORT] in self._places:
            self._look_up(p, self._places[contexts[SHORT]][-RECENT:])
        return p

    def _look_up(self, p: NDArray[np.float64], after: "array[int]") -> None:
        """Interpolate ``p`` with what stands at the places ``after`` the last three characters."""
        text, places = np.frombuffer(self._text, np.int32), np.frombuffer(after, np.int32)
        for order in range(SHORT, ORDER + 1):
            following = text[places]
            if order < ORDER:
                before = text[places - order - 1]
                if len(places) > 1:  # those after different characters, once each
                    pairs = before.astype(np.int64) * self._size + following
                    following = np.unique(pairs) % self._size
                places = places[before == text[-order - 1]]
            counts = np.bincount(following)
            (characters,) = counts.nonzero()
            _interpolate(p, characters, counts[characters], DISCOUNTS[order])
            if not len(places):
                return

    def _contexts(self) -> tuple[int, ...]:
        """The last 0, 1, 2 and 3 characters, as one number each."""
        third, second, last = self._text[-3:]
        pair = second * self._size + last
        return 0, last, pair, (third * self._size + second) * self._size + last


def _interpolate(
    p: NDArray[np.float64], characters: NDArray[np.int64], counts: NDArray[np.int64], discount: float
) -> None:
    """Turn ``p``, the probabilities after a shorter context, into those after one in which ``characters`` followed."""
    total = counts.sum()
    p *= discount * len(counts) / total
    p[characters] += (counts - discount) / total
