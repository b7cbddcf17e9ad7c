"""Lines that a person types: with editing, history and completion at a terminal, as they come from a pipe."""

import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from chargen.errors import ConfigError

PROMPT: Final = "> "


def line_reader(commands: Sequence[str], *, quiet: bool) -> Callable[[], str | None]:
    """What gives the next line of standard input, without its end, and None once there is no more.

    At a terminal Tab completes ``commands``; where lines come from a pipe, ``quiet`` shows no prompt.

    Raises:
        ConfigError: standard input is closed.
    """
    if sys.stdin is None:
        raise ConfigError("--interactive reads standard input, which is closed")
    return _editor(commands) if at_terminal() else _plain(quiet=quiet)


def at_terminal() -> bool:
    """Whether somebody types the lines and sees what is told on stderr."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _plain(*, quiet: bool) -> Callable[[], str | None]:
    if isinstance(sys.stdin, io.TextIOWrapper):
        # a byte that does not decode becomes an unknown character
        sys.stdin.reconfigure(encoding=None if sys.stdin.isatty() else "utf-8", errors="surrogateescape")

    def read() -> str | None:
        if not quiet:
            tell(PROMPT)
        line = sys.stdin.readline()
        if not (line or quiet):
            tell("\n")
        return line.rstrip("\n") if line else None

    return read


def _editor(commands: Sequence[str]) -> Callable[[], str | None]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.output import create_output
    from prompt_toolkit.shortcuts import CompleteStyle

    # No terminal is asked where its cursor stands: some do not answer, and a line needs no room below.
    os.environ.setdefault("PROMPT_TOOLKIT_NO_CPR", "1")
    session: PromptSession[str] = PromptSession(
        PROMPT,
        completer=WordCompleter(list(commands), sentence=True),
        complete_style=CompleteStyle.READLINE_LIKE,
        complete_while_typing=False,
        enable_suspend=True,
        output=create_output(stdout=sys.stderr),  # stdout is for the text
    )

    def read() -> str | None:
        while True:
            try:
                return session.prompt()
            except KeyboardInterrupt:
                tell("Ctrl-D or quit leaves.\n")
            except EOFError:
                return None

    return read


def tell(text: str) -> None:
    """Write to stderr at once."""
    sys.stderr.write(text)
    sys.stderr.flush()
