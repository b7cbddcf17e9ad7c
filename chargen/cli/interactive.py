"""``chargen sample --interactive``: writing together, turn by turn."""

import contextlib
import dataclasses
import difflib
import itertools
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chargen.atomic import replacing
from chargen.cli import options
from chargen.cli.line_editor import at_terminal, line_reader, tell
from chargen.cli.output.terminal import Writer, visible, wrapped
from chargen.cli.output.word_wrap import WordWrap
from chargen.config import SamplerConfig
from chargen.errors import ChargenError, ConfigError
from chargen.inference.generate import random_seed
from chargen.inference.shared_text import SharedText
from chargen.inference.text_end import TextEnd
from chargen.setting import Setting
from chargen.text import prompt as prompts
from chargen.wording import counted

if TYPE_CHECKING:
    from chargen.model import Model

NUMBERS: Final = {
    **SamplerConfig.settings(),
    "length": Setting("Characters of a turn, about.", int),
    "seed": Setting("Of the next turn.", int),
}
"""What may be set in place."""
BARE: Final = ("help", "quit", "exit")
"""Commands that need no slash where they are the whole line."""
_SHOWN: Final = 40
"""Characters of a text's end that /undo shows."""
HELP: Final = """\
Type a beginning and press Enter: the model goes on for about {length} characters.
Then type more, or press Enter alone, to go on from there. Ctrl-C stops a turn.
  /again            write another continuation in the place of the last
  /undo             take back the last turn, what you typed included
  /text             show the whole text
  /save FILE        save the whole text; later just /save
  /new              begin a new text
  /temperature 0.7  set this; without a number, show it; the same for /top_k,
                    /top_p, /min_p, /repetition_penalty, /penalty_window,
                    /length (of a turn) and /seed
  /help, /quit      or just help, quit, exit; Ctrl-D leaves too
A line that begins with a space is always text.
"""
_HELP_INDENT: Final = " " * 20
"""Stands before what continues the description of a command."""


def _guard(turn: Callable[[], None]) -> None:
    """Take one turn; an error is told, and Ctrl-C ends the turn alone."""
    try:
        turn()
    except ChargenError as error:
        tell(wrapped(f"error: {' '.join(visible(str(error)).split())}") + "\n")
    except KeyboardInterrupt:
        tell("\n")


@dataclasses.dataclass(kw_only=True)
class Session:
    """A text that grows turn by turn, and the settings it grows with.

    Attributes:
        model: What writes.
        settings: How it draws.
        seed: Of the next turn, each other one having the seed after the last; None for random ones.
        length: Characters of a turn, about.
        raw: Let control characters reach the terminal.
        strict: Refuse a line with unknown characters.
        quiet: Say nothing but errors, and what is asked for.
        end: ``stop``, ``keep_stop`` and ``until_sentence`` of ``TextEnd``.
        commands: What does each command, given what stands behind its name.
        is_over: Whether the person wants to leave.
    """

    model: "Model"
    settings: SamplerConfig
    seed: int | None
    length: int
    raw: bool
    strict: bool
    quiet: bool
    end: dict[str, Any]
    is_over: bool = False

    def __post_init__(self) -> None:
        self._last_seed: int | None = None
        self._saved = ""
        self._settled = ""  # the text that was saved, or of which somebody was told that it was not
        self._earlier: list[tuple[SharedText, str]] = []  # and where each was saved
        self._text = SharedText(self.model.network, self.model.vocab)
        self.commands: dict[str, Callable[[str], None]] = {
            "again": lambda _: self.go_on("", anew=True),
            "undo": self._undo,
            "text": self._show,
            "save": self._save,
            "new": self._new,
            "help": self._help,
            "quit": self._leave,
            "exit": self._leave,
        }

    def run(self, text: str) -> None:
        """Continue ``text``, in characters that the model knows, if there is any; then read lines until stdin ends.

        Raises:
            ConfigError: standard input is closed.
        """
        read = line_reader([f"/{name}" for name in (*self.commands, *NUMBERS)], quiet=self.quiet)
        if not self.quiet:
            self.commands["help"]("")
        if text:
            _guard(partial(self.go_on, text))
        while not self.is_over:
            line = read()
            _guard(partial(self.take, "/quit" if line is None else line))

    def take(self, line: str) -> None:
        """Follow a command, or continue what was typed."""
        bare = line.strip().lower()
        if bare in BARE and not line.startswith(" "):
            line = f"/{bare}"
        if not line.startswith("/"):
            fitted = prompts.fit(line, self.model.vocab, strict=self.strict)
            options.notes(fitted.notes, quiet=self.quiet)
            self.go_on(fitted.text)
            return
        name, _, value = line[1:].strip().partition(" ")
        name = name.lower()
        if name in self.commands:
            self.commands[name](value.strip())
        else:
            self._set(name, value.strip())

    def go_on(self, typed: str, *, anew: bool = False) -> None:
        """Continue what was typed, or write the last turn anew; an error before the first character changes nothing."""
        seed = random_seed() if self.seed is None else self.seed
        end = TextEnd(turn_length=self.length, **self.end)
        pieces = self._text.write(typed, end=end, seed=seed, sampler=self.settings, anew=anew)
        with contextlib.closing(pieces):
            first = next(pieces)
            self._last_seed, self.seed = seed, None if self.seed is None else seed + 1
            self._write(itertools.chain(["" if anew else typed, first], pieces))

    def _write(self, pieces: Iterable[str]) -> None:
        """Write to stdout as pieces come, until Ctrl-C; to a terminal so that words stay whole."""
        plain = Writer(raw=self.raw)
        write = WordWrap(plain) if sys.stdout.isatty() else plain
        is_interrupted = False
        try:
            for piece in pieces:
                write(piece)
        except KeyboardInterrupt:
            is_interrupted = True
        finally:
            if not write.end() and is_interrupted:
                tell("\n")  # behind the terminal's ^C

    def _help(self, _: str) -> None:
        for line in HELP.format(length=self.length).splitlines():
            tell(wrapped(line, _HELP_INDENT if line.startswith(" ") else "") + "\n")

    def _show(self, _: str) -> None:
        self._write([self._text.text.rstrip()])

    def _undo(self, _: str) -> None:
        if self._earlier and not self._text.text:
            self._text, self._saved = self._earlier.pop()
        else:
            self._text.undo()
        end = self._text.text[-_SHOWN:]
        self._note(f"taken back; the text ends with {end!r}" if end else "taken back; the text is empty")

    def _new(self, _: str) -> None:
        advice = "; the last one is not saved, and /undo goes back to it" if self._is_unsaved() else ""
        if self._text.text:
            self._earlier.append((self._text, self._saved))
        self._text, self._saved = SharedText(self.model.network, self.model.vocab), ""
        self._note(f"a new text begins{advice}")

    def _is_unsaved(self) -> bool:
        return self._text.text.rstrip() not in ("", self._settled)

    def _leave(self, _: str) -> None:
        """Leave; who would lose a text at a terminal is told once, and stays."""
        if at_terminal() and not self.quiet and self._is_unsaved():
            self._settled = self._text.text.rstrip()
            self._note("the text is not saved: /save FILE saves it, and quit again leaves without it")
        else:
            self.is_over = True

    def _save(self, name: str) -> None:
        """Save the whole text in a file, whole or not at all; no other file than the last one is replaced."""
        path = os.path.expanduser(name) or self._saved  # noqa: PTH111  # Path's raises where there is no such person
        text = self._text.text.rstrip()
        if not path or "\0" in path:
            raise ConfigError("/save needs the name of a file: /save story.txt")
        if not text:
            raise ConfigError("there is no text to save yet")
        if path != self._saved and (os.path.isfile(path) or os.path.isdir(path)):  # noqa: PTH112, PTH113  # these never fail
            raise ConfigError(f"{path} is there already; name a new file")
        with replacing(Path(path)) as file:
            file.write(f"{text}\n".encode(errors="replace"))
        self._saved, self._settled = path, text
        self._note(f"saved {counted(len(text), 'character')} to {path}")

    def _set(self, name: str, value: str) -> None:
        """Change one setting in place, or show it where there is no value."""
        key = name.replace("-", "_")
        if key not in NUMBERS:
            names = [*self.commands, *NUMBERS]
            near = [known for known in names if key and known.startswith(key)] or difflib.get_close_matches(key, names)
            advice = f"did you mean /{' or /'.join(near)}?" if near else "/help lists them"
            raise ConfigError(f"there is no command or setting /{visible(name)}; {advice}")
        if not value:
            tell(f"{key} is {self._value(key)}\n")
            return
        setting = NUMBERS[key]
        try:
            number = setting.kind(value)
        except ValueError:
            kind = "a whole number" if setting.kind is int else "a number"
            raise ConfigError(f"/{name} needs {kind}, not {visible(value)!r}") from None
        setting.check(key, number)
        if key in SamplerConfig.settings():
            self.settings = dataclasses.replace(self.settings, **{key: number})
        else:
            setattr(self, key, number)
        self._note(f"{key} is now {number}")

    def _value(self, key: str) -> object:
        if key != "seed":
            return self.length if key == "length" else getattr(self.settings, key)
        last = "" if self._last_seed is None else f"; the last turn had {self._last_seed}"
        return f"{'random' if self.seed is None else f'{self.seed} for the next turn'}{last}"

    def _note(self, text: str) -> None:
        """Tell the person something, on stderr, who may not want to be told."""
        if not self.quiet:
            tell(wrapped(visible(text)) + "\n")
