"""What a reader can name at each character of a text."""

import numpy as np
import pytest

from chargen.text.features import KINDS, features


def values(name: str, text: str) -> list[float]:
    """The values of one feature."""
    (found,) = (feature for feature in features(text) if feature.name == name)
    return [float(value) for value in found.values]


def marked(name: str, text: str) -> str:
    """The characters of ``text`` where a feature is true."""
    return "".join(character for character, value in zip(text, values(name, text), strict=True) if value)


@pytest.mark.parametrize(
    ("name", "text", "inside"),
    [
        ("inside `quotes'", "so `don't' he", "`don't"),
        ("inside `quotes'", "a `b\nc\n\nd' e", "`b\nc"),
        ("inside ‘quotes’", "so ‘don’t’ he", "‘don’t"),
        ("inside “quotes”", "a “b” c “d” e", "“b“d"),
        ("inside „quotes“", "a „b“ c", "„b"),
        ("inside «quotes»", "a «b» c", "«b"),
        ('inside "quotes" or a string', r'a "b\"c" d "e', r'"b\"c'),
        ("inside 'quotes' or a string", "don't 'be don't' it's", "'be don't"),
        ("inside (brackets)", "a) (b (c) d) (e", "(b (c) d"),
        ("inside [brackets]", "a [b] c", "[b"),
        ("inside {brackets}", "a {b\n\n} c", "{b\n\n"),
        ("inside <brackets>", "a <b> c", "<b"),
        ("inside a # comment", "a # b\nc", "# b"),
        ("inside a // comment", "http://a // b\nc", "// b"),
        ("inside a /* comment */", "a /* b\n*/ c", "/* b\n*"),
        ("inside a word in capitals", "I AM Here", "M"),
        ("just read: a capital", "I AM Here", "IAMH"),
        ("next: a capital", "I AM Here", " A "),
        ("just read: a sentence's end", "a. b?", ".?"),
    ],
)
def test_stretches_end_where_a_reader_ends_them(name: str, text: str, inside: str) -> None:
    """An opening mark is inside and a closing one is not; apostrophes, blank lines and lone marks are heeded."""
    assert marked(name, text) == inside


def test_counts_begin_anew() -> None:
    """At each line, word and number; a line's indentation counts once it lies behind."""
    assert values("characters since the line began", "ab\nc") == [1, 2, 0, 1]
    assert values("letters since the word began", "ab c1") == [1, 2, 0, 1, 0]
    assert values("digits since the number began", "a12 3") == [0, 1, 2, 0, 1]
    assert values("indentation of the line", "  a b\n c\nd") == [0, 0, 2, 2, 2, 0, 0, 1, 0, 0]


def test_every_feature_has_a_value_for_each_character() -> None:
    """Whatever the text holds; names are distinct, and kinds known."""
    for text in ("a", "'", "\n\n", '\0(\\"', "x" * 5000 + "`(" * 5000):
        found = features(text)
        assert len({feature.name for feature in found}) == len(found)
        for feature in found:
            assert feature.values.shape == (len(text),)
            assert feature.kind in KINDS
            assert np.isfinite(feature.values).all()
