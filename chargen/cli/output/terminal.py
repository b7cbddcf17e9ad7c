"""Text on its way to a person: what a terminal may be sent, and a stderr that may go away."""

import contextlib
import json
import shutil
import sys
import textwrap
import unicodedata
from typing import Any, Final, TextIO

import typer

from chargen.config import MARK
from chargen.errors import ChargenError

DIVIDER: Final = "-" * 20 + "\n"
"""The line between two texts."""
_HARMFUL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""The bidirectional overrides, which can make a line read otherwise than it is written."""


def visible(text: str) -> str:
    """``text`` with everything escaped that could command a terminal; line ends and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or not _commands(c) else c.encode("unicode_escape").decode() for c in text)


def printable(text: str) -> str:
    """``text`` on one line: every character that does not show is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def glyph(character: str) -> str:
    """One character so that it can be seen: a space in quotes, a mark on a circle, others escaped if need be."""
    if character == MARK:
        return "\u2403"
    if character == " ":
        return "' '"
    return "\u25cc" * unicodedata.category(character).startswith("M") + printable(character)


def wrapped(text: str, indent: str = "", *, screen: TextIO | None = None) -> str:
    """A line of words, on a terminal broken between them where the terminal's line ends, elsewhere as it is.

    Args:
        text: The line.
        indent: What continues it begins with this.
        screen: Where it is shown; stderr without.
    """
    if not (screen or sys.stderr).isatty():
        return text
    columns = shutil.get_terminal_size().columns
    lines = textwrap.wrap(
        text, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, tabsize=1
    )
    return "\n".join(lines)


def print_json(value: object) -> None:
    """Print a result as JSON in ASCII, which no terminal obeys.

    Raises:
        ChargenError: a number in it is not finite, for which JSON has no word.
    """
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise ChargenError(
            "the result holds a number that is not finite, which JSON cannot say; leave out --json to see it"
        ) from error
    typer.echo(text)


def _commands(character: str) -> bool:
    return character in _HARMFUL or unicodedata.category(character) in ("Cc", "Cs")


class Screen:
    """A stream to stderr that takes all text, shown or not: losing the screen never loses the work.

    A terminal is closed, the reader of a pipe ends, the disk below a log is full.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write ``text`` if there is still somewhere to write it."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Show what was written, likewise."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Writer:
    """Writes text to stdout as it comes: at once on a terminal, buffered into a pipe.

    Args:
        raw: Write control characters to a terminal as they are; a pipe or a file always gets them so.
    """

    def __init__(self, *, raw: bool) -> None:
        self._live = sys.stdout.isatty()
        self._escape = self._live and not raw
        self._at_line_start = True

    def __call__(self, text: str) -> None:
        """Write ``text``."""
        if not text:
            return
        sys.stdout.write(visible(text) if self._escape else text)
        self._at_line_start = text.endswith("\n")
        if self._live:
            sys.stdout.flush()

    def end(self) -> bool:
        """End the line, if one has begun; says whether one had."""
        had_begun = not self._at_line_start
        if had_begun:
            self("\n")
        sys.stdout.flush()
        return had_begun
