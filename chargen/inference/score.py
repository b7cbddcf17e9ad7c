"""Bits that a network needs for a text: how well it predicts each character from those before.

A text's first character is predicted as the generator would: from its first state after ``start_id``. Every character
of Unicode has a probability, and they sum to 1. Where the vocabulary has a reserved unknown id, its probability is
shared evenly among the characters that are not listed, and those are read as that id. Where it has none, the escape
probability, a constant, is shared among them, the listed characters share the rest, and the network, which cannot read
an unlisted character, skips it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from chargen.inference.generate import start_id
from chargen.inference.numpy_cells import Floats
from chargen.inference.softmax import bits_of
from chargen.text.vocab import CODE_POINTS, Vocab
from chargen.wording import counted

ESCAPE: Final = 2.0**-14
"""Probability of an unlisted character: it costs each listed one 0.00009 bits, an unlisted one 34 bits."""
BLOCK: Final = 512
"""Characters whose logits are held at once."""
PIECE: Final = 2048
"""Characters that are read between two calls of what is told of it."""


@dataclass(frozen=True)
class Scored:
    """What a text costs.

    Attributes:
        bits: The bits of each character, shape (T,), float64.
        unknown: How many characters were not listed.
        ends: The places of the end marks in a list's text, shape (N,); none in another text.
    """

    bits: NDArray[np.float64]
    unknown: int
    ends: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __repr__(self) -> str:
        unknown = f", {self.unknown:,} of them unknown" * bool(self.unknown)
        items = f", {counted(self.items, 'item')} at {self.bits_per_item:.2f} bits" * bool(self.items)
        return f"<Scored: {counted(self.characters, 'character')}{unknown}, {self.bpc:.4f} bits per character{items}>"

    @property
    def characters(self) -> int:
        """Length of the text."""
        return len(self.bits)

    @property
    def total(self) -> float:
        """Bits of the whole text."""
        return float(self.bits.sum())

    @property
    def bpc(self) -> float:
        """Bits per character, nan for an empty text."""
        return self.total / self.characters if self.characters else float("nan")

    @property
    def items(self) -> int:
        """How many items of a list the text is; 0 for another text."""
        return len(self.ends)

    @property
    def item_bits(self) -> NDArray[np.float64]:
        """The bits of each item, its end mark's among them, shape (N,)."""
        if not self.items:
            return np.empty(0)
        sums = np.cumsum(self.bits)[self.ends]
        return np.diff(sums, prepend=0.0)

    @property
    def bits_per_item(self) -> float:
        """Their mean, nan where there is no item."""
        return float(self.item_bits.mean()) if self.items else float("nan")

    @property
    def perplexity(self) -> float:
        """2 ** bpc: as many equally likely characters would be as hard to predict."""
        with np.errstate(over="ignore"):
            return float(np.exp2(self.bpc))

    @classmethod
    def joined(cls, pieces: Sequence["Scored"]) -> "Scored":
        """The score of several pieces as one."""
        bits = np.concatenate([np.empty(0), *(piece.bits for piece in pieces)])
        starts = np.cumsum([0, *(piece.characters for piece in pieces)])[:-1]
        ends = [piece.ends + start for piece, start in zip(pieces, starts, strict=True)]
        return cls(bits, sum(piece.unknown for piece in pieces), np.concatenate([np.empty(0, np.int64), *ends]))


class Predictor(Protocol):
    """A model at some place in one text: a network's reader, or one that goes on learning from what it reads."""

    def run(self, ids: NDArray[np.integer[Any]]) -> Floats:
        """The logits (T, V) after each further character of the text, ``ids`` (T,).

        Each row rests on its character and those before it alone.
        """


class Scorer:
    """Scores a text piece by piece; pieces give what the whole would. A list's text has an end mark behind each item.

    Attributes:
        predictor: What predicts; another that has read the same may go on in its place.

    Args:
        predictor: The model at the beginning of the text.
        vocab: Its vocabulary.
    """

    def __init__(self, predictor: Predictor, vocab: Vocab) -> None:
        self.predictor = predictor
        self._vocab = vocab
        self._last = start_id(vocab)
        unlisted = np.log2(CODE_POINTS - len(vocab.characters))
        # Bits added to those of the id that the network predicts
        self._known_bits = 0.0 if vocab.unknown_id is not None else -np.log2(1 - ESCAPE)
        self._unknown_bits = unlisted if vocab.unknown_id is not None else unlisted - np.log2(ESCAPE)

    def feed(self, text: str, progress: Callable[[int], object] = lambda _: None) -> Scored:
        """The score of the text's next piece.

        Args:
            text: The piece.
            progress: Told now and then how many more characters of it were read.

        Raises:
            CheckpointError: the model's logits are not finite.
        """
        scored = []
        for first in range(0, len(text), PIECE):
            scored.append(self._feed(text[first : first + PIECE]))
            progress(scored[-1].characters)
        return Scored.joined(scored)

    def _feed(self, text: str) -> Scored:
        ids = self._vocab.read(text)
        unknown = self._vocab.unlisted(ids)
        bits = np.where(unknown, self._unknown_bits, self._known_bits)
        end = self._vocab.end_id
        ends = np.flatnonzero(ids == end) if end is not None else np.empty(0, np.int64)
        read = ids >= 0
        bits[read] += self._bits_of(ids[read])
        return Scored(bits, int(unknown.sum()), ends)

    def _bits_of(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        bits = np.empty(len(ids))
        inputs = np.concatenate([[self._last], ids])
        for start in range(0, len(ids), BLOCK):
            targets = ids[start : start + BLOCK]
            logits = self.predictor.run(inputs[start : start + len(targets)])
            bits[start : start + len(targets)] = bits_of(logits, targets)
        self._last = int(inputs[-1])
        return bits
