"""``chargen gradflow``."""

import json
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NoReturn

import pytest
from conftest import Command

from chargen.cli.output import gradflow
from chargen.config import CELLS
from chargen.experiments.gradflow import Descent

FEW = ["--lags", "20", "--positions", "8"]


def rows(out: str) -> list[list[str]]:
    """The lines of tables."""
    return [line.split("\t") for line in out.splitlines() if "\t" in line]


def test_a_checkpoint_is_measured_before_and_after(chargen: Command, trained: Path) -> None:
    """A run has a row and a plot for its initial and its trained weights, and a row for what clipping did."""
    result = chargen("gradflow", trained, *FEW)
    assert result.code == 0
    before, after = rows(result.out)[1:3]
    assert rows(result.out)[0] == ["network", "weights", "memory", "by h", "at lag 10", "at lag 20"]
    assert (before[:2], after[:2]) == (["tiny (lstm)", "initial"], ["tiny (lstm)", "trained"])
    assert before[2:] != after[2:]
    assert "initial weights:   o tiny (lstm)" in result.out
    assert "trained weights:   o tiny (lstm)" in result.out
    assert rows(result.out)[3] == ["network", "clipping", "steps", "clipped", "mean norm", "highest mean"]
    assert rows(result.out)[4][:3] == ["tiny", "at 1", "40"]
    assert "8 predictions on 500 characters of text" in result.err
    assert "note: measuring 2 networks\n" in result.err


def test_a_bar_shows_before_anything_is_loaded(
    chargen: Command, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch alone may take seconds to load, and each network many more."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    def stopped(*_arguments: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("chargen.cli.gradflow._of_checkpoints", stopped)
    assert re.search(r"measuring:   0%\|.*\| 0/2 ", chargen("gradflow", trained).err)
    assert "%|" not in chargen("gradflow", trained, "--quiet").err


def test_fresh_networks_need_no_checkpoint(chargen: Command, text_file: Path) -> None:
    """Cells are measured as they start, with a column for each layer, on Alice or a text of one's own."""
    result = chargen("gradflow", "--cell", "rnn,gru", "--cell", "lstm", "--layers", "2", "--hidden-size", "8", *FEW)
    assert [row[:2] for row in rows(result.out)[1:]] == [[cell, "initial"] for cell in ("rnn", "gru", "lstm")]
    assert rows(result.out)[0][4:6] == ["layer 1", "layer 2"]
    assert "initial weights:   o rnn   x gru   + lstm" in result.out
    assert "trained weights" not in result.out
    assert "14,848 characters" in result.err
    own = chargen("gradflow", "--cell", "rnn", "--text", text_file, "--layers", "1", "--hidden-size", "8", *FEW)
    assert "5,000 characters" in own.err


def test_a_measurement_as_a_page(chargen: Command, trained: Path, folder: Path) -> None:
    """With --html its tables and plots stand on a page too."""
    result = chargen("gradflow", trained, *FEW, "--html", "out.html")
    page = ET.fromstring((folder / "out.html").read_text(encoding="utf-8"))  # noqa: S314  # our own
    assert [[cell.text for cell in row] for row in page.iter("tr")] == rows(result.out)
    assert [title.text for title in page.iter("b")] == ["initial weights", "trained weights"]
    assert len(list(page.iter("{http://www.w3.org/2000/svg}polyline"))) == 2


def test_networks_of_different_depth_share_a_table(chargen: Command, trained: Path) -> None:
    """A network with fewer layers than another leaves their columns empty."""
    result = chargen("gradflow", trained, "--cell", "rnn", "--layers", "2", "--hidden-size", "4", *FEW)
    assert [row[5] == "" for row in rows(result.out)[1:4]] == [True, True, False]


def test_an_exploding_network_is_trained_twice(chargen: Command) -> None:
    """A scale on the recurrent weights shows in the curve and brings trainings without clipping and with it."""
    small = ["--layers", "1", "--hidden-size", "8", "--steps", "10", "--grad-clip", "0.5"]
    result = chargen("gradflow", "--cell", "rnn", "--recurrent-scale", "1.5", *small, *FEW)
    assert rows(result.out)[1][0] == "rnn x 1.5"
    header, off, on = rows(result.out)[2:5]
    assert header == ["network", "clipping", "steps", "norm > 0.5", "median norm", "largest", "last bpc"]
    assert (off[:3], on[:3]) == (["rnn x 1.5", "off", "10"], ["rnn x 1.5", "at 0.5", "10"])
    assert "training:   o rnn x 1.5, clipping off   x rnn x 1.5, clipping at 0.5" in result.out


def test_curves_as_json(chargen: Command, trained: Path) -> None:
    """With --json every norm is there, by layer and for all layers together, of the whole state and of h alone."""
    small = ["--cell", "rnn", "--recurrent-scale", "1", "--layers", "2", "--hidden-size", "4", "--steps", "3"]
    result = chargen("gradflow", trained, *small, *FEW, "--json", "--quiet")
    assert result.err == ""
    found = json.loads(result.out)
    lstm, _, rnn = found["networks"]
    assert (lstm["name"], lstm["cell"], lstm["weights"], lstm["positions"]) == ("tiny", "lstm", "initial", 8)
    assert (len(lstm["layers"]), len(rnn["layers"])) == (1, 2)
    assert lstm["network"] == lstm["layers"][0]
    assert len(rnn["network"]["state"]) == 21
    assert rnn["network"]["state"] == rnn["network"]["hidden"]
    assert lstm["network"]["state"] != lstm["network"]["hidden"]
    assert lstm["network"]["memory"] is None or 0 < lstm["network"]["memory"] <= 20
    assert [each["grad_clip"] for each in found["trainings"]] == [0, 1]
    assert all(len(each["norms"]) == len(each["losses"]) == 3 for each in found["trainings"])
    assert found["clipping"][0]["name"] == "tiny"


def test_a_training_that_broke_down_is_told(capsys: pytest.CaptureFixture[str], trained: Path) -> None:
    """The table says at which step the numbers stopped being finite, be it the first one."""
    late = Descent(losses=(5.0, 4.0), norms=(2.0, 0.5), broke_down=True)
    trials = [
        gradflow.Trial("a", 0.0, late),
        gradflow.Trial("b", 1.0, Descent(losses=(), norms=(), broke_down=True)),
    ]
    gradflow.Report([], {}, trials).show()
    table = rows(capsys.readouterr().out)
    assert table[1] == ["a", "off", "2, then not finite", "50%", "1.25", "2", "4.000"]
    assert table[2] == ["b", "at 1", "0, then not finite", "0%", "nan", "nan", "-"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layers", "2"], "are for fresh networks; name a --cell"),
        (["--recurrent-scale", "2"], "are for fresh networks; name a --cell"),
        (["--cell", "rnn", "--steps", "5"], "--steps is about the training that comes with --recurrent-scale"),
        (["--cell", "rnn", "--grad-clip", "1"], "--grad-clip is about the training that comes with --recurrent-scale"),
        (["--cell", "rnn", "--recurrent-scale", "0"], "recurrent-scale must be a number above 0, not 0"),
        (["--cell", "rnn", "--recurrent-scale", "2", "--grad-clip", "0"], "grad-clip must be a number above 0, not 0"),
        (
            ["--cell", "rnn", "--recurrent-scale", "2", "--steps", "0"],
            "steps must be a whole number of at least 1, not 0",
        ),
        (["--cell", "cnn"], f"cell must be one of {', '.join(CELLS)}, not 'cnn'"),
        (["--cell", "rnn", "--text", "nowhere.txt"], "nowhere.txt"),
        (["--cell", "rnn", "--hidden-size", "4", "--lags", "10000", "--text", "short.txt"], "6 characters are too few"),
        (["nowhere"], "there is no checkpoint or run 'nowhere'"),
    ],
)
def test_a_wrong_measurement_is_one_line(options: list[str], message: str, chargen: Command, folder: Path) -> None:
    """An option without effect, an unknown cell, a missing or a short text are told in one line."""
    (folder / "short.txt").write_text("abcdef")
    assert message in chargen("gradflow", *options).error
