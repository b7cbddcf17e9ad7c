"""Where a text ends before its length: at a stop string, a sentence's end, or a word's."""

from collections.abc import Sequence
from typing import Final

from chargen.errors import ConfigError

SENTENCE_ENDS: Final = ".!?…"
CLOSERS: Final = "\"'”’»)]}*_"
"""What may stand between the end of a sentence and the white space: quotes, brackets, marks of emphasis."""
EARLY: Final = 0.75
LATE: Final = 1.25
"""Shares of a turn's length: from the first on it ends with a sentence, from the second on with a word."""


class TextEnd:
    """Looks for the end of one text: takes its characters, gives back those that are certain to stay.

    One that has taken none is copied for each of several texts.

    Args:
        stop: Strings that end the text as soon as it has one; characters that may begin one are held back.
        keep_stop: Leave that string in the text.
        until_sentence: End it at the first white space after a sentence's end, which is left out.
        turn_length: End it so with a sentence or, where none ends for long, with a word, once it has about so many
            characters; 0 for never.

    Attributes:
        turn_length: The same.
        held: What is held back.
        left_out: What ended the text without being part of it: the stop string or the white space.

    Raises:
        ConfigError: a stop string is empty.
    """

    def __init__(
        self, stop: Sequence[str] = (), *, keep_stop: bool = False, until_sentence: bool = False, turn_length: int = 0
    ) -> None:
        if "" in stop:
            raise ConfigError("a stop string must not be empty")
        self._stop = sorted(stop, key=len, reverse=True)  # the longest that matches is cut off
        self._keep_stop = keep_stop
        self._until_sentence = until_sentence
        self.turn_length = turn_length
        self._characters = 0
        self._sentence_ended = False  # by the last character, or by one before it that only quotes and brackets follow
        self.held = ""
        self.left_out = ""

    @property
    def is_sought(self) -> bool:
        """Whether anything ends the text before its length."""
        return bool(self._stop or self._until_sentence or self.turn_length)

    def add(self, character: str) -> tuple[str, str]:
        """What may be shown now that ``character`` was written, and the reason to stop, if there is one."""
        reason = self._space_ends(character)
        if reason:
            self.left_out = character
            return self.held, reason
        self._characters += 1
        self._sentence_ended = character in SENTENCE_ENDS or (self._sentence_ended and character in CLOSERS)
        if not self._stop:
            return character, ""
        self.held += character
        for stop in self._stop:
            if self.held.endswith(stop):
                if self._keep_stop:
                    return self.held, "stop"
                self.left_out = stop
                return self.held[: -len(stop)], "stop"
        certain = next(at for at in range(len(self.held) + 1) if self._may_begin_stop(self.held[at:]))
        shown, self.held = self.held[:certain], self.held[certain:]
        return shown, ""

    def _space_ends(self, character: str) -> str:
        """The reason to stop at ``character`` if it is the white space that the text ends at."""
        if not character.isspace():
            return ""
        early, late = (self.turn_length and self._characters >= share * self.turn_length for share in (EARLY, LATE))
        if self._sentence_ended and (self._until_sentence or early):
            return "sentence"
        return "word" if late else ""

    def _may_begin_stop(self, text: str) -> bool:
        return any(stop.startswith(text) for stop in self._stop)
