"""Going on with a training that is finished: as it is, or beyond its end."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny
from conftest import Command
from samples import resume_of
from test_trainer import assert_same_run
from tiny import stop_after

from chargen.errors import ConfigError
from chargen.store.checkpoint import load
from chargen.training import start
from chargen.training.events import Evaluated, Started
from chargen.training.schedule import RESTART_SHARE

Settings = dict[str, Any]


@pytest.fixture(scope="module")
def finished(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a run that has ended after six steps; not to be changed."""
    root = tmp_path_factory.mktemp("finished")
    tiny.train(text_file, root, eval_every=2, keep=1)
    return root


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(finished, tmp_path / "root")
    return tmp_path / "root"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_finished_run_stays_byte_for_byte_as_it_is(chargen: Command, text_file: Path) -> None:
    """Its report and its samples too; what it is told to be is what it was, its time included, and what to do."""
    sizes = ["--hidden-size", 8, "--batch-size", 4, "--bptt", 10, "--device", "cpu"]
    chargen("train", text_file, "--run", "a", "--steps", 6, *sizes)
    before = contents(Path("checkpoints/a"))
    seconds = resume_of(Path("checkpoints/a/last.safetensors")).seconds
    result = chargen("train", "--resume", "a", "--json")
    assert result.code == 0
    assert "run      a, finished at step 6\n" in result.err
    assert "note: this run is finished, and stays as it is; to go on beyond its end, give more --epochs" in result.err
    assert f'"seconds": {seconds}' in result.out
    assert contents(Path("checkpoints/a")) == before
    result = chargen("train", "--resume", "a", "--steps", 12)
    assert result.code == 0
    assert "note: going on beyond the end at step 6, to step 12: the learning rate warms up to " in result.err
    assert chargen("train", "--resume", "a", "--steps", 12).error.startswith("run 'a' has 12 steps already")


def test_the_rate_warms_up_to_a_share_of_its_peak_and_decays_again(root: Path) -> None:
    """The steps are those of all the training; the settings say so from then on, and the test is scored anew."""
    made = start.resume("run", root=root, steps=26)
    rates = [made.schedule.learning_rate(step) for step in range(6, 26)]
    peak = RESTART_SHARE * made.train.learning_rate
    assert rates[:3] == pytest.approx([peak / 2, peak, peak])
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert 0 < rates[-1] < peak / 50
    [started, *_, last] = made.events()
    assert isinstance(started, Started)
    assert (started.step, started.total_steps, started.finished) == (6, 26, False)
    assert not isinstance(last, Started | Evaluated)
    found = load(root / "run" / "last.safetensors", with_state=True)
    assert found.resume is not None
    assert (found.train.steps, found.resume.step, found.resume.restart_step) == (26, 26, 6)
    best = load(root / "run" / "best.safetensors")
    assert best.history[-1].step > 6
    assert best.test_bpc is not None


@pytest.mark.parametrize("stops", [0, 1, 3, 5])
def test_what_goes_on_beyond_the_end_resumes_exactly(stops: int, root: Path, tmp_path: Path) -> None:
    """Stopped anywhere, before its first step too, it ends with the bits of one that was not."""
    shutil.copytree(root, tmp_path / "whole")
    tiny.finish(start.resume("run", root=tmp_path / "whole", steps=12))
    tiny.finish(start.resume("run", root=root, steps=12, stop=stop_after(stops)))
    assert resume_of(root / "run" / "last.safetensors").step == 6 + stops
    assert tiny.finish(start.resume("run", root=root)).step == 12
    assert_same_run(tmp_path / "whole", root)


def test_what_was_asked_for_is_known_whatever_ends_the_process(root: Path) -> None:
    """Killed before anything was trained, the run goes on to its new end by itself."""
    made = start.resume("run", root=root, steps=12)
    made.run.close()
    assert tiny.finish(start.resume("run", root=root)).step == 12


def test_what_is_cut_off_between_two_saves_ends_alike(root: Path, tmp_path: Path) -> None:
    """Steps that were not saved are taken again, at the same rates."""
    shutil.copytree(root, tmp_path / "whole")
    tiny.finish(start.resume("run", root=tmp_path / "whole", steps=12))
    events = start.resume("run", root=root, steps=12, stop=stop_after(3)).events()
    while not isinstance(next(events), Evaluated):
        pass
    events.close()
    assert resume_of(root / "run" / "last.safetensors").step == 8
    tiny.finish(start.resume("run", root=root))
    assert_same_run(tmp_path / "whole", root)


def test_it_may_go_on_beyond_its_end_again(root: Path) -> None:
    """Each time from where it ended."""
    tiny.finish(start.resume("run", root=root, steps=9))
    tiny.finish(start.resume("run", root=root, steps=12))
    assert resume_of(root / "run" / "last.safetensors").restart_step == 9


def test_an_unfinished_run_takes_more_steps_without_a_restart(text_file: Path, tmp_path: Path) -> None:
    """Its rate decays more slowly from where it stands, which is said, and its end is exact as well."""
    for name in ("whole", "broken"):
        tiny.train(text_file, tmp_path / name, stop=stop_after(3))
    made = start.resume("run", root=tmp_path / "whole", steps=12)
    assert made.notes[-1].startswith("going on to step 12, which is more than was planned")
    assert (made.schedule.restart_step, made.schedule.total_steps) == (0, 12)
    tiny.finish(made)
    tiny.finish(start.resume("run", root=tmp_path / "broken", steps=12, stop=stop_after(2)))
    tiny.finish(start.resume("run", root=tmp_path / "broken"))
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_a_budget_of_any_kind_takes_the_place_of_the_old_one(text_file: Path, root: Path, tmp_path: Path) -> None:
    """Epochs after steps, minutes after these, and steps after minutes that were spent."""
    made = start.resume("run", root=root, epochs=2)
    assert (made.train.steps, made.schedule.total_steps) == (0, 2 * made.windows.per_epoch)
    made.run.close()
    made = start.resume("run", root=root, minutes=30)
    assert made.schedule.total_steps > 2 * made.windows.per_epoch
    made.run.close()
    tiny.train(text_file, tmp_path / "timed", steps=0, minutes=0.001)
    made = start.resume("run", root=tmp_path / "timed", steps=12)
    assert (made.train.minutes, made.schedule.planned(10, 1.0), made.schedule.restart_step) == (0, 12, 10)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ({"steps": 6}, "run 'run' has 6 steps already; give more than that"),
        ({"steps": 5}, "run 'run' has 6 steps already"),
        ({"epochs": 0.01}, "run 'run' has 6 steps already, and 0.01 epochs are 2; give more"),
        ({"minutes": 0.001}, r"run 'run' has trained for [\d.e-]+ minutes, which leaves no time of 0.001; give more"),
        ({"steps": 12, "epochs": 3}, "--epochs, --steps are several budgets; give one of them"),
        ({"epochs": 0}, "epochs"),
    ],
)
def test_a_budget_that_is_no_more_is_refused(budget: Settings, words: str, root: Path) -> None:
    """With what the run has, and nothing of it is changed."""
    before = contents(root / "run")
    with pytest.raises(ConfigError, match=words):
        start.resume("run", root=root, **budget)
    assert contents(root / "run") == before


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ({"steps": 5}, "run 'run' is planned for 6 steps already; give more than that"),
        ({"minutes": 1e-6}, "run 'run' is planned for longer than 1e-06 minutes already; give more"),
    ],
)
def test_a_budget_below_that_of_a_stopped_run_is_refused(
    budget: Settings, words: str, text_file: Path, tmp_path: Path
) -> None:
    """Which has not done yet what was planned for it."""
    tiny.train(text_file, tmp_path, stop=tiny.stop_after(3))
    with pytest.raises(ConfigError, match=words):
        start.resume("run", root=tmp_path, **budget)


def test_patience_begins_anew(text_file: Path, tmp_path: Path) -> None:
    """A run that ended for want of a better loss goes on as long as it gets better than it is since then."""
    settings: Settings = {"eval_every": 5, "learning_rate": 2.0, "warmup": 0, "grad_clip": 0, "patience": 3}
    ended = tiny.train(text_file, tmp_path, steps=200, **settings)
    assert ended.reason is not None
    told = tiny.finish(start.resume("run", root=tmp_path))
    assert (told.step, told.reason) == (ended.step, ended.reason)
    assert tiny.finish(start.resume("run", root=tmp_path, steps=205)).step >= ended.step + 20
