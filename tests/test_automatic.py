"""Automatic settings made definite."""

from typing import Any

import pytest

from chargen.config import ModelConfig, TrainConfig
from chargen.training import automatic, hardware
from chargen.training.distributed import ALONE, World


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """Characters a second by the number of threads, in the place of measuring them, on a machine of eight cores."""
    rates: dict[int, float] = {}

    def speed(_model: ModelConfig, train: TrainConfig, _seconds: float) -> float:
        return rates[train.threads]

    automatic._fastest_threads.cache_clear()
    monkeypatch.setattr(automatic, "_speed", speed)
    monkeypatch.setattr(hardware, "cores", lambda: 8)
    return rates


def threads(hidden_size: int = 256, **settings: Any) -> int:
    """What becomes of the settings' number of threads."""
    train = TrainConfig(device="cpu", precision="fp32", **settings)
    return automatic.resolve(train, ModelConfig(vocab_size=9, hidden_size=hidden_size), 100_000, World())[0].threads


@pytest.mark.parametrize(("one", "four", "eight", "best"), [(1, 2, 3, 8), (3, 1, 0.1, 1), (1, 3, 2, 4)])
def test_the_number_of_threads_is_the_one_that_a_trial_finds_fastest(
    rates: dict[int, float], one: float, four: float, eight: float, best: int
) -> None:
    """On a quiet machine that is all cores, beside busy neighbours fewer."""
    rates |= {1: one, 4: four, 8: eight}
    assert threads() == best


def test_nothing_is_tried_where_the_number_is_given_or_one_serves(rates: dict[int, float]) -> None:
    """A number that was chosen, or a network too small to share out, needs no trial; here none could be made."""
    assert threads(threads=2) == 2
    assert threads(hidden_size=16) == 1


def test_numbers_to_choose_from_are_one_half_and_all(rates: dict[int, float]) -> None:
    """Each is there once, and a number that was asked for, or a GPU's training, leaves no choice."""

    def counts(world: World = ALONE, hidden_size: int = 256, **settings: Any) -> tuple[int, ...]:
        train = TrainConfig(**{"device": "cpu", **settings})
        return automatic.thread_counts(train, ModelConfig(vocab_size=9, hidden_size=hidden_size), world)

    assert counts() == (1, 4, 8)
    assert counts(hidden_size=16) == (1,)
    assert counts(threads=2) == (2,)
    assert counts(device="cuda") == (8,)
