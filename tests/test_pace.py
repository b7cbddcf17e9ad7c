"""The pace of a training: what is told when it slows down, and the number of threads under a time budget."""

from collections.abc import Callable

import pytest
import torch

from chargen.training.pace import INTERVAL_SECONDS, REST_SECONDS, TRIAL_SECONDS, Pace

Speeds = Callable[[int], float]


@pytest.fixture(autouse=True)
def used(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of threads that torch was told, in the place of telling it."""
    used: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    return used


def train(pace: Pace, seconds: float, speed: Speeds) -> None:
    """Steps for so many seconds, at a number a second that depends on the threads."""
    while seconds > 0:
        took = 1 / speed(pace.threads)
        pace.stepped(took)
        seconds -= took


def test_a_slow_training_is_told_of_once() -> None:
    """When two intervals passed at less than half of the highest speed there is one note, with speeds and advice."""
    pace = Pace(2)
    train(pace, 3 * INTERVAL_SECONDS, lambda _: 10)
    train(pace, 1.5 * INTERVAL_SECONDS, lambda _: 4)
    assert pace.news(100, "alice") == ()
    train(pace, 1 * INTERVAL_SECONDS, lambda _: 4)
    (note,) = pace.news(100, "alice")
    assert "from 1,000 to 400 characters/s" in note
    assert note.endswith("go on with fewer threads: chargen train --resume alice --threads 1")
    train(pace, 3 * INTERVAL_SECONDS, lambda _: 1)
    assert pace.news(100, "alice") == ()


@pytest.mark.parametrize("pace", [Pace(1), Pace(2, (1, 2))])
def test_no_fewer_threads_are_advised_where_there_are_none_or_they_change_by_themselves(pace: Pace) -> None:
    """What can be done then is to close other programs or to wait."""
    train(pace, 2 * INTERVAL_SECONDS, lambda _: 10)
    train(pace, 4 * INTERVAL_SECONDS, lambda _: 2)
    (note,) = pace.news(100, "alice")
    assert note.endswith("go on later: chargen train --resume alice")


def test_a_pause_is_no_slowness() -> None:
    """One step that took hours, as when a laptop was closed, is not told of."""
    pace = Pace(2)
    train(pace, 3 * INTERVAL_SECONDS, lambda _: 10)
    pace.stepped(1e4)
    train(pace, 3 * INTERVAL_SECONDS, lambda _: 9)
    assert pace.news(100, "alice") == ()


def test_without_choices_the_number_of_threads_stays(used: list[int]) -> None:
    """However slow it becomes, a training that promises exactness keeps its threads."""
    pace = Pace(2)
    train(pace, 3 * INTERVAL_SECONDS, lambda _: 10)
    train(pace, 9 * REST_SECONDS, lambda _: 1)
    assert (pace.threads, used) == (2, [])


def test_under_a_time_budget_threads_follow_the_moment(used: list[int]) -> None:
    """When the speed falls all numbers are tried and the fastest is kept, and when others have gone it comes back."""
    pace = Pace(4, (1, 2, 4))
    train(pace, 2 * INTERVAL_SECONDS, lambda threads: 10 * threads)
    assert used == []
    train(pace, 2 * INTERVAL_SECONDS, lambda threads: {1: 10, 2: 20, 4: 1}[threads])
    assert pace.threads == 2
    assert used == [2, 1, 2]
    train(pace, 2 * REST_SECONDS, lambda threads: 10 * threads)
    assert pace.threads == 4


def test_trials_take_little_time() -> None:
    """No more than about a twentieth of the time goes into them, however slow a step of a bad number is."""
    spent = {1: 0.0, 2: 0.0}

    def speed(threads: int) -> float:
        spent[threads] += 1 / (rate := {1: 20.0, 2: 0.2}[threads])
        return rate

    pace = Pace(1, (1, 2))
    train(pace, 40 * REST_SECONDS, speed)
    assert pace.threads == 1
    assert 0 < spent[2] < 0.06 * 40 * REST_SECONDS
    assert TRIAL_SECONDS < 1
