"""Features of each character of a text that a reader can name: inside a quotation, how far into the line, a digit.

A value stands for the moment after the character is read: an opening mark is inside already, the closing one outside
again. A text begins a line and a word.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

_BLANK_LINE: Final = r"\n[ \t]*\n"
_QUOTES: Final = ("`'", "‘’", "“”", "„“", "«»")
_STRETCHES: Final = {
    **{f"inside {a}quotes{z}": rf"{a}(?:(?!{_BLANK_LINE}).)*?(?:{z}(?!\w)|\n(?=[ \t]*\n))" for a, z in _QUOTES},
    'inside "quotes" or a string': rf'"(?:\\.|(?!{_BLANK_LINE})[^"\\])*"',
    "inside 'quotes' or a string": rf"(?<!\w)'(?=\S)(?:\\.|(?!{_BLANK_LINE})[^'\\]|(?<=\w)'(?=\w))*?'(?!\w)",
    "inside a # comment": r"#[^\n]*\n",
    "inside a // comment": r"(?<!:)//[^\n]*\n",
    "inside a /* comment */": r"/\*.*?\*/",
}
"""A pattern for each. A blank line ends a quotation, and ' or ’ before a letter is an apostrophe."""
_BRACKETS: Final = ("()", "[]", "{}", "<>")
KINDS: Final = ("memory", "next", "read")


@dataclass(frozen=True)
class Feature:
    """Something that a reader can name, at each character of a text.

    Attributes:
        name: For people.
        kind: ``memory`` of what came before the last character, ``next``, what the next one is, or ``read``, what the
            last one was.
        values: 0 or 1, or a number, after each character, shape (T,).
    """

    name: str
    kind: Literal["memory", "next", "read"]
    values: NDArray[np.float64]


def features(text: str) -> list[Feature]:
    """Every feature of ``text``; some are 0 throughout."""
    characters = np.array(list(f"\n{text}"))
    remembered = {
        **{name: _stretches(pattern, text) for name, pattern in _STRETCHES.items()},
        **{f"inside {a}brackets{z}": _brackets(a, z, text) for a, z in _BRACKETS},
        **{name: values[1:] for name, values in _counts(characters)},
    }
    classes = {name: values[1:] for name, values in _classes(characters)}
    return [
        *(Feature(name, "memory", values.astype(float)) for name, values in remembered.items()),
        *(Feature(f"next: {name}", "next", np.append(values[1:], 0.0)) for name, values in classes.items()),
        Feature("inside a word in capitals", "read", _in_capitals(characters)[1:].astype(float)),
        *(Feature(f"just read: {name}", "read", values.astype(float)) for name, values in classes.items()),
    ]


def _stretches(pattern: str, text: str) -> NDArray[np.bool_]:
    """Whether each character is inside a match of ``pattern``, whose last character is outside."""
    inside = np.zeros(len(text), bool)
    for match in re.finditer(pattern, text, re.DOTALL):
        inside[match.start() : match.end() - 1] = True
    return inside


def _brackets(opening: str, closing: str, text: str) -> NDArray[np.bool_]:
    """Whether each character is inside a pair of brackets; one without the other is none."""
    inside = np.zeros(len(text), bool)
    opened: list[int] = []
    for at, character in enumerate(text):
        if character == opening:
            opened.append(at)
        elif character == closing and opened:
            inside[opened.pop() : at] = True
    return inside


def _counts(characters: NDArray[np.str_]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Features that count; the first of ``characters`` is a line break before the text."""
    letters, line_breaks = np.char.isalpha(characters), characters == "\n"
    in_line, in_word = _since(line_breaks), _since(~letters)
    yield "characters since the line began", in_line
    yield "letters since the word began", in_word
    yield "digits since the number began", _since(~np.char.isdigit(characters))
    leading = _since(~np.isin(characters, [" ", "\t"])) == in_line
    indentation = np.cumsum(leading)
    indentation -= indentation[np.arange(len(characters)) - in_line]
    yield "indentation of the line", np.where(leading, 0, indentation)  # counted once it lies behind


def _classes(characters: NDArray[np.str_]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Kinds of single characters."""
    yield "a line break", characters == "\n"
    yield "a space", characters == " "
    yield "a capital", np.char.isupper(characters)
    yield "a vowel", np.isin(characters, list("aeiouAEIOU"))
    yield "a digit", np.char.isdigit(characters)
    yield "punctuation", ~(np.char.isalnum(characters) | np.char.isspace(characters))
    yield "a sentence's end", np.isin(characters, list(".!?…"))


def _in_capitals(characters: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Whether the word so far is of capitals, two at least."""
    in_word = _since(~np.char.isalpha(characters))
    capitals: NDArray[np.bool_] = _since(~np.char.isupper(characters)) == in_word
    return capitals & (in_word >= 2)


def _since(event: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many characters ago ``event`` was last true, 0 where it is; it is true at the first."""
    places = np.arange(len(event))
    return places - np.maximum.accumulate(np.where(event, places, 0))
