"""Where texts end before their length: stop strings that are kept, turns that end with a sentence or a word."""

import pytest

from chargen.errors import ConfigError
from chargen.inference.text_end import TextEnd


def ended(end: TextEnd, text: str) -> tuple[str, str, str]:
    """What is shown of a text up to its end, why it ended, and what is left out."""
    shown = ""
    for character in text:
        new, reason = end.add(character)
        shown += new
        if reason:
            return shown, reason, end.left_out
    return shown + end.held, "", end.left_out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A. Bc de. Fg hi jk lm no", ("A. Bc de.", "sentence", " ")),
        ("Ab cd ef gh ij kl. Mn", ("Ab cd ef gh", "word", " ")),
        ("Ab cd ef.\nGh", ("Ab cd ef.", "sentence", "\n")),
        ("Ab cdefghijklmnopq rs", ("Ab cdefghijklmnopq", "word", " ")),
        ("Ab cd efg.' hij", ("Ab cd efg.'", "sentence", " ")),
        ("abcdefghijklmnop", ("abcdefghijklmnop", "", "")),
    ],
)
def test_a_turn_ends_with_a_sentence_or_else_with_a_word(text: str, expected: tuple[str, str, str]) -> None:
    """Of eight characters, about: the first sentence to end from the sixth on, the first word from the tenth on."""
    assert ended(TextEnd(turn_length=8), text) == expected


def test_a_sentence_that_is_asked_for_ends_a_turn_early() -> None:
    """``until_sentence`` does not wait for the turn's length."""
    assert ended(TextEnd(turn_length=80, until_sentence=True), "A. Bc de.") == ("A.", "sentence", " ")


def test_an_empty_stop_string_is_refused() -> None:
    """It would end every text at once."""
    with pytest.raises(ConfigError, match="must not be empty"):
        TextEnd(["a", ""])


@pytest.mark.parametrize(("keep_stop", "expected"), [(False, ("ab", "stop", "cd")), (True, ("abcd", "stop", ""))])
def test_a_stop_string_is_kept_or_left_out(keep_stop: bool, expected: tuple[str, str, str]) -> None:
    """The text ends with it in both cases; what is left out is told."""
    assert ended(TextEnd(["cd"], keep_stop=keep_stop), "abcdef") == expected
