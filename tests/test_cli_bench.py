"""``chargen bench``."""

import dataclasses
import json
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from chargen.bench import measure
from chargen.bench.sizes import SIZES, BenchConfig
from chargen.cli.bench import bench as command
from chargen.errors import ConfigError

COMMON: dict[str, Any] = {
    "size": "2x512",
    "threads": 2,
    "chars_per_second": 123_456.7,
    "spread": 0.041,
    "plain_chars_per_second": 41_152.2,
    "ratio": 3.0,
    "competent_chars_per_second": 98_765.4,
    "competent_ratio": 1.25,
    "busy": False,
}
TRAINED = measure.TrainingRow(**COMMON, batch_size=64, bptt=128, precision="bf16", gflops=2345.6, peak_share=0.876)
SAMPLED = measure.SamplingRow(**COMMON, batch=64, gigabytes_per_second=1.3, bandwidth_share=0.954)


@pytest.fixture
def different() -> dict[str, Any]:
    """What a test would have other than usual in the rows."""
    return {}


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch, different: dict[str, Any]) -> list[object]:
    """What the command asks to be measured, in the place of measuring it."""
    calls: list[object] = []

    def training(*arguments: object) -> list[measure.TrainingRow]:
        calls.append(("training", *arguments))
        return [dataclasses.replace(TRAINED, **different)]

    def sampling(*arguments: object) -> list[measure.SamplingRow]:
        calls.append(("sampling", *arguments))
        return [dataclasses.replace(SAMPLED, **different)]

    monkeypatch.setattr(measure, "training", training)
    monkeypatch.setattr(measure, "sampling", sampling)
    return calls


def run(*arguments: str) -> Result:
    """What the command prints."""
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(arguments))


def test_json_has_a_row_a_size_and_the_machine() -> None:
    """With --json the rows have the documented keys and plain numbers, and the machine is described."""
    result = json.loads(run("--json").stdout)
    assert list(result) == ["training", "sampling", "busy", "machine"]
    assert result["training"] == [
        COMMON | {"batch_size": 64, "bptt": 128, "precision": "bf16", "gflops": 2345.6, "peak_share": 0.876}
    ]
    assert result["sampling"] == [COMMON | {"batch": 64, "gigabytes_per_second": 1.3, "bandwidth_share": 0.954}]
    assert result["busy"] is False
    assert result["machine"]["torch"]


def test_the_table_has_every_figure() -> None:
    """Off a terminal the tables are plain, a line a row with tabs between; what is compared is told on stderr."""
    result = run()
    assert [line.split("\t") for line in result.stdout.splitlines()] == [
        ["train", "window", "threads", "char/s", "spread", "textbook", "competent", "peak"],
        ["2x512", "64 x 128", "2", "123,457", "4%", "3.00", "1.25", "88%"],
        [""],
        ["sample", "texts", "threads", "char/s", "spread", "textbook", "competent", "peak"],
        ["2x512", "64", "2", "123,457", "4%", "3.00", "1.25", "95%"],
    ]
    assert "note: train 2x512, window 64 x 128, threads 2, char/s 123,457, spread 4%, textbook 3.00" in result.stderr
    assert "the same network in PyTorch" in result.stderr
    assert "?" not in result.stderr
    assert "other processes" not in result.stderr


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_other_work_is_warned_of(different: dict[str, Any], options: tuple[str, ...]) -> None:
    """Other work on the processors is told on stderr and in the JSON; a ratio that is theirs is not given."""
    different |= {"busy": True, "ratio": None, "competent_ratio": None, "spread": 0.5}
    result = run(*options)
    assert "note: other processes took more than a tenth of the processors" in result.stderr
    if options:
        assert json.loads(result.stdout)["busy"] is True
        assert [row["ratio"] for row in json.loads(result.stdout)["training"]] == [None]
    else:
        assert "note: ? is a ratio that the rounds disagree on" in result.stderr
        assert result.stdout.splitlines()[1].split("\t")[4:7] == ["50%", "?", "?"]


def test_a_system_that_tells_nothing_of_others_is_not_called_quiet(different: dict[str, Any]) -> None:
    """Whether others took the processors is null there."""
    different |= {"busy": None}
    assert json.loads(run("--json").stdout)["busy"] is None


def test_a_drawn_table_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal of 80 columns no figure is cut off or broken."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    drawn = run("--quiet")
    assert all(
        figure in drawn.stdout for figure in ("64 x 128", "123,457", "textbook", "competent", "88%", "peak", "95%")
    )
    assert drawn.stderr == ""


def test_defaults_are_the_librarys(asked: list[object]) -> None:
    """Without options the default sizes are measured in both ways with the default settings."""
    run()
    assert asked == [(kind, SIZES, BenchConfig()) for kind in ("training", "sampling")]


def test_options_reach_the_measurement(asked: list[object]) -> None:
    """Sizes repeat, and every option is a setting."""
    run("--size=1x8", "--size=2x8", "--batch-size=3", "--bptt=5", "--precision=fp32", "--threads=1", "--repeats=2")
    settings = BenchConfig(batch_size=3, bptt=5, precision="fp32", threads=1, rounds=2)
    assert asked == [(kind, ["1x8", "2x8"], settings) for kind in ("training", "sampling")]
    run("--seconds=0.5")
    assert asked[2:] == [(kind, SIZES, BenchConfig(seconds=0.5)) for kind in ("training", "sampling")]


@pytest.mark.parametrize("kind", ["training", "sampling"])
def test_one_kind_alone(asked: list[object], kind: str) -> None:
    """With --training or --sampling the other is neither measured nor shown."""
    shown = run(f"--{kind}").stdout
    assert [call[0] for call in asked if isinstance(call, tuple)] == [kind]
    assert ("train" in shown, "sample" in shown) == (kind == "training", kind == "sampling")
    other = {"training": "sampling", "sampling": "training"}[kind]
    assert json.loads(run(f"--{kind}", "--json").stdout)[other] == []


def test_a_wrong_setting_is_an_error() -> None:
    """What the library refuses, the command refuses."""
    assert isinstance(run("--repeats", "0").exception, ConfigError)
