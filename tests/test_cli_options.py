"""The options that follow from the settings: every one is there, and says what it is."""

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest
from conftest import Command
from samples import checkpoint

from chargen import presets
from chargen.bench.sizes import BenchConfig
from chargen.cli.bench import bench
from chargen.cli.compare import compare
from chargen.cli.gradflow import gradflow
from chargen.cli.infill import infill
from chargen.cli.options import settings
from chargen.cli.sample import sample
from chargen.cli.score import score
from chargen.cli.train import train
from chargen.config import (
    CELLS,
    AdaptConfig,
    CompareConfig,
    GradflowConfig,
    InfillConfig,
    ModelConfig,
    SamplerConfig,
    TrainConfig,
)
from chargen.schema import document, record
from chargen.setting import Config, setting
from chargen.store.checkpoint import load, save
from chargen.training import start

TINY = ["--hidden-size", "8", "--steps", "2", "--preview", "0", "--run", "a", "--device", "cpu", "-q"]


def option(command: Any, name: str) -> Any:
    """What typer is told of a command's option."""
    return inspect.signature(command).parameters[name].annotation.__metadata__[0]


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (train, ModelConfig),
        (train, TrainConfig),
        (sample, SamplerConfig),
        (score, AdaptConfig),
        (infill, InfillConfig),
        (gradflow, GradflowConfig),
        (compare, CompareConfig),
        (bench, BenchConfig),
    ],
)
def test_every_setting_is_an_option_of_its_command(command: Any, kind: type[Config]) -> None:
    """With the help and the heading of the line that declares it, and its default unless the text's size decides."""
    decided = presets.settled() if command is train else ()
    for name, declared in kind.settings().items():
        if name == "vocab_size":
            continue
        shown = option(command, name)
        assert shown.help.startswith(declared.help)
        assert all(choice in shown.help for choice in declared.choices)
        assert shown.rich_help_panel == (declared.panel or kind.panel)
        assert shown.show_default == ("by the text's size" if name in decided else True)
        assert inspect.signature(command).parameters[name].default == getattr(kind, name)


def test_a_setting_takes_one_line() -> None:
    """A command with the settings of a class has an option for a new line of it, and gets what was given alone."""

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Longer(TrainConfig):
        noise: float = setting(0.25, "Noise on the weights.", 0, 1)

    @settings(Longer)
    def command(**given: Any) -> None:
        raise NotImplementedError

    shown = option(command, "noise")
    assert (shown.help, shown.metavar, shown.rich_help_panel) == ("Noise on the weights.", "0..1", "Training")
    assert record(Longer, document(Longer(noise=0.5))).noise == 0.5


def test_help_tells_defaults_and_presets(chargen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """``train --help`` has the defaults, what follows from the text's size, and what the presets mean."""
    monkeypatch.setenv("COLUMNS", "200")
    shown = chargen("train", "--help").out
    lines = shown.splitlines()
    at = next(number for number, line in enumerate(lines) if "--embedding-size" in line)
    assert "[default: 64]" in " ".join(lines[at : at + 2])
    assert "[default: (by the text's size)]" in shown
    words = " ".join(shown.replace("│", " ").split())
    assert "quick (256 units a layer and 5 passes over Alice), default (384 units" in words
    assert f"The recurrent cell. One of {', '.join(CELLS)}." in words


def test_other_spellings_mean_the_same(chargen: Command, text_file: Path) -> None:
    """``--num-layers`` is ``--layers``, ``--lr`` the learning rate, and a cell may be written in capitals."""
    arguments = ["--num-layers", "1", "--lr", "0.5", "--cell", "GRU"]
    assert chargen("train", text_file, *TINY, *arguments).code == 0
    made = load(Path("checkpoints/a/last.safetensors"))
    assert (made.model.num_layers, made.model.cell, made.train.learning_rate) == (1, "gru", 0.5)
    for spelling in ("--layers", "--num-layers"):
        assert "num-layers must be a whole number from 1 to 64, not 0" in chargen("train", "x", spelling, "0").error


def test_what_is_typed_counts_even_where_it_is_the_default(
    chargen: Command, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A default that is given is the person's own choice, which the preset does not replace."""
    given: dict[str, Any] = {}

    def begin(_texts: object, **settings: Any) -> None:
        given.update(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "begin", begin)
    assert chargen("train", text_file, "--hidden-size", "384", "--no-skip", "--dropout", "0").code == 130
    passed = {name: given[name] for name in given if name in {*ModelConfig.settings(), *TrainConfig.settings()}}
    assert passed == {"hidden_size": 384, "skip": False, "dropout": 0}


def test_a_setting_without_its_switch_is_wrong_usage(chargen: Command) -> None:
    """What would have no effect is refused by name."""
    save(Path("model"), checkpoint())
    result = chargen("score", "model", "model", "--adapt-rate", "0.1")
    assert (result.code, result.error) == (2, "Invalid value for --adapt-rate: it needs --adapt")
