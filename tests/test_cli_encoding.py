"""``--encoding`` and ``--errors``, wherever a text is read."""

from pathlib import Path

import pytest
from conftest import Command
from samples import checkpoint

from chargen.store.checkpoint import save

TEXT = "caf\xe9 de la d\xe9esse\n" * 100
COMMANDS = [
    "score model.safetensors latin.txt --json",
    "classify latin.txt -m model.safetensors -m other.safetensors --json",
    "encode model.safetensors latin.txt",
    "neurons model.safetensors latin.txt --json",
    "sample model.safetensors -n 5 --seed 1 --prompt-file latin.txt",
    "sample model.safetensors -n 5 --seed 1 --adapt-to latin.txt -q",
    "gradflow model.safetensors --text latin.txt --lags 5 --positions 5 --json",
    "train latin.txt --run a --overwrite --steps 2 --hidden-size 8 --device cpu --preview 0 -q",
    "compare latin.txt --cells rnn --run b --overwrite --steps 2 --parameters 2000 --device cpu -q",
]


@pytest.fixture(autouse=True)
def files(folder: Path) -> None:
    """A text in Latin-1, and models that know its characters."""
    (folder / "latin.txt").write_bytes(TEXT.encode("latin-1"))
    for name in ("model", "other"):
        save(folder / f"{name}.safetensors", checkpoint("".join(sorted({*TEXT, "\ufffd"}))))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.split()[::4]))
def test_any_text_can_be_read(chargen: Command, command: str) -> None:
    """By its encoding's name, or with U+FFFD for what does not decode; without either an error names both ways."""
    arguments = command.split()
    refused = chargen(*arguments).error
    assert refused.startswith("latin.txt is not utf-8: byte 0xE9 at offset 3")
    assert "--encoding" in refused
    assert "--errors replace" in refused
    for more in (["--encoding", "latin-1"], ["--errors", "replace"]):
        result = chargen(*arguments, *more)
        assert (result.code, "error:" in result.err) == (0, False)


def test_nothing_is_decoded_without_a_file(chargen: Command) -> None:
    """The options are refused where there is no text that they are of."""
    for command, words in (
        ("sample model.safetensors", "it needs --prompt-file, --prompts or --adapt-to"),
        ("gradflow model.safetensors", "it needs --text"),
    ):
        for more in (["--encoding", "latin-1"], ["--errors", "replace"]):
            result = chargen(*command.split(), *more)
            assert words in result.error
            assert result.code == 2


def test_a_run_is_resumed_as_its_text_was_read(chargen: Command) -> None:
    """What stood for bytes that did not decode is part of the text that the run was trained on."""
    train = "train latin.txt --run a --steps 2 --hidden-size 8 --device cpu --preview 0 -q --errors replace"
    assert chargen(*train.split()).code == 0
    assert chargen("train", "--resume", "a", "-q").code == 0
    assert "byte 0xE9" in chargen("train", "latin.txt", "--errors", "strict", "--resume", "a", "-q").error
    assert chargen("score", "a", "--split", "test", "-q").code == 0
