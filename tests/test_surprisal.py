"""Text with the bits of its characters, where there are no colours and where there are."""

import pytest

from chargen.cli.output import surprisal


def test_long_lines_stay_above_their_digits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A terminal's width cuts both alike, between characters; wide ones and marks keep their columns."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "6")
    surprisal.show("abcde日本 x\N{COMBINING ACUTE ACCENT}\t", [0.5, 1, 2.9, 3, 4, 5, 6, 12, 8, 9.5, 7])
    *lines, _ = capsys.readouterr().out.splitlines()
    assert lines == ["abcde", "01234", "日本 x", "5 6 98", "\u25cc\N{COMBINING ACUTE ACCENT}\\t", "97 "]


def test_each_step_has_its_style(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Characters of one step are coloured together, as the legend is; those that cost little are left plain."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    surprisal.show("abcdefg\n", [0, 0.99, 1, 2, 2.5, 4, 8, 100])
    line, legend = capsys.readouterr().out.splitlines()
    assert line.startswith("ab\x1b[")
    parts = [part.split("m", 1) for part in line[2:].split("\x1b[") if part and not part.startswith("0m")]
    assert [text for _, text in parts] == ["c", "de", "f", "g\\n"]
    codes = [code for code, _ in parts]  # of as many colours as rich found the terminal to have first
    assert len(set(codes)) == 4
    assert [f"{code}m" in legend for code in codes] == [True] * 4
    assert "below 1" in legend
