"""``chargen runs``, and which model a command takes where none is named."""

import dataclasses
import json
import os
import re
from pathlib import Path

import pytest
from conftest import Command
from samples import checkpoint

from chargen.store.run_list import entries
from chargen.store.runs import Run


def made(name: str, modified: float, *, step: int = 10, total_steps: int = 20, test_bpc: float | None = 2.5) -> Run:
    """A run that has done so many steps of all, and whose best was written at ``modified``."""
    run, last = Run(name), checkpoint()
    assert last.resume is not None
    resume = dataclasses.replace(last.resume, step=step, total_steps=total_steps)
    run.write(dataclasses.replace(last, resume=resume, test_bpc=test_bpc), best=True)
    os.utime(run.best, (modified, modified))
    return run


def test_an_empty_folder_says_what_to_do(chargen: Command) -> None:
    """No rows and no error, but a note on how to make a run."""
    assert chargen("runs") == (0, "", "note: there are no runs in checkpoints/ yet; make one with: chargen train\n")
    assert chargen("runs", "--quiet") == (0, "", "")
    assert json.loads(chargen("runs", "--json").out) == {"folder": "checkpoints", "runs": []}


def test_the_newest_run_comes_last(chargen: Command) -> None:
    """Each with its text, network, losses and state; folders that hold no run are passed over."""
    made("b", 1e9, step=20)
    made("a", 1.7e9)
    made("c", 1.6e9)
    Path("checkpoints/none").mkdir()
    Path("checkpoints/file").touch()
    rows = [line.split("\t") for line in chargen("runs").out.splitlines()]
    assert rows[0] == ["name", "text", "model", "val bpc", "test bpc", "when", "state"]
    assert [row[:5] for row in rows[1:]] == [[name, "some", "2x4 lstm", "2.250", "2.500"] for name in "bca"]
    assert [row[6] for row in rows[1:]] == ["finished", "stopped at 50%", "stopped at 50%"]
    assert re.fullmatch(r"\d+ Sep 2001", rows[1][5])
    last = json.loads(chargen("runs", "--json").out)["runs"][-1]
    assert (last["name"], last["state"], last["step"], last["total_steps"]) == ("a", "stopped", 10, 20)
    assert (last["cell"], last["val_bpc"], last["modified"]) == ("lstm", 2.25, "2023-11-14T22:13:20+00:00")


def test_a_run_that_is_not_tested_yet_is_not_finished(chargen: Command) -> None:
    """Though it has done all its steps, of which there may be none at all."""
    made("a", 1e9, step=20, test_bpc=None)
    made("b", 1.1e9, step=0, total_steps=0, test_bpc=None)
    assert [line.split("\t")[-1] for line in chargen("runs").out.splitlines()[1:]] == [
        "stopped at 100%",
        "stopped at 0%",
    ]


def test_a_run_in_training_is_told_from_one_that_was_stopped(folder: Path) -> None:
    """By its lock; one that a killed process left says nothing."""
    run = made("a", 1e9)
    (run.folder / ".lock").touch()
    assert [entry.state for entry in entries()] == ["stopped"]
    run.claim()
    assert [entry.state for entry in entries()] == ["running"]
    run.close()
    assert [entry.state for entry in entries()] == ["stopped"]
    assert folder.exists()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("best.safetensors", b"text", "best.safetensors is not a safetensors file"),
        ("last.safetensors", b"", "last.safetensors is not a safetensors file"),
        ("best.safetensors", None, "best.safetensors is missing"),
    ],
)
def test_damage_is_listed(name: str, content: bytes | None, problem: str, chargen: Command) -> None:
    """With what is left of the run in its row, and a note that says what is wrong and how to learn more."""
    path = made("a", 1e9).folder / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    result = chargen("runs")
    assert result.code == 0
    assert result.out.splitlines()[1].split("\t")[:3] == ["a", "some", "2x4 lstm"]
    assert result.out.splitlines()[1].endswith("\tdamaged")
    assert problem in result.err
    assert "chargen inspect a tells what can be used" in result.err


def test_a_run_without_its_last_can_still_be_used(chargen: Command) -> None:
    """Its best is all that is needed to write and score; a folder of rubbish alone has no row to show but its name."""
    made("a", 1e9).last.unlink()
    rubbish = Path("checkpoints/b/best.safetensors")
    rubbish.parent.mkdir()
    rubbish.touch()
    one, other = chargen("runs").out.splitlines()[1:]
    assert one.endswith("\tbest only")
    assert re.fullmatch(r"b\t{5}[^\t]+\tdamaged", other)


def test_the_model_that_was_not_named_is_told(chargen: Command) -> None:
    """On stderr, in one line and with its reason; a name that says it itself, and --quiet, need no line."""
    made("older", 1e9)
    made("newer", 1.5e9)
    note = "note: model newer, the newest run\n"
    for command in ("sample", "embeddings", "inspect", "report"):
        assert chargen(command).err.startswith(note), command
        assert note not in chargen(command, "--quiet").err, command
        assert "note: model" not in chargen(command, "older").err, command
    Run("newer").best.unlink()
    note = "note: model newer, its last checkpoint, since it has no best.safetensors\n"
    assert chargen("sample", "newer").err.startswith(note)
