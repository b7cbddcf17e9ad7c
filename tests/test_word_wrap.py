"""Text on the terminal, broken between words."""

import pytest

from chargen.cli.output.terminal import Writer
from chargen.cli.output.word_wrap import WordWrap


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three four", ["one two", "three four"]),
        ("  one two\n\n  three", ["  one two", "", "  three"]),
        ("exactly-10 and", ["exactly-10", "and"]),
        ("a verylongwordthatfitsnowhere b", ["a", "verylongwo", "rdthatfits", "nowhere b"]),
        ("\u6f22\u5b57\u6f22\u5b57\u6f22\u5b57\u6f22\u5b57", ["\u6f22\u5b57\u6f22\u5b57\u6f22", "\u5b57\u6f22\u5b57"]),
        ("one\x1btwo three", ["one\x1btwo", "three"]),
        ("", [""]),
    ],
)
def test_words_stay_whole(
    text: str, lines: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is longer than ten columns, a wide character taking two and an escaped one as many as it shows."""
    monkeypatch.setenv("COLUMNS", "10")
    write = WordWrap(Writer(raw=False))
    for character in text:
        write(character)
    write.end()
    assert capsys.readouterr().out == "\n".join(lines) + "\n" * bool(text)
