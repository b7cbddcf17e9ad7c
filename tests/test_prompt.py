"""Prompts that fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import load_corpus

from chargen.errors import TextError
from chargen.text.prompt import Note, fit, shown
from chargen.text.vocab import Vocab

ALICE = load_corpus().vocab
ANYTHING = st.text(st.characters(exclude_categories=()) | st.sampled_from("’“—é\r\n\u200d\u0301\ud800אﬁ"))
PROMPTS = [
    ("“Alice’s”", '"Alice\'s"'),
    ("a — b – c", "a -- b - c"),
    ("wait…", "wait..."),
    ("ﬁne", "fine"),
    ("a\u00a0b\u2003c", "a b c"),
    ("a\tb", "a    b"),
    ("one\u2028two", "one\ntwo"),
    ("café É Å ñ", "cafe E A n"),
    ("e\u0301", "e"),
    ("Œuvre æther straße", "OEuvre aether strasse"),
    ("Ａ②", "A2"),
    ("日本😀\u200d\ud800\x07", ""),
]
"""Prompts, and what Alice's vocabulary makes of them; the page must make the same of them."""
READINGS = [
    ("ABC", "abc", "abc"),
    ("abc", "ABC", "ABC"),
    ("É", "é", "é"),
    ("É", "éE", "E"),
    ("é", "e\u0301", "e\u0301"),
    ("\u212b", "AÅ", "Å"),
    ("“", "'", "'"),
    ("a\nb", "ab ", "a b"),
    ("½", "12/", "1/2"),
    ("½", "12", ""),
    ("…", "b", ""),
]
"""Prompts, the characters of a vocabulary, and what becomes of the first in the second; likewise."""


@given(ANYTHING, st.sampled_from([ALICE, Vocab("é日\u0301"), Vocab("AB", unknown=True)]))
def test_whatever_comes_out_is_in_the_vocabulary(text: str, vocab: Vocab) -> None:
    """Any prompt becomes one that the model knows; each unknown character has one printable note, counted right."""
    fitted = fit(text, vocab)
    assert all(character in vocab for character in fitted.text)
    normal = text.replace("\r\n", "\n").replace("\r", "\n")
    unknown = [character for character in normal if character not in vocab]
    assert [note.character for note in fitted.notes] == list(dict.fromkeys(unknown))
    assert [note.count for note in fitted.notes] == [unknown.count(note.character) for note in fitted.notes]
    assert all(str(note).isprintable() for note in fitted.notes)


@given(st.text(st.sampled_from(ALICE.characters)))
def test_known_characters_stay(text: str) -> None:
    """A prompt that the model knows is left alone."""
    assert fit(text, ALICE) == fit(text, ALICE, strict=True)
    assert fit(text, ALICE).text == text


@pytest.mark.parametrize(("prompt", "text"), PROMPTS)
def test_unknown_characters_are_read_as_known_ones(prompt: str, text: str) -> None:
    """Typographic, compatible and accented characters become what they stand for; others are left out."""
    assert fit(prompt, ALICE).text == text


@pytest.mark.parametrize(("prompt", "listed", "text"), READINGS)
def test_a_reading_takes_only_what_the_vocabulary_has(prompt: str, listed: str, text: str) -> None:
    """The first reading that is known in full is taken, by way of the other case if need be, or none."""
    assert fit(prompt, Vocab(listed)).text == text


def test_line_ends_become_lf_without_a_note() -> None:
    """CRLF and CR are line ends, as in every corpus."""
    fitted = fit("a\r\nb\rc\n", ALICE)
    assert (fitted.text, fitted.notes) == ("a\nb\nc\n", ())


def test_a_vocabulary_with_cr_keeps_it() -> None:
    """A known character is known, even CR."""
    assert fit("a\r\n", Vocab("a\r\n")).text == "a\r\n"


def test_notes_say_what_became_of_each_character() -> None:
    """One note a distinct character, in order, with code point, count and reading."""
    fitted = fit("“é日é", ALICE)
    assert fitted.notes == (Note("“", 1, '"'), Note("é", 2, "e"), Note("日", 1, None))
    assert list(map(str, fitted.notes)) == [
        "'“' (U+201C) was read as '\"'",
        "'é' (U+00E9), 2 times, was read as 'e'",
        "'日' (U+65E5) was left out",
    ]


@pytest.mark.parametrize(
    ("character", "text"),
    [
        ("é", "'é' (U+00E9)"),
        ("\x1b", "U+001B"),
        ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\u0301", "U+0301 COMBINING ACUTE ACCENT"),
        ("\udcff", "U+DCFF"),
        ("😀", "'😀' (U+1F600)"),
    ],
)
def test_characters_are_shown_so_that_any_terminal_takes_them(character: str, text: str) -> None:
    """What cannot be printed by itself is named instead."""
    assert shown(character) == text


def test_strict_refuses_the_first_unknown_character() -> None:
    """``strict`` makes an error of what would have been read or left out, naming character and place."""
    with pytest.raises(TextError, match=r"character 4 of the prompt, 'é' \(U\+00E9\), is not in"):
        fit("café日", Vocab("acf"), strict=True)


def test_a_long_prompt_with_many_distinct_characters_fits() -> None:
    """Ten million characters with thousands of distinct unknown ones are worked out once for each of these."""
    piece = "".join(map(chr, range(0x4E00, 0x5800))) + "é " * 1000
    fitted = fit(piece * 2200, ALICE)
    assert fitted.text == "e " * 1000 * 2200
    assert len(fitted.notes) == 0xA00 + 1
