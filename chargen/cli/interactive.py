"""``chargen sample --interactive``: writing together, turn by turn."""

import dataclasses
import sys
from typing import TYPE_CHECKING, Any, Final

from chargen import prompt as prompts
from chargen.cli import options
from chargen.cli.terminal import Writer, visible
from chargen.config import SamplerConfig
from chargen.errors import ChargenError, ConfigError

if TYPE_CHECKING:
    from chargen.api import Model

HELP: Final = """\
Type a beginning and press Enter to read its continuation; type more to go on from there, or just Enter.
  /temperature 0.7   set any of: temperature, top_k, top_p, min_p, repetition_penalty, penalty_window, length, seed
  /again             drop the last continuation and write another
  /text              show the whole text so far
  /new               begin a new text
  /help              show this
  /quit              leave (so does Ctrl-D)
"""


def converse(
    model: "Model", text: str, settings: SamplerConfig, *, seed: int | None, length: int, raw: bool, **how: Any
) -> None:
    """Read lines from stdin until it ends: a beginning is continued, a line with a slash is a command."""
    session = _Session(model, text, settings, seed, length, raw, how)
    sys.stderr.write(HELP)
    while True:
        sys.stderr.write("> ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line or line.strip() == "/quit":
            sys.stderr.write("\n" if not line else "")
            return
        try:
            session.take(line.rstrip("\n"))
        except ChargenError as error:
            sys.stderr.write(f"error: {error}\n")
        except KeyboardInterrupt:
            sys.stdout.write("\n")


class _Session:
    def __init__(
        self,
        model: "Model",
        text: str,
        settings: SamplerConfig,
        seed: int | None,
        length: int,
        raw: bool,
        how: dict[str, Any],
    ) -> None:
        self.model, self.text, self.settings, self.seed, self.length, self.how = (
            model,
            text,
            settings,
            seed,
            length,
            how,
        )
        self.write = Writer(raw=raw)
        self.before = text  # the text without its last continuation

    def take(self, line: str) -> None:
        if not line.startswith("/"):
            fitted = prompts.fit(line, self.model.vocab)
            options.notes(fitted.notes)
            self.text += fitted.text
            self._continue(shown=fitted.text)
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
                self.text = self.before
                self._continue(shown="")
            case _:
                self._set(name, value.strip())

    def _continue(self, shown: str) -> None:
        from chargen.api import random_seed

        seed = random_seed() if self.seed is None else self.seed
        self.before = self.text
        self.write(shown)
        try:
            for piece in self.model.pieces(self.text, length=self.length, seed=seed, sampler=self.settings, **self.how):
                self.text += piece.text
                self.write(piece.text)
        finally:
            self.write.end()

    def _set(self, name: str, value: str) -> None:
        """Change one setting in place."""
        name = name.replace("-", "_")
        fields = {field.name: field.type for field in dataclasses.fields(SamplerConfig)}
        whole = name in ("length", "seed") or fields.get(name) is int
        if name not in fields and name not in ("length", "seed"):
            raise ConfigError(f"there is no command or setting /{visible(name)}; /help lists them")
        number: Any
        try:
            number = int(value) if whole else float(value)
        except ValueError:
            kind = "a whole number" if whole else "a number"
            raise ConfigError(f"/{name} needs {kind}, not {visible(value)!r}") from None
        if name == "length":
            self.length = number
        elif name == "seed":
            self.seed = number
        else:
            self.settings = dataclasses.replace(self.settings, **{name: number})
        sys.stderr.write(f"{name} is now {number}\n")
