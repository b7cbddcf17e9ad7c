"""``chargen sample --interactive``: writing together, turn by turn."""

import dataclasses
import io
import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from chargen.cli import options
from chargen.cli.output.terminal import Writer, visible
from chargen.config import SamplerConfig
from chargen.errors import ChargenError, ConfigError
from chargen.text import prompt as prompts

if TYPE_CHECKING:
    from chargen.model import Model

_NUMBERS: Final = (*SamplerConfig.settings(), "length", "seed")
"""What may be set in place."""
HELP: Final = f"""\
Type a beginning and press Enter to read its continuation; type more to go on from there, or just Enter.
  /temperature 0.7   set any of: {", ".join(_NUMBERS)}
  /again             drop the last continuation and write another
  /text              show the whole text so far
  /new               begin a new text
  /help              show this
  /quit              leave (so does Ctrl-D)
"""


def converse(
    model: "Model",
    text: str,
    settings: SamplerConfig,
    *,
    seed: int | None,
    length: int,
    raw: bool,
    strict: bool,
    quiet: bool,
    **ending: Any,
) -> None:
    """Continue ``text``, if there is any, then read lines from stdin until it ends.

    A line that begins with a slash is a command, every other one is continued.

    Raises:
        ConfigError: standard input is closed.
    """
    if sys.stdin is None:
        raise ConfigError("--interactive reads standard input, which is closed")
    if isinstance(sys.stdin, io.TextIOWrapper):
        # a byte that does not decode becomes an unknown character
        sys.stdin.reconfigure(encoding=None if sys.stdin.isatty() else "utf-8", errors="surrogateescape")
    session = _Session(model, settings, seed, length, Writer(raw=raw), strict, quiet, ending)
    session.tell(HELP)
    if text:
        _guard(partial(session.go_on, text, shown=text))
    while True:
        session.tell("> ")
        line = sys.stdin.readline()
        if not line or line.strip() == "/quit":
            session.tell("\n" if not line else "")
            return
        _guard(partial(session.take, line.rstrip("\n")))


def _guard(turn: Callable[[], None]) -> None:
    """Take one turn; an error is told, and Ctrl-C ends the turn alone."""
    try:
        turn()
    except ChargenError as error:
        sys.stderr.write(f"error: {visible(str(error))}\n")
    except KeyboardInterrupt:
        sys.stdout.write("\n")


@dataclass
class _Session:
    """A text that grows turn by turn.

    Attributes:
        ending: What ends a continuation before its length, as ``Model.pieces`` takes it.
        text: The whole text so far.
        before: The text without its last continuation.
        turns: Continuations written since the seed was set; each has the seed after the one before.
    """

    model: "Model"
    settings: SamplerConfig
    seed: int | None
    length: int
    write: Writer
    strict: bool
    quiet: bool
    ending: dict[str, Any]
    text: str = ""
    before: str = ""
    turns: int = 0

    def take(self, line: str) -> None:
        """Follow a command, or continue what was typed."""
        if not line.startswith("/"):
            fitted = prompts.fit(line, self.model.vocab, strict=self.strict)
            if not self.quiet:
                options.notes(fitted.notes)
            self.go_on(self.text + fitted.text, shown=fitted.text)
            return
        name, _, value = line[1:].partition(" ")
        match name:
            case "help":
                sys.stderr.write(HELP)
            case "new":
                self.text = self.before = ""
            case "text":
                self.write(self.text)
                self.write.end()
            case "again":
                self.go_on(self.before, shown="")
            case _:
                self._set(name, value.strip())

    def tell(self, text: str) -> None:
        """Write to stderr, unless the person wants to see errors only."""
        if not self.quiet:
            sys.stderr.write(text)
            sys.stderr.flush()

    def go_on(self, text: str, shown: str) -> None:
        """Continue ``text``, of which the end is ``shown``; until there is a first piece everything stays."""
        from chargen.inference.generate import random_seed

        seed = random_seed() if self.seed is None else self.seed + self.turns
        pieces = self.model.pieces(text, length=self.length, seed=seed, sampler=self.settings, **self.ending)
        first = next(pieces)
        self.text = self.before = text
        self.turns += 1
        self.write(shown)
        try:
            for piece in itertools.chain([first], pieces):
                self.text += piece.text
                self.write(piece.text)
        finally:
            self.write.end()

    def _set(self, name: str, value: str) -> None:
        """Change one setting in place."""
        name = name.replace("-", "_")
        sampling = SamplerConfig.settings()
        if name not in _NUMBERS:
            raise ConfigError(f"there is no command or setting /{visible(name)}; /help lists them")
        whole = name not in sampling or sampling[name].kind is int
        number: Any
        try:
            number = int(value) if whole else float(value)
        except ValueError:
            kind = "a whole number" if whole else "a number"
            raise ConfigError(f"/{name} needs {kind}, not {visible(value)!r}") from None
        if name in sampling:
            self.settings = dataclasses.replace(self.settings, **{name: number})
        elif number < 0:
            raise ConfigError(f"{name} must be a whole number of at least 0, not {number}")
        elif name == "length":
            self.length = number
        else:
            self.seed, self.turns = number, 0
        self.tell(f"{name} is now {number}\n")
