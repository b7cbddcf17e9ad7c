"""``chargen bench``."""

import json

import pytest
import typer
from typer.testing import CliRunner, Result

from chargen.bench import measure
from chargen.bench.sizes import SIZES, BenchConfig
from chargen.cli.bench import bench as command
from chargen.errors import ConfigError

TRAINED = measure.TrainingRow(
    size="2x512",
    batch_size=64,
    bptt=128,
    precision="bf16",
    chars_per_second=123_456.7,
    plain_chars_per_second=41_152.2,
    ratio=3.0,
    gflops=2345.6,
    peak_share=0.876,
)
SAMPLED = measure.SamplingRow(
    size="2x512", batch=64, chars_per_second=6400.0, plain_chars_per_second=800.0, ratio=8.0, bandwidth_share=0.954
)


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the command asks to be measured, in the place of measuring it."""
    calls: list[object] = []

    def training(*arguments: object) -> list[measure.TrainingRow]:
        calls.append(("training", *arguments))
        return [TRAINED]

    def sampling(*arguments: object) -> list[measure.SamplingRow]:
        calls.append(("sampling", *arguments))
        return [SAMPLED]

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
    assert list(result) == ["training", "sampling", "machine"]
    assert result["training"] == [
        {
            "size": "2x512",
            "batch_size": 64,
            "bptt": 128,
            "precision": "bf16",
            "chars_per_second": 123_456.7,
            "plain_chars_per_second": 41_152.2,
            "ratio": 3.0,
            "gflops": 2345.6,
            "peak_share": 0.876,
        }
    ]
    assert result["sampling"] == [
        {
            "size": "2x512",
            "batch": 64,
            "chars_per_second": 6400.0,
            "plain_chars_per_second": 800.0,
            "ratio": 8.0,
            "bandwidth_share": 0.954,
        }
    ]
    assert result["machine"]["torch"]


def test_the_table_has_every_figure() -> None:
    """Off a terminal the tables are plain, a line a row with tabs between; what plain means is told on stderr."""
    result = run()
    assert [line.split("\t") for line in result.stdout.splitlines()] == [
        ["train", "batch x bptt", "in", "char/s", "plain", "ratio", "GFLOP/s", "of peak"],
        ["2x512", "64 x 128", "bf16", "123,457", "41,152", "3.00", "2,346", "88%"],
        [""],
        ["sample", "texts", "char/s", "plain", "ratio", "GB/s", "of bandwidth"],
        ["2x512", "64", "6,400", "800", "8.00", "1.3", "95%"],  # 100 steps a second, each of 12.7 MB of weights
    ]
    assert (
        "note: train 2x512, batch x bptt 64 x 128, in bf16, char/s 123,457, plain 41,152, ratio 3.00" in result.stderr
    )
    assert "plain is the same network written the usual way in PyTorch" in result.stderr


def test_a_drawn_table_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal of 80 columns no figure is cut off or broken."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    drawn = run("--quiet")
    assert all(figure in drawn.stdout for figure in ("batch x bptt", "of peak", "2,346", "of bandwidth", "95%"))
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
    assert ("GFLOP/s" in shown, "GB/s" in shown) == (kind == "training", kind == "sampling")
    other = {"training": "sampling", "sampling": "training"}[kind]
    assert json.loads(run(f"--{kind}", "--json").stdout)[other] == []


def test_a_wrong_setting_is_an_error() -> None:
    """What the library refuses, the command refuses."""
    assert isinstance(run("--repeats", "0").exception, ConfigError)
