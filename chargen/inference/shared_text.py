"""A text that a person and a network write in turns, and that the network never reads again.

S parts of the state, L layers, H hidden: after each turn the state, shape (S, L, 1, H), is kept, so that the next one
begins where it ended and an earlier one can be taken back.
"""

import dataclasses
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from chargen.config import SamplerConfig
from chargen.errors import ConfigError
from chargen.inference.generate import Ending, Piece, beginning, generate
from chargen.inference.numpy_network import Network
from chargen.inference.text_end import TextEnd
from chargen.text.vocab import Vocab

LONGEST: Final = 2
"""A turn in which no word ends is cut off at so many times its length."""
_FOLLOWS_WORD: Final = ",.;:!?)]}…’”"
"""What stands behind a word without white space between."""


@dataclass(frozen=True)
class _Place:
    """A place in the text: what stands before it, where the network stands, and whether a turn was broken off there.

    The white space or the stop string that ended a turn is part of the text.
    """

    text: str = ""
    ending: Ending | None = None
    broken_off: bool = False


@dataclass(frozen=True)
class _Turn:
    """What was typed, and the place behind what the network wrote to it."""

    typed: str
    end: _Place


class SharedText:
    """A text that grows turn by turn: what a person types, and what the network writes behind it.

    Args:
        network: The model.
        vocab: Its vocabulary.
    """

    def __init__(self, network: Network, vocab: Vocab) -> None:
        self._network = network
        self._vocab = vocab
        self._turns: list[_Turn] = []

    @property
    def text(self) -> str:
        """The whole text so far."""
        return self._place(len(self._turns)).text

    def write(
        self,
        typed: str,
        *,
        end: TextEnd,
        seed: int,
        sampler: SamplerConfig,
        anew: bool = False,
    ) -> Generator[str, None, None]:
        """Have the network write on behind ``typed``.

        White space that ended the last turn stands between the two, unless ``typed`` begins with some or with a mark
        that follows a word; a space does where a turn was broken off in a word. Whenever the iteration ends, what was
        written until then belongs to the text; only an error takes the whole turn back.

        Args:
            typed: What comes first, in characters of the vocabulary; it may be empty.
            end: What ends the turn, a fresh one with a ``turn_length``.
            seed: As in ``generate``.
            sampler: Likewise.
            anew: Write the last turn once more instead, to what was typed then.

        Returns:
            The new characters, without ``typed``, as they come.

        Raises:
            ConfigError: a number is out of its range, or there is no turn to write anew.
            CheckpointError: the model's logits are not finite.
        """
        at = len(self._turns)
        if anew:
            at, typed = at - 1, self._last().typed
        text, state, prompt = self._joined(self._place(at), typed)
        pieces = generate(
            self._network,
            self._vocab,
            prompt,
            state=state,
            length=LONGEST * end.turn_length,
            end=end,
            seed=seed,
            sampler=sampler,
        )

        def behind(written: str) -> Ending:
            """Where a turn that was broken off stands."""
            read = [*prompt, *self._ids(written)]
            [piece] = generate(self._network, self._vocab, read, state=state, length=0, seed=seed, sampler=sampler)
            assert piece.ending is not None  # noqa: S101  # it is the last one
            return piece.ending

        return self._written(at, typed, text, pieces, behind)

    def undo(self) -> None:
        """Take the last turn back, what was typed included.

        Raises:
            ConfigError: there is none.
        """
        self._last()
        self._turns.pop()

    def _last(self) -> _Turn:
        if not self._turns:
            raise ConfigError("there is no turn yet")
        return self._turns[-1]

    def _place(self, turns: int) -> _Place:
        """The place behind so many turns."""
        return self._turns[turns - 1].end if turns else _Place()

    def _joined(self, place: _Place, typed: str) -> tuple[str, Ending | None, list[int]]:
        """The text up to the end of ``typed``; a state, and what the network has yet to read from there."""
        text, ending = place.text, place.ending
        if ending is None:
            return typed, None, self._ids(typed) or beginning(self._vocab)
        if not typed:
            return text, ending, []
        if place.broken_off and text[-1:].isalnum() and typed[0].isalnum() and " " in self._vocab and " " in text:
            typed = " " + typed
        space = ending.left_out
        if space.isspace() and ending.reason != "stop" and (typed[0].isspace() or typed[0] in _FOLLOWS_WORD):
            # The network has not read the white space yet: the first character typed takes its place.
            first, *others = self._ids(typed)
            recent = np.append(ending.recent[:-1], [first] * len(ending.recent[-1:]))
            return text.removesuffix(space) + typed, dataclasses.replace(ending, last=first, recent=recent), others
        return text + typed, ending, self._ids(typed)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._vocab.ids_of(text).tolist()
        return ids

    def _written(
        self, at: int, typed: str, text: str, pieces: Iterator[Piece], behind: Callable[[str], Ending]
    ) -> Generator[str, None, None]:
        """The characters of ``pieces``, after which the turn stands in its place ``at``."""
        written, ending, broken_off = "", None, False
        try:
            for piece in pieces:
                written, ending = written + piece.text, piece.ending
                yield piece.text
        except (GeneratorExit, KeyboardInterrupt):
            if ending is None:
                ending, broken_off = behind(written), True
            raise
        finally:
            if ending is not None:
                end = _Place(text + written + ending.left_out, ending, broken_off)
                self._turns[at:] = [_Turn(typed, end)]
