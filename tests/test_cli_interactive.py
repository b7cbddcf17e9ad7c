"""``chargen sample --interactive``: turns on stdout, everything else on stderr, and no turn that breaks the text."""

from pathlib import Path

import pytest
from conftest import Command, Result
from samples import checkpoint

from chargen.api import load
from chargen.store.checkpoint import save


@pytest.fixture(autouse=True)
def model(folder: Path) -> None:
    """A model of random weights, which never ends a line by itself."""
    save(folder / "model.safetensors", checkpoint(" abcde"))


def talk(chargen: Command, stdin: str | bytes, *arguments: object) -> Result:
    """A whole session of turns of 12 characters."""
    data = stdin if isinstance(stdin, bytes) else stdin.encode()
    result = chargen("sample", "model.safetensors", "-i", "--seed", 3, "-n", 12, *arguments, stdin=data)
    assert result.code == 0
    return result


def continuation(prompt: str, seed: int) -> str:
    """What the library writes."""
    return load("model.safetensors").sample(prompt, length=12, seed=seed)


def test_turns_build_one_text(chargen: Command) -> None:
    """Each line is shown with its continuation, and the next one goes on from there with the next seed."""
    result = talk(chargen, "ab\ncd\n/text\n/new\ne\n")
    first = "ab" + continuation("ab", 3)
    second = "cd" + continuation(first + "cd", 4)
    assert result.out.splitlines() == [first, second, first + second, "e" + continuation("e", 5)]
    assert "/again" in result.err


def test_again_writes_another(chargen: Command) -> None:
    """With a fixed seed too; setting the seed brings the first one back."""
    lines = talk(chargen, "ab\n/again\n/seed 3\n/again\n").out.splitlines()
    assert lines == ["ab" + continuation("ab", 3), continuation("ab", 4), continuation("ab", 3)]


def test_a_prompt_is_the_first_turn(chargen: Command) -> None:
    """What --prompt gives is shown and continued before anything is read."""
    assert talk(chargen, "", "-p", "ab").out == "ab" + continuation("ab", 3) + "\n"


def test_strict_refuses_a_turn(chargen: Command) -> None:
    """An unknown character is an error that leaves the text as it was; without --strict it is read as another."""
    result = talk(chargen, "ab\nX\n/text\n", "--strict")
    assert "error: character 1 of the prompt" in result.err
    assert result.out.splitlines() == ["ab" + continuation("ab", 3)] * 2
    assert "was left out" in talk(chargen, "abX\n").err


def test_quiet_says_nothing_but_errors(chargen: Command) -> None:
    """No help, no notes, no prompt; an error is told all the same."""
    result = talk(chargen, "abX\n/length 4\n/length -4\n", "--quiet")
    assert result.out == "ab" + continuation("ab", 3) + "\n"
    assert result.err == "error: length must be a whole number of at least 0, not -4\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("/length -5", "length must be a whole number of at least 0, not -5"),
        ("/seed -1", "seed must be a whole number of at least 0, not -1"),
        ("/top_k 1.5", "/top_k needs a whole number, not '1.5'"),
        ("/temperature -1", "temperature must be a number from 0 to 100, not -1.0"),
        ("/sing", "there is no command or setting /sing"),
    ],
)
def test_a_wrong_setting_changes_nothing(chargen: Command, command: str, message: str) -> None:
    """It is told at once, and the session goes on as before."""
    result = talk(chargen, f"{command}\nab\n")
    assert f"error: {message}" in result.err
    assert result.out == "ab" + continuation("ab", 3) + "\n"


def test_a_turn_that_fails_leaves_the_text(chargen: Command) -> None:
    """What was typed is not kept when it cannot be continued."""
    result = talk(chargen, "ab\n/text\n", "--stop", "")
    assert "error: a stop string must not be empty" in result.err
    assert result.out == ""


def test_bytes_that_are_no_text_are_left_out(chargen: Command) -> None:
    """A byte that is not UTF-8 is told like any unknown character."""
    result = talk(chargen, b"a\xffb\n")
    assert "U+DCFF was left out" in result.err
    assert result.out == "ab" + continuation("ab", 3) + "\n"
