"""``chargen infill``: what it prints, and what it refuses."""

import json
from pathlib import Path

import pytest
import tiny
from conftest import Command


@pytest.fixture(scope="module")
def both(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small bidirectional run."""
    root = tmp_path_factory.mktemp("both")
    tiny.train(text_file, root, run="both", bidirectional=True, steps=20)
    return root / "both"


def test_the_best_fillings_come_first(chargen: Command, both: Path) -> None:
    """Each line has a probability and the whole text; a note tells that the blank is a character, too."""
    result = chargen("infill", both, "Alice was begi_ning", "--candidates", 3)
    lines = result.out.splitlines()
    assert result.code == 0
    assert len(lines) == 3
    shares = [float(line.split("%")[0]) for line in lines]
    assert shares == sorted(shares, reverse=True)
    assert all(line.endswith("ning") for line in lines)


def test_json_has_every_candidate(chargen: Command, both: Path) -> None:
    """With several blanks the fill has a character for each, the text all of them in place."""
    result = chargen("infill", both, "Al#ce w#s", "--blank", "#", "--chains", 8, "--sweeps", 4, "--json")
    for each in json.loads(result.out)["candidates"]:
        first, second = each["fill"]
        assert each["text"] == f"Al{first}ce w{second}s"


def test_a_gap_of_unknown_size(chargen: Command, both: Path) -> None:
    """A single blank may stand for several characters."""
    result = chargen("infill", both, "Alice # the", "--blank", "#", "--length", "2-3", "--chains", 4, "--json")
    assert {len(each["fill"]) for each in json.loads(result.out)["candidates"]} <= {2, 3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Alice",), "nothing is missing"),
        (("Ali e", "--blank", "A"), "is a character of the model's"),
        (("Ali#e", "--blank", "##"), "a single character"),
        (("A#i#e", "--blank", "#", "--length", "2"), "a single blank"),
        (("Ali#e", "--blank", "#", "--length", "3-2"), "length must be"),
        (("Ali#e", "--blank", "#", "--length", "999"), "at most 200"),
        (("#" * 300, "--blank", "#"), "at most 200"),
        (("Ali#e", "--blank", "#", "--chains", "0"), "chains must be"),
    ],
)
def test_errors(chargen: Command, both: Path, arguments: tuple[str, ...], message: str) -> None:
    """What cannot be filled is told in one line."""
    assert message in chargen("infill", both, *arguments).error


def test_a_length_is_checked_before_any_work(chargen: Command) -> None:
    """A range that ends too high is refused before even the checkpoint is looked for."""
    assert chargen("infill", "nothing", "Ali#e", "--length", "150-300").error == "length must be at most 200, not 300"


def test_a_character_is_noted_once(chargen: Command, both: Path) -> None:
    """What stands on both sides of a gap and is not known gets one note, with its count."""
    result = chargen("infill", both, "☃#☃a", "--blank", "#")
    assert result.err.count("note: ") == 1
    assert "2 times, was left out" in result.err


def test_a_model_of_one_direction_is_refused(chargen: Command, trained: Path) -> None:
    """The error says how to train one that can."""
    assert "--bidirectional" in chargen("infill", trained, "Ali_e").error


def test_its_forward_half_writes(chargen: Command, both: Path) -> None:
    """A bidirectional checkpoint samples with its forward half, and says so."""
    result = chargen("sample", both, "-n", 5, "--seed", 1)
    assert len(result.out) >= 5
    assert "forward half" in result.err
