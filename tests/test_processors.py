"""How much the processors work."""

import os
from pathlib import Path

import pytest

from chargen.bench import processors

STAT = """cpu  900 90 900 9000 9 9 9 9 900 9
cpu0 100 10 200 9000 50 3 4 5 60 7
cpu1 1000 100 2000 9000 50 30 40 50 60 7
cpu10 5 5 5 5 5 5 5 5 5 5
intr 1 2 3
"""


@pytest.mark.parametrize(("allowed", "ticks"), [({0}, 322), ({0, 1}, 3542), ({10}, 30)])
def test_work_is_that_of_the_processors_we_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: set[int], ticks: int
) -> None:
    """User, nice, system, interrupts and what a hypervisor took count; idling, waiting and guests do not."""
    stat = tmp_path / "stat"
    stat.write_text(STAT)
    monkeypatch.setattr(processors, "STAT", stat)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: allowed, raising=False)
    monkeypatch.setattr(os, "sysconf", {"SC_CLK_TCK": 100}.__getitem__, raising=False)
    assert processors.seconds_at_work() == ticks / 100


@pytest.mark.parametrize("text", [None, "", "cpu0 one two", "cpu0 1 2"])
def test_a_system_that_tells_nothing_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    """Without the file, or with one that is written otherwise, the work is unknown."""
    stat = tmp_path / "stat"
    if text is not None:
        stat.write_text(text)
    monkeypatch.setattr(processors, "STAT", stat)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0}, raising=False)
    assert processors.seconds_at_work() is None


def test_a_system_without_affinities_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a process cannot know which processors are its own, nothing is said of their work."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert processors.seconds_at_work() is None
