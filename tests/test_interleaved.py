"""Contestants in processes of their own."""

import itertools
import os
from collections.abc import Iterator

import pytest

from chargen.bench import interleaved, processors
from chargen.errors import ChargenError, ConfigError
from chargen.threads import THREAD_COUNTS

# The contestants of these tests; another process imports them from here.


def steady(characters: int) -> Iterator[int]:
    """One that is worth ``characters`` every turn."""
    return itertools.repeat(characters)


def threads() -> Iterator[int]:
    """One that complains of the threads it was given."""
    raise ConfigError(" ".join(os.environ[name] for name in THREAD_COUNTS))


def lost() -> Iterator[int]:
    """One whose process dies."""
    os._exit(7)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which stands still unless a test moves it."""
    now = [0.0]
    monkeypatch.setattr(interleaved, "perf_counter", lambda: now[0])
    monkeypatch.setattr(interleaved, "process_time", lambda: now[0] / 2)
    return now


def test_a_turn_lasts_until_its_time_is_up(clock: list[float]) -> None:
    """Pieces of work are done until then; all that they were worth counts, and all the time that they took."""

    def contestant() -> Iterator[int]:
        while True:
            clock[0] += 0.4
            yield 10

    assert interleaved.turn(contestant(), 1.0) == pytest.approx((30, 1.2, 0.6))


def test_a_slow_contestant_finishes_its_turn(clock: list[float]) -> None:
    """A piece of work that takes longer than the time given is done once and counted in full."""

    def contestant() -> Iterator[int]:
        clock[0] += 5.0
        yield 10

    assert interleaved.turn(contestant(), 1.0) == (10, 5.0, 2.5)


def test_each_contestant_runs_in_each_round() -> None:
    """A race gives one speed for each round and contestant, in the order in which they were given."""
    raced = interleaved.race(
        [interleaved.Contestant(steady, (worth,), 1) for worth in (1, 1000)], rounds=3, seconds=1e-3
    )
    assert raced.rates.shape == (3, 2)
    assert (raced.rates[:, 0] < raced.rates[:, 1]).all()


def test_a_contestants_error_comes_through_with_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a contestant raises is raised here; its process was told its threads, and this one's are as before."""
    for name in THREAD_COUNTS:
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv(THREAD_COUNTS[-1])
    with pytest.raises(ConfigError, match=r"^3 3 3 3$"):
        interleaved.race([interleaved.Contestant(threads, (), 3)], rounds=1, seconds=1e-3)
    assert [os.environ.get(name) for name in THREAD_COUNTS] == ["1", "1", "1", None]


def test_a_lost_process_is_an_error() -> None:
    """A contestant whose process dies is reported with its exit code, not waited for."""
    with pytest.raises(ChargenError, match="exit code 7"):
        interleaved.race([interleaved.Contestant(lost, (), 1)], rounds=1, seconds=1e-3)


@pytest.mark.parametrize(("worked", "others"), [(None, None), ((5.0, 5.0), 0.0), ((5.0, 1e6), 1e3)])
def test_what_others_do_is_what_the_processors_did_less_our_part(
    monkeypatch: pytest.MonkeyPatch, worked: tuple[float, float] | None, others: float | None
) -> None:
    """It is unknown where the system tells nothing of its processors, and never below nothing."""
    readings = itertools.repeat(None) if worked is None else iter(worked)
    monkeypatch.setattr(processors, "seconds_at_work", lambda: next(readings))
    raced = interleaved.race([interleaved.Contestant(steady, (1,), 1)], rounds=1, seconds=1e-3)
    if others:
        assert raced.others is not None
        assert raced.others > others
    else:
        assert raced.others == others
