"""Threads of the libraries below: as many as suit the moment, and asleep soon, unless the person has chosen."""

import os
from pathlib import Path

import pytest
from conftest import Command

from chargen import threads

CHOICES = (*threads.THREAD_COUNTS, *threads.WAITING, "OMP_WAIT_POLICY")


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of someone who has set nothing, put back at the end."""
    for name in CHOICES:
        monkeypatch.setenv(name, "")  # remembered by the fixture, also where it was not set
        monkeypatch.delenv(name)


def test_waiting_threads_sleep_soon() -> None:
    """Whatever OpenMP torch brings: GNU's, LLVM's or Intel's."""
    threads.bound_waiting()
    assert {name: os.environ[name] for name in threads.WAITING} == threads.WAITING


@pytest.mark.parametrize("name", ["GOMP_SPINCOUNT", "KMP_BLOCKTIME"])
def test_how_threads_wait_is_the_persons_choice(name: str) -> None:
    """What is set stays."""
    os.environ[name] = "7"
    threads.bound_waiting()
    assert os.environ[name] == "7"


def test_a_policy_for_all_is_not_overruled() -> None:
    """OpenMP's own variable decides where it is set."""
    os.environ["OMP_WAIT_POLICY"] = "passive"
    threads.bound_waiting()
    assert not os.environ.keys() & threads.WAITING.keys()


def test_the_command_line_bounds_waiting(chargen: Command) -> None:
    """Before any command, so before torch is loaded."""
    chargen("--version")
    assert os.environ["GOMP_SPINCOUNT"] == threads.WAITING["GOMP_SPINCOUNT"]


@pytest.mark.parametrize(
    ("number", "single", "expected"), [(0, False, "3"), (0, True, "1"), (5, False, "5"), (5, True, "5")]
)
def test_the_number_of_threads(number: int, single: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one given, else one for little work, else as many as there are idle cores."""
    monkeypatch.setattr(threads, "idle_cores", lambda: 3)
    threads.use_threads(number, single=single)
    assert os.environ["OPENBLAS_NUM_THREADS"] == expected


def test_a_number_in_the_environment_stays() -> None:
    """Unless another is given."""
    os.environ["OMP_NUM_THREADS"] = "6"
    threads.use_threads(0)
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    threads.use_threads(2)
    assert {os.environ[name] for name in threads.THREAD_COUNTS} == {"2"}


@pytest.mark.parametrize(
    ("running", "load", "expected"),
    [("1/90", 0.4, 4), ("3/90", 0.4, 2), ("40/90", 0.4, 1), ("1/90", 1.6, 2), ("3/90", 0.9, 2), ("?", 1.2, 3)],
)
def test_idle_cores_are_those_that_nothing_runs_on(
    running: str, load: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither now, this process apart, nor in the last minute, whichever is more; never none."""
    monkeypatch.setattr(threads, "cores", lambda: 4)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0), raising=False)
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: f"0.00 0.00 0.00 {running} 1234")
    assert threads.idle_cores() == expected


@pytest.mark.parametrize("command", ["sample", "score", "classify", "encode", "infill", "neurons"])
def test_what_runs_numpy_for_long_takes_a_number_of_threads(command: str, chargen: Command) -> None:
    """By the same option, with the same range."""
    assert "--threads" in chargen(command, "--help").out
    refused = chargen(command, "--threads", "-1")
    assert (refused.code, "--threads" in refused.error) == (2, True)
