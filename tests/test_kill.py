"""SIGKILL at random moments and at every write: what is on the disk loads, and going on gives the unbroken run's bits.

``CHARGEN_KILLS=50`` kills fifty times at random, the full proof; without it a handful.
"""

import itertools
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import pytest
import tiny
from samples import resume_of
from test_trainer import assert_same_checkpoint, assert_same_run

from chargen.journal import recorded
from chargen.store.checkpoint import load
from chargen.store.runs import Run
from chargen.training import start
from chargen.training.trainer import Trainer

KILLS: Final = int(os.environ.get("CHARGEN_KILLS", "3"))
EVERY: Final = 4
STEPS: Final = 4 * EVERY * KILLS  # a life sees two evaluations on average, so that all the kills find it alive
OPTIONS: Final = [
    "--layers", "2", "--hidden-size", "12", "--embedding-size", "6", "--batch-size", "4", "--bptt", "10",
    "--steps", str(STEPS), "--patience", "0", "--eval-every", str(EVERY), "--keep", "1",
    "--precision", "fp32", "--device", "cpu", "--threads", "1", "--preview", "9", "--quiet",
]  # fmt: skip

# Processes are forked from one that has torch already, so that most of a life is spent training, not starting.
CONTEXT: Final = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["chargen.cli", "chargen.training.start", "chargen.cli.output.training"])


def command(arguments: list[str], folder: Path) -> None:
    """Be the process of one command line."""
    from chargen.cli.main import main

    os.chdir(folder)
    sys.argv = ["chargen", *arguments]
    main()


def started(text: Path, run: Run, folder: Path) -> BaseProcess:
    """A process that trains: what a person would type next, to begin or to go on where there is something to."""
    arguments = ["train", str(text), "--run", run.name, "--overwrite", *OPTIONS]
    if run.last.exists():
        arguments = ["train", "--resume", run.name, "--quiet"]
    process = CONTEXT.Process(target=command, args=(arguments, folder))
    process.start()
    return process


def version(path: Path) -> tuple[int, int] | None:
    """What changes when the file is replaced."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def await_saves(process: BaseProcess, run: Run, saves: int) -> None:
    """Wait until the process has replaced ``last`` so often, or has ended."""
    seen = version(run.last)
    while saves and process.is_alive():
        process.join(0.001)
        if version(run.last) != seen:
            seen, saves = version(run.last), saves - 1


@pytest.fixture(scope="module")
def unbroken(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The folder of a run that nothing disturbed, and the seconds between two of its checkpoints."""
    folder = tmp_path_factory.mktemp("unbroken")
    run = Run("run", folder / "checkpoints")
    process = started(text_file, run, folder)
    await_saves(process, run, 1)
    began = time.monotonic()
    process.join()
    assert process.exitcode == 0
    return folder, (time.monotonic() - began) * EVERY / STEPS


def test_killed_at_random_moments_it_ends_with_the_same_bits(
    unbroken: tuple[Path, float], text_file: Path, tmp_path: Path
) -> None:
    """However often it is killed, best and last load each time, and the last life leaves what an unbroken run does."""
    whole, interval = unbroken
    run = Run("run", tmp_path / "checkpoints")
    moments = random.Random(1)  # noqa: S311  # moments, not secrets
    steps: list[int] = []
    while len(steps) < KILLS:
        process = started(text_file, run, tmp_path)
        await_saves(process, run, moments.randint(0, 3))
        process.join(moments.uniform(0, interval))
        process.kill()
        process.join()
        if process.exitcode == 0:
            break  # on a busy machine it may be done before it could be killed
        assert process.exitcode == -signal.SIGKILL
        if run.last.exists():
            load(run.best)
            steps.append(resume_of(run.last).step)
        else:
            assert not any(steps), "what was saved once is gone"
            steps.append(0)
    assert steps, "nothing was killed"
    assert len(steps) == KILLS or "CHARGEN_KILLS" not in os.environ, "the full proof has all its kills"
    process = started(text_file, run, tmp_path)
    process.join()
    assert process.exitcode == 0
    assert steps == sorted(steps)
    assert_same_run(whole / "checkpoints", tmp_path / "checkpoints")
    assert run.samples.read_bytes() == Run("run", whole / "checkpoints").samples.read_bytes()
    assert list(run.folder.glob(".*")) == []
    print(f"{len(steps)} kills; what was saved at each: step {', '.join(map(str, steps))}")  # noqa: T201  # seen with -s


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_a_process_saves_and_ends(number: signal.Signals, text_file: Path, tmp_path: Path) -> None:
    """A signal from outside, whenever it comes, leaves a run that goes on."""
    run = Run("run", tmp_path / "checkpoints")
    process = started(text_file, run, tmp_path)
    await_saves(process, run, 1)
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == 128 + number
    assert resume_of(run.last).step < STEPS
    assert list(run.folder.glob(".*")) == []


def killed(moment: int, train: Callable[[], Any]) -> bool:
    """Whether a process that trains was killed at a moment: before or after its n-th change of what the disk holds."""
    child = os.fork()  # from one that has torch already
    if child:
        _, status = os.waitpid(child, 0)
        assert status in (0, signal.SIGKILL)
        return status != 0
    passed = itertools.count()

    def killing(change: Callable[..., Any]) -> Callable[..., Any]:
        def changing(*arguments: Any, **options: Any) -> Any:
            if next(passed) == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            result = change(*arguments, **options)
            if next(passed) == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return changing

    try:
        os.fsync, tempfile.mkstemp = killing(os.fsync), killing(tempfile.mkstemp)
        for name in ("replace", "unlink"):
            setattr(Path, name, killing(getattr(Path, name)))
        train()
        os._exit(0)
    finally:
        os._exit(1)


def metrics(run: Run) -> list[dict[str, Any]]:
    """The run's metrics, but for what a clock put into them."""
    rows = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in ("seconds", "chars_per_second")} for row in rows]


def finish(trainer: Trainer) -> None:
    """Train to the end, as the command does: with samples and a report beside the checkpoints."""
    for _ in recorded(trainer):
        pass


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_killed_at_any_write_it_ends_with_the_same_files(text_file: Path, tmp_path: Path) -> None:
    """Before and after every replace, fsync, unlink and mkstemp: going on leaves all that an unbroken run does."""
    settings: dict[str, Any] = {"steps": 4, "eval_every": 2, "keep": 1, "preview": 9}
    finish(tiny.begin(text_file, tmp_path / "whole", **settings))
    whole = Run("run", tmp_path / "whole")
    resumed = 0
    for moment in itertools.count():
        root = tmp_path / str(moment)
        run = Run("run", root)
        if not killed(moment, lambda root=root: finish(tiny.begin(text_file, root, **settings))):  # type: ignore[misc]
            break
        if run.last.exists():
            load(run.best)
            resumed += 1
            finish(start.resume("run", root=root))
        else:
            finish(tiny.begin(text_file, root, overwrite=True, **settings))
        assert sorted(path.name for path in run.folder.iterdir()) == sorted(
            path.name for path in whole.folder.iterdir()
        )
        assert_same_run(tmp_path / "whole", root)
        assert metrics(run) == metrics(whole)
        assert run.samples.read_bytes() == whole.samples.read_bytes()
        assert_same_checkpoint(*(each.folder / "step-00000004.safetensors" for each in (run, whole)))
    assert moment > 100
    assert resumed > 80
