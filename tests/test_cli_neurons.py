"""``chargen neurons``."""

import json
from pathlib import Path

from conftest import Command


def test_the_pretrained_model_follows_quotations_lines_and_capitals(chargen: Command) -> None:
    """By text that neither its weights nor the choice of units has seen; in JSON layers and units count from 0."""
    found = json.loads(chargen("neurons", "alice", "--json").out)
    assert (found["text"], found["characters"]) == ("alice val and alice test", 14848)
    units = {unit["name"]: unit for unit in found["units"]}
    assert list(units)[:2] == ["inside `quotes'", "characters since the line began"]
    assert units["inside `quotes'"]["correlation"] >= 0.8
    assert units["characters since the line began"]["correlation"] >= 0.7
    assert units["inside a word in capitals"]["auc"] >= 0.95


def test_units_are_a_table(chargen: Command, text: str, folder: Path) -> None:
    """One a row; layers and units count from 1, and r has the sign of the unit."""
    (folder / "read.txt").write_text(text[:2000], encoding="utf-8")
    units = json.loads(chargen("neurons", "alice", "read.txt", "--json").out)["units"]
    header, *rows = [line.split("\t") for line in chargen("neurons", "alice", "read.txt").out.splitlines()]
    assert header == ["follows", "layer", "unit", "r", "AUC"]
    assert rows == [
        [
            unit["name"],
            str(unit["layer"] + 1),
            str(unit["unit"] + 1),
            f"{unit['sign'] * unit['correlation']:.2f}",
            f"{unit['auc']:.2f}",
        ]
        for unit in units
    ]
    assert {unit["sign"] for unit in units} == {1, -1}


def test_a_file_can_be_read(chargen: Command, trained: Path, text: str, folder: Path) -> None:
    """Or stdin; what the model does not know is read as in a prompt, with a note; a model may name nothing."""
    (folder / "read.txt").write_text(f"à{text}", encoding="utf-8")
    result = chargen("neurons", trained, "read.txt")
    assert result.err.startswith("note: read.txt: 'à'")
    piped = chargen("neurons", trained, "-", "--json", stdin=f"à{text}".encode())
    assert json.loads(piped.out)["text"] == "-"
    assert len(json.loads(piped.out)["units"]) == max(0, len(result.out.splitlines()) - 1)
    assert chargen("neurons", trained, "read.txt", "--quiet").err == ""
    assert json.loads(chargen("neurons", trained, "first-names", "--json").out)["text"] == "first-names"


def test_what_cannot_be_read_is_an_error(chargen: Command, trained: Path, folder: Path) -> None:
    """A file that is not there, and one that is too short."""
    assert "nowhere" in chargen("neurons", trained, "nowhere").error
    (folder / "short").write_text("a")
    assert "too few" in chargen("neurons", trained, "short").error
