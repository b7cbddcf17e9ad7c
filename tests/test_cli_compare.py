"""``chargen compare``."""

import json
import re
import signal
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Command

from chargen.config import CELLS
from chargen.errors import TrainingError
from chargen.training.events import Event
from chargen.training.trainer import Trainer

SMALL = ["--parameters", "3000", "--layers", "1", "--embedding-size", "6", "--batch-size", "4", "--bptt", "10"]
QUICK = [*SMALL, "--steps", "6", "--threads", "1", "--device", "cpu"]


def test_cells_are_compared_in_a_table_and_a_plot(chargen: Command, text_file: Path, folder: Path) -> None:
    """Each cell has a row and a curve; progress goes to stderr, and every model stays for other commands."""
    result = chargen("compare", text_file, "--cells", "rnn, gru", "--seeds", "2", *QUICK)
    assert result.code == 0
    rows = [line.split("\t") for line in result.out.splitlines()[:3]]
    assert rows[0] == ["cell", "hidden", "params", "rate", "steps", "char/s", "val bpc", "test bpc"]
    assert [row[0] for row in rows[1:]] == ["rnn", "gru"]
    assert all("±" in row[6] and row[4] == "6" for row in rows[1:])
    assert [float(row[3]) for row in rows[1:]] == [0.018, 0.036]
    assert "validation:   o rnn   x gru" in result.out
    assert "million characters read" in result.out
    lines = result.err.splitlines()
    assert re.fullmatch(r"training 3 of 4: rnn, seed 2: val \d\.\d{3}, test \d\.\d{3}, 6 steps in 0:0\d", lines[2])
    assert len(lines) == 4
    runs = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert runs == ["compare-tiny-gru-1", "compare-tiny-gru-2", "compare-tiny-rnn-1", "compare-tiny-rnn-2"]
    assert chargen("sample", "compare-tiny-gru-2", "--length", "5").code == 0


def test_a_comparison_in_detail(chargen: Command, text_file: Path) -> None:
    """With --verbose each training shows what train would show; all cells may have the same rate."""
    result = chargen("compare", text_file, "--cells", "rnn,gru", *QUICK, "--verbose", "--same-rate")
    assert "note: training 2 of 2: gru, seed 1" in result.err
    assert result.err.count("* marks the best") == 2
    assert result.err.count("step      6  ") == 2
    rates = [line.split("\t")[3] for line in result.out.splitlines()[:3]]
    assert rates == ["rate", "0.018", "0.018"]


def test_a_bar_precedes_each_cells_line(chargen: Command, text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal each training is a bar that fits it, and then a line."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda _stream: (80, 24))
    result = chargen("compare", text_file, "--cells", "peephole", *QUICK)
    drawn = re.split("[\r\n]", result.err)
    assert "training 1 of 1: peephole, seed 1: val " in drawn[-2]
    bars = [line for line in drawn if "%|" in line]
    assert all(line.startswith("training 1 of 1: peephole, seed 1: ") and len(line) <= 80 for line in bars)
    assert bars


def test_a_comparison_as_json(chargen: Command, text_file: Path) -> None:
    """With --json there are a summary by cell and every training's curve, and with --quiet nothing else."""
    result = chargen("compare", text_file, "--cells", "lstm", *QUICK, "--run", "mine", "--json", "--quiet")
    assert result.err == ""
    found = json.loads(result.out)
    (cell,), (training,) = found["cells"], found["trainings"]
    assert (cell["cell"], cell["seeds"], cell["val_bpc"]["deviation"]) == ("lstm", 1, None)
    assert cell["val_bpc"]["mean"] == training["val_bpc"]
    assert training["checkpoint"] == "checkpoints/mine-lstm/best.safetensors"
    assert [point["characters"] for point in training["history"]] == [40, 80, 120, 160, 200, 240]


def test_a_comparison_as_a_page(chargen: Command, text_file: Path, folder: Path) -> None:
    """With --html the table and the plot stand on a page too; one that cannot be written is known before the work."""
    result = chargen("compare", text_file, "--cells", "rnn,gru", *QUICK, "--html", "out.html")
    page = ET.fromstring((folder / "out.html").read_text(encoding="utf-8"))  # noqa: S314  # our own
    cells = [[cell.text for cell in row] for row in page.iter("tr")]
    assert cells == [line.split("\t") for line in result.out.splitlines()[:3]]
    lines = list(page.iter("{http://www.w3.org/2000/svg}polyline"))
    assert [len(line.attrib["points"].split()) for line in lines] == [6, 6]
    assert chargen("compare", text_file, "--html", str(folder)).code == 2


def test_a_time_budget_is_plotted_over_time(chargen: Command, text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --steps every cell has as many minutes, and the curves run over seconds."""
    monkeypatch.setattr("chargen.training.automatic.PROBE_SECONDS", 0.0)
    result = chargen("compare", text_file, "--cells", "rnn", "--minutes", "0.001", *SMALL, "--threads", "1")
    assert "seconds of training" in result.out


def test_an_interrupt_leaves_what_is_done(chargen: Command, text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the training in good order: the cells before it have their rows, it can go on by itself."""
    events = Trainer.events

    def interrupted(self: Trainer) -> Iterator[Event]:
        for at, event in enumerate(events(self)):
            yield event
            if self.model.cell == "gru" and at == 2:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Trainer, "events", interrupted)
    result = chargen("compare", text_file, "--cells", "rnn,gru,lstm", *QUICK)
    assert result.code == 130
    assert [line.split("\t")[0] for line in result.out.splitlines()[:3]] == ["cell", "rnn", ""]
    assert "chargen train --resume compare-tiny-gru" in result.err
    assert "lstm, seed" not in result.err


def test_a_broken_training_is_left_out(chargen: Command, text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell whose loss is not finite any more is told and left out; the others are compared all the same."""
    events = Trainer.events

    def broken(self: Trainer) -> Iterator[Event]:
        if self.model.cell == "gru":
            raise TrainingError("the loss stopped being finite")
        yield from events(self)

    monkeypatch.setattr(Trainer, "events", broken)
    result = chargen("compare", text_file, "--cells", "gru,rnn", *QUICK)
    assert result.code == 1
    assert [line.split("\t")[0] for line in result.out.splitlines()[:2]] == ["cell", "rnn"]
    assert "compare-tiny-gru is left out: the loss stopped being finite" in result.err
    assert result.err.splitlines()[-1] == "error: 1 of 2 trainings broke down: compare-tiny-gru"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--minutes", "1", "--steps", "5"], "--minutes and --steps are two budgets; give one of them"),
        (["--minutes", "0"], "minutes must be above 0, not 0"),
        (["--steps", "0"], "steps must be a whole number of at least 1, not 0"),
        (["--cells", "rnn,cnn"], f"cell must be one of {', '.join(CELLS)}, not 'cnn'"),
        (["--cells", ","], f"name at least one cell to compare: {', '.join(CELLS)}"),
        (["--parameters", "10"], "parameters 10 is too few"),
    ],
)
def test_a_wrong_comparison_is_one_line(
    options: list[Any], message: str, chargen: Command, text_file: Path, folder: Path
) -> None:
    """A comparison that cannot be held is told before anything is written."""
    steps = [] if {"--steps", "--minutes"} & {*options} else ["--steps", "5"]
    assert chargen("compare", text_file, *steps, *options).error.startswith(message)
    assert not (folder / "checkpoints").exists()


def test_cells_are_compared_on_a_list(chargen: Command, folder: Path) -> None:
    """Each seed has its order of the items; what a run held out is found again."""
    (folder / "names.txt").write_text("\n".join(first + last for first in "abcdefgh" for last in ["na", "ob", "aria"]))
    arguments = ["--lines", "--cells", "rnn", "--seeds", "2", "--test-fraction", "0.2", "--run", "names", *QUICK]
    found = json.loads(chargen("compare", "names.txt", *arguments, "--json", "--quiet").out)
    assert chargen("sample", "names-rnn-2", "--items", "3", "-t", "2").code == 0
    for training in found["trainings"]:
        score = json.loads(chargen("score", training["checkpoint"], "--split", "test", "--json", "--quiet").out)
        assert score["items"] == 5
        assert score["bpc"] == pytest.approx(training["test_bpc"], abs=0.01)
