"""``chargen train``: what it prints, how it is stopped, and how it goes on."""

import itertools
import json
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Command
from samples import arrays, resume_of

from chargen.cli.output.training import INDENT, preview
from chargen.store.checkpoint import load
from chargen.training.step import Learner

TINY = [
    "--layers", "1", "--hidden-size", "8", "--embedding-size", "6", "--batch-size", "4", "--bptt", "10",
    "--warmup", "2", "--device", "cpu", "--precision", "fp32", "--steps", "12", "--eval-every", "5",
]  # fmt: skip
LAST = Path("checkpoints/a/last.safetensors")


@pytest.fixture
def train(chargen: Command, text_file: Path) -> Callable[..., Any]:
    """Trains a tiny network on the tiny text as run ``a``, unless the arguments say otherwise."""
    return lambda *arguments: chargen("train", text_file, "--run", "a", *TINY, "--preview", "0", *arguments)


@pytest.fixture
def send(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has a signal come while a step is being trained."""

    def at(step: int, number: signal.Signals, *, times: int = 1) -> None:
        learn = Learner.learn

        def interrupted(self: Learner, *arguments: Any) -> Any:
            if self.step == step:
                for _ in range(times):
                    signal.raise_signal(number)
            return learn(self, *arguments)

        monkeypatch.setattr(Learner, "learn", interrupted)

    return at


def test_a_training_in_plain_lines(train: Callable[..., Any]) -> None:
    """Without a terminal: a summary, a line an evaluation, a table with the next command; nothing on stdout."""
    result = train()
    assert (result.code, result.out) == (0, "")
    lines = result.err.splitlines()
    assert lines[0].startswith("corpus   tiny: 5,000 characters, ")
    assert "1x8 LSTM, embedding 6" in lines[1]
    assert result.err.count("* marks the best validation so far") == 1
    assert "12 steps, batch 4 x 10, cpu fp32, 1 thread" in lines[2]
    assert lines[3] == "run      a"
    assert [line.split("step")[1].split()[0] for line in lines if line.startswith("epoch")] == ["5", "10", "12"]
    assert all("char/s" in line and "val" in line for line in lines if line.startswith("epoch"))
    table = {line.split()[0]: line for line in lines[7:]}
    assert {"validation", "test", "time", "checkpoint", "sample"} <= set(table)
    assert table["sample"] == "sample      chargen sample a"
    assert "\x1b" not in result.err


def test_the_end_says_what_to_type_next(train: Callable[..., Any]) -> None:
    """Short, and right: a gap for a bidirectional network to fill, a path where a file takes the name from the run."""
    assert train("--bidirectional").err.endswith('infill      chargen infill a "..._..."\n')
    Path("a").touch()
    assert train("--overwrite").err.endswith("sample      chargen sample checkpoints/a\n")


def test_a_list_is_told_in_items(chargen: Command, tmp_path: Path) -> None:
    """The summary counts items instead of characters, and the checkpoint keeps how the list was divided."""
    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"name{number}" for number in range(300)), encoding="utf-8")
    result = chargen("train", names, "--lines", "--run", "a", *TINY, "--preview", "0")
    assert result.err.startswith("corpus   names: 300 lines of 2,290 characters, 15 distinct; 270 train, 15 validation")
    assert re.search(r"test +[\d.]+ bits per character, [\d.]+ per item\n", result.err)
    items = load(LAST).corpus.items
    assert items is not None
    assert (items.division.kind, items.train) == ("lines", 270)
    names.write_text("emma\nava\nmia\nzoe\n" * 90, encoding="utf-8")
    few = chargen("train", names, "--lines", "--run", "b", *TINY, "--preview", "0").err
    assert "note: the list has too few different items to hold out any for validation and the test, since" in few
    assert "note: the list has too few" not in result.err
    refused = chargen("train", names, "--lines", "--files")
    assert (refused.code, refused.out) == (2, "")
    assert "lines and files each say how a list is divided" in refused.err


def test_json_is_the_result(train: Callable[..., Any]) -> None:
    """With --json stdout has one object; with --quiet stderr has nothing."""
    result = train("--json", "--quiet")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    assert list(found) == ["run", "best", "val_bpc", "test_bpc", "seconds", "parameters", "chars_per_second"]
    assert found["run"] == "a"
    best = load(Path(found["best"]))
    assert (found["val_bpc"], found["test_bpc"]) == (best.val_bpc, best.test_bpc)
    assert found["parameters"] == best.model.parameters


def test_a_preview_follows_each_evaluation(chargen: Command, text_file: Path) -> None:
    """A line of sample text below it, on one line whatever it holds, and no line ends with a space."""
    result = chargen("train", text_file, "--run", "a", *TINY, "--preview", "60")
    lines = result.err.splitlines()
    previews = [below for line, below in itertools.pairwise(lines) if line.startswith("epoch")]
    assert len(previews) == 3
    assert all(line.startswith(INDENT) and 10 < len(line.strip()) <= 60 for line in previews)
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize(
    ("sample", "shown"),
    [
        ("One two three", "One two"),
        ("One  two\nthree", "One two"),
        ("One tw three", "One tw"),
        ("Onetwothreefour", "Onetwothr"),
        ("a\x1b bcdefghij", r"a\x1b"),
        ("", ""),
    ],
)
def test_a_preview_ends_with_a_whole_word(sample: str, shown: str) -> None:
    """On one line, with what could command a terminal escaped; only a single long word is cut."""
    assert preview(sample, 9) == shown


def test_options_reach_the_settings(train: Callable[..., Any]) -> None:
    """What is typed is what the checkpoint records."""
    train(
        "--cell", "gru", "--one-hot", "--no-skip", "--learning-rate", "0.5", "--dropout", "0.25", "--seed", "9",
        "--val-fraction", "0.1", "--test-fraction", "0", "--weight-decay", "0", "--grad-clip", "2", "--keep", "1",
    )  # fmt: skip
    found = load(LAST)
    assert (found.model.cell, found.model.one_hot, found.model.skip) == ("gru", True, False)
    assert (found.train.learning_rate, found.train.dropout, found.train.seed) == (0.5, 0.25, 9)
    assert (found.corpus.val, found.corpus.test) == ((4500, 5000), (5000, 5000))
    assert (found.train.weight_decay, found.train.grad_clip, found.train.keep) == (0, 2, 1)


def test_text_may_come_from_stdin(chargen: Command, text: str) -> None:
    """With - the text is read from standard input, and the run is named so."""
    result = chargen("train", "-", *TINY, "--preview", "0", "--json", "-q", stdin=text.encode())
    assert json.loads(result.out)["run"] == "stdin"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_tells_how_to_go_on(
    number: signal.Signals, code: int, train: Callable[..., Any], chargen: Command, send: Callable[..., None]
) -> None:
    """Ctrl-C and SIGTERM end the step, save everything, say what to type, and that gives the unbroken run's bits."""
    train()
    whole = load(LAST, with_state=True)
    shutil.rmtree("checkpoints")
    before = signal.getsignal(number)
    send(7, number)
    result = train()
    assert (result.code, result.out) == (code, "")
    assert "at step 8 of 12, everything saved" in result.err
    assert "chargen train --resume a" in result.err
    assert resume_of(LAST).step == 8
    assert signal.getsignal(number) is before
    assert chargen("train", "--resume", "a").code == 0
    mended = load(LAST, with_state=True)
    for name, array in arrays(whole).items():
        np.testing.assert_array_equal(array, arrays(mended)[name])


def test_the_best_model_is_exported_at_half_the_size(
    train: Callable[..., Any], send: Callable[..., None], folder: Path
) -> None:
    """Once the training is done; a folder is refused before it begins, and one that is stopped exports nothing."""
    assert "--export: . is a folder; name a file in it" in train("--export", ".").error
    Path("file").touch()
    assert "--export: file/small.safetensors cannot be written" in train("--export", "file/small.safetensors").error
    assert "--export: last.safetensors is a run's own file" in train("--export", "a/last.safetensors").error
    assert not Path("checkpoints").exists()
    assert train("--export", "new/small.safetensors").code == 0
    best, small = load(LAST.with_name("best.safetensors")), load(Path("new/small.safetensors"))
    assert (small.test_bpc, small.history, small.vocab) == (best.test_bpc, best.history, best.vocab)
    for name, weight in best.weights.items():
        np.testing.assert_array_equal(small.weights[name], weight.astype(np.float16).astype(np.float32))
    send(7, signal.SIGINT)
    stopped = train("--overwrite", "--export", "stopped.safetensors")
    assert stopped.code == 130
    assert "note: it was stopped, so stopped.safetensors was not written; give --export again" in stopped.err
    assert not Path("stopped.safetensors").exists()


@pytest.mark.parametrize(("handler", "code"), [(signal.SIG_DFL, 129), (signal.SIG_IGN, 0)])
def test_a_lost_terminal_stops_a_training_unless_told_otherwise(
    handler: signal.Handlers, code: int, train: Callable[..., Any], send: Callable[..., None]
) -> None:
    """SIGHUP is obeyed as SIGTERM is, but under ``nohup``, which has it ignored, the training goes on."""
    before = signal.signal(signal.SIGHUP, handler)
    send(7, signal.SIGHUP)
    try:
        assert train().code == code
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_breaks_off_at_once(train: Callable[..., Any], send: Callable[..., None]) -> None:
    """Someone who cannot wait is obeyed; what was last saved still loads."""
    send(7, signal.SIGINT, times=2)
    result = train()
    assert (result.code, result.out) == (130, "")
    assert "Traceback" not in result.err
    assert resume_of(LAST).step == 5
    assert [path.name for path in LAST.parent.glob(".*")] == []


def test_a_run_goes_on_by_its_name(train: Callable[..., Any], chargen: Command, send: Callable[..., None]) -> None:
    """The display says where, and what may change may be given again."""
    send(7, signal.SIGTERM)
    train()
    result = chargen("train", "--resume", "a", "--keep", "2", "--threads", "1", "--preview", "0")
    assert result.code == 0
    assert "run      a, going on at step 8" in result.err
    assert sorted(path.name for path in LAST.parent.glob("step*")) == [
        "step-00000010.safetensors",
        "step-00000012.safetensors",
    ]


def test_fine_tuning_starts_from_a_checkpoint(train: Callable[..., Any], chargen: Command, text: str) -> None:
    """The note says how many characters keep their rows."""
    train()
    Path("other.txt").write_text(text.replace("e", "é") * 2, encoding="utf-8")
    result = chargen("train", "other.txt", "--init-from", "checkpoints/a", "--steps", "4", "--preview", "0")
    assert result.code == 0
    distinct = len(set(text.replace("e", "é")))
    assert (
        f"note: {distinct - 1} characters keep their embedding and read-out rows, 1 begins as what it looks like"
        in result.err
    )


def test_a_file_name_that_is_no_text_does_no_harm(chargen: Command, text: str, folder: Path) -> None:
    """A name in bytes that are no UTF-8, or with control characters, trains, resumes and is shown escaped."""
    for number, name in enumerate((b"caf\xe9\x1b[31m.txt".decode("utf-8", "surrogateescape"), "a\nb.txt")):
        (folder / name).write_text(text, encoding="utf-8")
        result = chargen("train", name, "--run", f"r{number}", *TINY, "--preview", "0")
        assert result.code == 0
        assert "\x1b" not in result.err
        assert chargen("train", "--resume", f"r{number}").code == 0
        shown = chargen("inspect", f"r{number}")
        assert shown.code == 0
        assert "\x1b" not in shown.out
        assert json.loads(chargen("inspect", f"r{number}", "--json").out)["corpus"]["name"] == name.removesuffix(".txt")


def test_on_a_terminal_a_bar_is_drawn(
    train: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr a bar that fits it, with what matters first: the loss, the time left; it is gone at the end."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda _stream: (80, 24))
    result = train()
    assert result.code == 0
    assert "12/12" in result.err or "10/12" in result.err
    assert "train" in result.err
    assert "bpc" in result.err
    drawn = [line for line in re.split("[\r\n]", result.err) if "%|" in line]
    assert re.match(r"val \d\.\d{3} bpc, 00:00 left +\d+%\|.*\| 1[02]/12, train \d\.\d{3}, ", drawn[-1])
    assert max(map(len, drawn)) <= 78  # with room for ^C, which is wiped off with it
    assert "\r\x1b[Kvalidation  " in result.err
