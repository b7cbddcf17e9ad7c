"""``chargen inspect``: what a checkpoint holds, and what of a damaged run is usable."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from conftest import Command
from samples import checkpoint, evaluation

from chargen.store.checkpoint import save

FILES = ["best.safetensors", "last.safetensors", "metrics.jsonl"]


@pytest.fixture
def run(trained: Path, folder: Path) -> Path:
    """A copy of the trained run, by the name ``tiny``."""
    shutil.copytree(trained, folder / "checkpoints" / "tiny")
    return Path("checkpoints/tiny")


def cut(path: Path) -> None:
    """Damage a file as a full disk or a bad copy does."""
    path.write_bytes(path.read_bytes()[:-9])


def test_everything_is_shown(chargen: Command, run: Path) -> None:
    """Architecture, settings, corpus, losses, vocabulary and history, on stdout."""
    for where in ("tiny", run, run / "best.safetensors"):
        result = chargen("inspect", where)
        assert (result.code, result.err) == (0, "")
        for part in (
            "cell lstm",
            "hidden size 16",
            "learning rate",
            "5,000 characters",
            "bits per character",
            "gradient norm",
        ):
            assert part in " ".join(result.out.split())
        assert "damaged" not in result.out


def test_json_is_everything(chargen: Command, run: Path) -> None:
    """The same as one object, every number of it as it was saved."""
    found = json.loads(chargen("inspect", "tiny", "--json").out)
    assert found["path"] == "checkpoints/tiny/best.safetensors"
    assert found["model"]["hidden_size"] == 16
    assert [row["step"] for row in found["history"]] == [20, 40][: len(found["history"])]
    assert set(found["vocab"]) == {"characters", "unknown"}


def test_a_model_without_losses_says_so(chargen: Command) -> None:
    """Nothing is made up where nothing was measured."""
    bare = dataclasses.replace(checkpoint(), history=(), test_bpc=None)
    save(Path("bare.safetensors"), bare)
    result = chargen("inspect", "bare.safetensors")
    assert result.out.count("not measured") == 2


def test_a_pipe_gets_whole_lines(chargen: Command) -> None:
    """Elsewhere than on a terminal each fact is one line, and the history a row a line with tabs between."""
    save(Path("model.safetensors"), dataclasses.replace(checkpoint(), history=(evaluation(5), evaluation(10))))
    lines = chargen("inspect", "model.safetensors").out.splitlines()
    assert len(lines) == 9 + 3
    assert max(map(len, lines)) > 200
    assert [len(line.split("\t")) for line in lines[-3:]] == [9] * 3


def test_both_sides_have_a_column_where_they_were_measured(chargen: Command) -> None:
    """A bidirectional model's history has the bits of both directions together, others have no such column."""
    for value, shown in ((0.25, "0.250"), (None, None)):
        history = (evaluation(5, joint_bpc=value),)
        save(Path("model.safetensors"), dataclasses.replace(checkpoint(), history=history))
        *_, names, row = chargen("inspect", "model.safetensors").out.splitlines()
        assert dict(zip(names.split("\t"), row.split("\t"), strict=True)).get("both sides bpc") == shown


def test_no_name_is_not_the_working_folder(chargen: Command, run: Path) -> None:
    """An empty name, as of a variable that is not set, is an error even among checkpoints."""
    shutil.copy(run / "best.safetensors", "best.safetensors")
    for command in ("inspect", "sample"):
        assert "name is empty" in chargen(command, "").error


@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors"])
def test_a_damaged_run_is_diagnosed(name: str, chargen: Command, run: Path) -> None:
    """Each file with its state on stdout, and one line that says what can be used; the exit code tells too."""
    cut(run / name)
    other = "last.safetensors" if name.startswith("best") else "best.safetensors"
    result = chargen("inspect", "tiny")
    assert result.code == 1
    states = dict(line.split(None, 1) for line in result.out.splitlines())
    assert states[name].startswith("damaged: ")
    assert states[other] == states["metrics.jsonl"] == "usable"
    assert result.err == f"error: checkpoints/tiny is damaged: {name} cannot be used, {other} can\n"


def test_the_diagnosis_as_json(chargen: Command, run: Path) -> None:
    """With --json the files and their states are an object."""
    cut(run / "best.safetensors")
    result = chargen("inspect", run, "--json")
    assert result.code == 1
    found = json.loads(result.out)
    assert found["folder"] == "checkpoints/tiny"
    assert [(file["name"], file["state"]) for file in found["files"]] == list(
        zip(FILES, ["damaged", "usable", "usable"], strict=True)
    )


def test_a_run_of_which_nothing_is_left(chargen: Command, run: Path) -> None:
    """When no checkpoint can be used, that is said."""
    for name in FILES[:2]:
        (run / name).write_bytes(b"")
    result = chargen("inspect", "tiny")
    assert "best.safetensors, last.safetensors cannot be used, no other checkpoint can" in result.err


def test_what_is_missing_or_left_over_is_told(chargen: Command, run: Path) -> None:
    """A run that can be used all the same is shown behind the list of its files."""
    (run / "last.safetensors").unlink()
    (run / ".last.safetensors.ab12.tmp").write_bytes(b"half")
    result = chargen("inspect", "tiny")
    assert (result.code, result.err) == (0, "")
    assert "last.safetensors          missing: the run cannot be resumed" in result.out
    assert ".last.safetensors.ab12.tmp  leftover: of a process that was killed" in result.out
    assert "cell lstm" in result.out


def test_a_damaged_metrics_file_is_no_damaged_run(chargen: Command, run: Path) -> None:
    """Metrics are only told of; they stand in the checkpoint too."""
    cut(run / "metrics.jsonl")
    result = chargen("inspect", "tiny")
    assert result.code == 0
    assert "metrics.jsonl             damaged: line 2 is no JSON object" in result.out
