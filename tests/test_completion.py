"""What the shell completes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Command

from chargen.cli import completion
from chargen.store import lookup

Complete = Callable[..., list[str]]


@pytest.fixture
def complete(chargen: Command, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """What bash would offer for the last of some words."""

    def offered(*words: object) -> list[str]:
        monkeypatch.setenv("_CHARGEN_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", " ".join(["chargen", *map(str, words)]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        return chargen().out.splitlines()

    return offered


def test_commands_and_options_are_completed(complete: Complete) -> None:
    """As typer does it, under the program's name."""
    assert complete("sco") == ["score"]
    assert complete("train", "--learning") == ["--learning-rate"]


def test_runs_and_models_are_completed(complete: Complete, trained: Path, folder: Path) -> None:
    """Wherever a model is named: the runs here, and the models that come with chargen."""
    shutil.copytree(trained, folder / "checkpoints" / "tiny")
    for words in (["sample"], ["score"], ["train", "--resume"], ["export"], ["classify", "--model"], ["report"]):
        assert complete(*words, "ti") == ["tiny"]
    assert {"tiny", *lookup.bundled()} == {*completion.models("")}


def test_corpora_are_completed(complete: Complete) -> None:
    """Wherever a text to train on is named, lists of several among them."""
    for words in (["train"], ["train", "alice"], ["compare"], ["gradflow", "--text"]):
        assert complete(*words, "m") == ["moby-dick"]
        assert complete(*words, "eng") == ["english"]


def test_the_shell_can_be_told(chargen: Command) -> None:
    """The script that bash reads calls the program by its name."""
    script = chargen("--show-completion", "bash").out
    assert "_CHARGEN_COMPLETE=complete_bash" in script
    assert "complete -o default" in script
    assert script.rstrip().endswith(" chargen")
