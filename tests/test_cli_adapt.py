"""``chargen sample --adapt-to``."""

import json
from pathlib import Path

import pytest
import samples
from conftest import Command

from chargen.store.checkpoint import save

MANNER = "abcd" * 150
FAST = ["--adapt-rate", "0.02", "--adapt-every", "10"]


@pytest.fixture(autouse=True)
def files(folder: Path) -> None:
    """A model of random weights and a text in the working directory."""
    save(folder / "model.safetensors", samples.checkpoint("\n abcd"))
    (folder / "manner.txt").write_text(MANNER)


def test_the_text_is_written_in_the_manner_of_the_file(chargen: Command) -> None:
    """With the same seed the model alone writes something else; what was learnt is told on stderr."""
    command = ["sample", "model.safetensors", "-p", "abc", "-t", "0", "-n", "20", "--seed", "1"]
    result = chargen(*command, "--adapt-to", "manner.txt", *FAST)
    assert result.out == "abcdabcdabcdabcdabcdabc\n"
    assert result.err == "note: learning from manner.txt, 600 characters\n"
    assert chargen(*command).out != result.out
    quiet = chargen(*command, "--adapt-to", "manner.txt", *FAST, "-q")
    assert (quiet.out, quiet.err) == (result.out, "")


def test_the_manner_comes_through_standard_input(chargen: Command) -> None:
    """With what the model cannot read left out of it, and the checkpoint's file as it was."""
    before = Path("model.safetensors").read_bytes()
    command = ["sample", "model.safetensors", "-p", "abc", "-t", "0", "-n", "5", "--json", *FAST]
    found = json.loads(chargen(*command, "--adapt-to", "-", stdin=MANNER.replace("a", "\u2603a").encode()).out)
    assert found["samples"][0]["text"] == "dabcd"
    assert Path("model.safetensors").read_bytes() == before


def test_wrong_usage_is_told_in_a_line(chargen: Command, folder: Path) -> None:
    """Settings without a file, standard input wanted twice, and texts that teach nothing."""
    (folder / "short.txt").write_text("abcd")
    for arguments, words in (
        (["--adapt-rate", "0.1"], "--adapt-rate: it needs --adapt-to"),
        (["--adapt-to", "-", "--prompt-file", "-"], "standard input for itself"),
        (["--adapt-to", "-", "-i"], "standard input for itself"),
        (["--adapt-to", "short.txt", "-q"], "4 characters are too few to learn from with adapt-every 20"),
        (["--adapt-to", "none.txt"], "cannot read none.txt"),
        (["--adapt-to", "manner.txt", "--adapt-rate", "2", "-q"], "adapt-rate must be"),
    ):
        assert words in chargen("sample", "model.safetensors", *arguments).error
