"""Settings: a default, a range and what a person is told of it, all in the line that declares it.

    dropout: float = setting(0.0, "Locked dropout between layers.", 0, 0.95)

in a frozen dataclass that inherits from ``Config`` is all that validation and the command line need.
"""

import dataclasses
import difflib
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar

from chargen.errors import ConfigError

WIDEST: Final = 65536

T = TypeVar("T", bool, int, float, str)


@dataclass(frozen=True)
class Setting:
    """What a setting is and may be.

    Attributes:
        help: What it is, for a person.
        kind: Its type: bool, int, float or str.
        low: Its least value.
        high: Its greatest value.
        above: Whether it must be above ``low``.
        choices: What it may be, where it is one of a few words.
        panel: The heading that its option stands under; that of its class without.
        names: Its option's names, the one that errors use first, where they are others than its own or more.
    """

    help: str
    kind: type
    low: float = 0
    high: float = math.inf
    above: bool = False
    choices: tuple[str, ...] = ()
    panel: str = ""
    names: tuple[str, ...] = ()

    @property
    def is_wide(self) -> bool:
        """Whether the range ends so far away that its end tells nothing."""
        return self.high > WIDEST

    def check(self, name: str, value: object) -> None:
        """Refuse a value of the setting ``name`` that is of another kind or out of its range.

        Raises:
            ConfigError: it is; the message says what it may be.
        """
        option = self.names[0].lstrip("-") if self.names else name.replace("_", "-")
        if self.kind is bool:
            if not isinstance(value, bool):
                raise ConfigError(f"{option} must be true or false, not {value!r}")
        elif self.kind is str:
            if self.choices and value not in self.choices:
                raise ConfigError(f"{option} must be one of {', '.join(self.choices)}, not {value!r}")
            if not isinstance(value, str):
                raise ConfigError(f"{option} must be a word, not {value!r}")
        else:
            self._check_number(option, value)

    def _check_number(self, option: str, value: object) -> None:
        expected = "a whole number" if self.kind is int else "a number"
        if isinstance(value, bool) or not isinstance(value, int if self.kind is int else int | float):
            raise ConfigError(f"{option} must be {expected}, not {value!r}")
        if not ((self.low < value if self.above else self.low <= value) and value <= self.high):  # nor nan
            raise ConfigError(f"{option} must be {expected} {self._range(value)}, not {value}")

    def _range(self, value: float) -> str:
        """The range in words; of a wide one the end that ``value`` is beyond."""
        if self.is_wide and value > self.high:
            return f"of at most {self.high:,}"
        if self.is_wide:
            return f"above {self.low:,}" if self.above else f"of at least {self.low:,}"
        return f"{f'above {self.low:,} and at most' if self.above else f'from {self.low:,} to'} {self.high:,}"


def setting(default: T, help: str, low: float = 0, high: float = math.inf, **more: Any) -> T:  # noqa: A002
    """A field of settings: its default, and what ``Setting`` takes."""
    field: T = dataclasses.field(default=default, metadata={"setting": Setting(help, type(default), low, high, **more)})
    return field


def refuse_unknown(names: Iterable[str], known: Collection[str], *, advice: Mapping[str, str] | None = None) -> None:
    """Refuse settings that there are not.

    Args:
        names: What was given.
        known: What there is.
        advice: What to say to some of the names that are not known.

    Raises:
        ConfigError: a name is not known; the message has the nearest one that is.
    """
    unknown = sorted(set(names) - set(known))
    if not unknown:
        return
    words = []
    for name in unknown:
        near = difflib.get_close_matches(name, known, n=1)
        hint = (advice or {}).get(name) or (near and f"did you mean {near[0]}?")
        words.append(f"{name!r} ({hint})" if hint else repr(name))
    raise ConfigError(f"unknown setting {', '.join(words)}")


class Config:
    """What the settings share: checks that name the field."""

    panel: ClassVar[str | None] = None
    """The heading that their options stand under."""

    @classmethod
    def settings(cls) -> dict[str, Setting]:
        """What each setting may be, by name."""
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]  # every subclass is a dataclass
        return {field.name: field.metadata["setting"] for field in fields if "setting" in field.metadata}

    def __post_init__(self) -> None:
        for name, setting in self.settings().items():
            setting.check(name, getattr(self, name))
