"""Training in several processes: the same curve as one, and no hanging when one is lost."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Command
from samples import resume_of

from chargen.config import ModelConfig, TrainConfig
from chargen.errors import ConfigError, RunError, TrainingError
from chargen.store.checkpoint import load
from chargen.training import hardware
from chargen.training.distributed import World, world
from chargen.training.dropout import Dropout

SETTINGS = (
    *("--layers", "2", "--hidden-size", "8", "--batch-size", "4", "--bptt", "8", "--steps", "30", "--warmup", "2"),
    *("--eval-every", "10", "--threads", "1", "--precision", "fp32", "--device", "cpu", "--preview", "0"),
)


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """``chargen train`` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "chargen", "train", *arguments],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The same, waited for."""
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def curve(folder: Path, run: str) -> list[dict[str, Any]]:
    """The run's metrics."""
    return [json.loads(line) for line in (folder / "checkpoints" / run / "metrics.jsonl").read_text().splitlines()]


def test_alone_every_operation_is_free() -> None:
    """A single process leads, has all columns, and gets back what it puts in."""
    world = World()
    value = torch.tensor([1.0, 2.0])
    assert world.leads
    assert world.columns(8) == slice(0, 8)
    assert world.any(True)
    assert not world.any(False)
    assert world.mean(value) is value
    assert world.led(lambda: 7) == 7
    np.testing.assert_array_equal(world.gathered(value, 0), value)


def test_columns_are_divided_evenly() -> None:
    """Each process has its own share of the batch, and a batch that cannot be shared out is refused."""
    assert [World(rank, 3).columns(6) for rank in range(3)] == [slice(0, 2), slice(2, 4), slice(4, 6)]
    with pytest.raises(ConfigError, match="multiple of 3"):
        World(0, 3).columns(8)


def test_a_lost_process_becomes_one_clear_error() -> None:
    """A broken connection is told as what it is; alone, a RuntimeError stays what it was."""
    with pytest.raises(TrainingError, match=r"was lost .* resume it"), World(0, 2).watching("resume it"):
        raise RuntimeError("Connection closed by peer\nmore")
    with pytest.raises(RuntimeError, match="own"), World().watching("resume it"):
        raise RuntimeError("own")


def test_errors_of_the_trainer_pass() -> None:
    """Watching for lost processes changes no other error."""
    with pytest.raises(RunError), World(0, 2).watching("resume it"):
        raise RunError("disk full")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"RANK": "0"}, "RANK=0, WORLD_SIZE= is no process's place"),
        ({"WORLD_SIZE": "2"}, "RANK=, WORLD_SIZE=2 is no"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK=2, WORLD_SIZE=2 is no"),
        ({"WORLD_SIZE": "abc"}, "WORLD_SIZE is 'abc', not a whole number"),
        ({"RANK": "-1", "WORLD_SIZE": "2"}, "RANK is '-1'"),
    ],
)
def test_a_place_among_others_that_makes_no_sense(
    variables: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a scheduler left half set is one clear error."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=words), world():
        pass


def test_of_an_error_in_all_the_first_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others end without a word, also while they are being connected."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(TrainingError, match=r"2 processes cannot reach each other: .*MASTER_ADDR"), world():
        pass
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(SystemExit), world():
        pass


def test_several_processes_never_share_a_gpu_of_apples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated here: auto prefers it for one process alone, and asked for it is refused."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert [hardware.choose_device("auto", processes) for processes in (1, 2)] == ["mps", "cpu"]
    with pytest.raises(ConfigError, match="device mps cannot be shared by 2 processes"):
        hardware.choose_device("mps", 2)


def test_masks_of_the_shares_are_the_masks_of_the_whole() -> None:
    """Side by side, the processes' dropout masks are those of one process; DropConnect's are the same in all."""
    config = ModelConfig(vocab_size=5, hidden_size=6, embedding_size=4, bidirectional=True)
    whole = Dropout(config, TrainConfig(dropout=0.3, batch_size=4), torch.device("cpu")).masks(3)
    parts = [whole.of(World(rank, 2).columns(4)) for rank in range(2)]
    for name in ("inputs", "output"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name))
    assert all(part.recurrent[0] is whole.recurrent[0] for part in parts)
    assert parts[1].backward is not None
    assert whole.backward is not None
    assert torch.equal(parts[1].backward.between[0], whole.backward.between[0][2:])  # type: ignore[arg-type,index]


def test_two_processes_train_as_one_does(tmp_path: Path, text_file: Path) -> None:
    """With the same global batch the losses agree to rounding, and either can go on with the other's run."""
    assert finish(tmp_path, str(text_file), "--run", "one", *SETTINGS).returncode == 0
    two = finish(tmp_path, str(text_file), "--run", "two", "--nproc", "2", "--json", *SETTINGS)
    assert two.returncode == 0, two.stderr
    assert len(two.stdout.splitlines()) == 1  # one process alone talks
    for alone, shared in zip(curve(tmp_path, "one"), curve(tmp_path, "two"), strict=True):
        for name in ("train_bpc", "val_bpc", "grad_norm"):
            assert shared[name] == pytest.approx(alone[name], abs=1e-4)


def test_a_list_goes_on_beyond_its_end_in_two_processes(chargen: Command, folder: Path) -> None:
    """Begun and gone on with by two, it has the losses that it has in one process."""
    names = folder / "names.txt"
    names.write_text("\n".join(f"name{number}" * (1 + number % 3) for number in range(300)), encoding="utf-8")
    begun = [str(names), "--lines", *SETTINGS, "--steps", "8", "--eval-every", "4"]
    for arguments in (["--run", "one", *begun], ["--resume", "one", "--steps", "12"]):
        assert chargen("train", *arguments).code == 0
    for arguments in (["--run", "two", *begun], ["--resume", "two", "--steps", "12"]):
        assert finish(folder, "--nproc", "2", *arguments).returncode == 0
    for alone, shared in zip(curve(folder, "one"), curve(folder, "two"), strict=True):
        for name in ("train_bpc", "val_bpc", "grad_norm"):
            assert shared[name] == pytest.approx(alone[name], abs=1e-4)


def test_another_number_of_processes_goes_on(tmp_path: Path, text_file: Path) -> None:
    """A run of two processes, stopped half-way, ends in one process as if it had never stopped."""
    assert finish(tmp_path, str(text_file), "--run", "whole", "--nproc", "2", *SETTINGS).returncode == 0
    process = start(tmp_path, str(text_file), "--run", "half", "--nproc", "2", *SETTINGS)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch"):
            process.send_signal(signal.SIGTERM)
            break
    _, err = process.communicate(timeout=120)
    assert (process.returncode, "error" in err) == (128 + signal.SIGTERM, False)
    resumed = finish(tmp_path, "--resume", "half")
    assert resumed.returncode == 0, resumed.stderr
    runs = [load(tmp_path / "checkpoints" / run / "last.safetensors") for run in ("whole", "half")]
    for name, weight in runs[0].weights.items():
        np.testing.assert_allclose(runs[1].weights[name], weight, atol=1e-5)


def test_a_killed_process_ends_the_run(tmp_path: Path, text_file: Path) -> None:
    """The others end by themselves, with an error that says how to go on, and ``last`` goes on."""
    process = start(tmp_path, str(text_file), "--run", "lost", "--nproc", "2", *SETTINGS, "--steps", "100000")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch"):
            break
    children = (Path("/proc") / str(process.pid) / "task" / str(process.pid) / "children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    assert "was lost" in err
    assert "chargen train --resume lost" in err
    assert "Traceback" not in err
    assert resume_of(tmp_path / "checkpoints" / "lost" / "last.safetensors").step >= 10


def test_an_error_is_told_once(tmp_path: Path, text_file: Path) -> None:
    """What all processes find wrong is one line."""
    result = finish(tmp_path, "--nproc", "2", "--batch-size", "3", "--", str(text_file))  # -- ends the options
    assert result.returncode == 1
    assert result.stderr.count("error:") == 1
    assert not (tmp_path / "checkpoints").exists()
