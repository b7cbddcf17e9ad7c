"""Text that comes piece by piece, broken between words where a line of the terminal ends."""

import shutil
from typing import Final

from rich.cells import cell_len

from chargen.cli.output.terminal import Writer, visible

WIDEST: Final = 80
"""Columns of a line that reads well, even where the terminal has more."""


class WordWrap:
    """Writes text to the terminal word by word, and begins a new line before a word that the line has no room for."""

    def __init__(self, write: Writer) -> None:
        self._write = write
        self._columns = min(WIDEST, shutil.get_terminal_size().columns)
        self._column = 0
        self._space = ""  # before the word
        self._word = ""

    def __call__(self, text: str) -> None:
        """Write ``text``; its last word is held back until it is known to be whole."""
        for character in text:
            if character == "\n":
                self._flush()
                self._write(self._space + "\n")
                self._column, self._space = 0, ""
            elif character.isspace():
                self._flush()
                self._space += character
            else:
                self._word += character
                if _width(self._word) >= self._columns:  # no word ends here, or there are no spaces
                    self._flush()

    def end(self) -> bool:
        """Write what is held back, and end the line, if one has begun; says whether one had."""
        self._flush()
        return self._write.end()

    def _flush(self) -> None:
        """Write the word that has ended, if there is one, and the space before it."""
        if not self._word:
            return
        space, word = self._space, self._word
        self._space = self._word = ""  # first, so that an interrupted line shows no word twice
        if self._column and self._column + _width(space + word) > self._columns:
            self._write("\n")
            self._column, space = 0, ""
        self._column += _width(space + word)
        self._write(space + word)


def _width(text: str) -> int:
    """The columns that ``text`` takes on a terminal."""
    return cell_len(visible(text))
