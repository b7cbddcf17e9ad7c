"""How many steps there are, and how fast each learns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import TrainConfig
from chargen.presets import RESERVE_SECONDS
from chargen.training.schedule import Schedule


def test_warm_up_then_cosine_decay() -> None:
    """The rate rises in a line to its peak, is half of it midway through the decay, and ends near zero."""
    schedule = Schedule(TrainConfig(steps=110, warmup=10, learning_rate=0.5), steps_per_epoch=7)
    assert [schedule.learning_rate(step) for step in range(10)] == pytest.approx([0.05 * (n + 1) for n in range(10)])
    assert schedule.learning_rate(10) == 0.5
    assert schedule.learning_rate(60) == pytest.approx(0.25)
    assert 0 < schedule.learning_rate(109) < 0.001
    assert schedule.learning_rate(110) == pytest.approx(0)


@given(steps=st.integers(1, 500), warmup=st.integers(0, 600))
def test_the_rate_rises_then_falls(steps: int, warmup: int) -> None:
    """However short the training, the warm-up takes a tenth at most, and no rate is negative or over the peak."""
    schedule = Schedule(TrainConfig(steps=steps, warmup=warmup, learning_rate=1.0), steps_per_epoch=1)
    rates = [schedule.learning_rate(step) for step in range(steps)]
    top = rates.index(max(rates))
    assert top <= max(steps // 10, 1)
    assert max(rates) <= 1
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert min(rates) > 0


@pytest.mark.parametrize(("epochs", "expected"), [(3, 21), (0.5, 4), (1e-6, 1)])
def test_epochs_become_steps(epochs: float, expected: int) -> None:
    """Epochs are counted in windows, a fraction rounded up; steps rule over them."""
    assert Schedule(TrainConfig(epochs=epochs), steps_per_epoch=7).total_steps == expected
    assert Schedule(TrainConfig(epochs=epochs, steps=5), steps_per_epoch=7).total_steps == 5


def test_a_time_budget_is_fitted_to_the_speed() -> None:
    """With minutes, what is left of them at the speed so far says how many steps there will be."""
    schedule = Schedule(TrainConfig(minutes=2), steps_per_epoch=7)
    assert schedule.planned(50, 20.0) == 50 + int((120 - RESERVE_SECONDS - 20) * 50 / 20)
    assert schedule.planned(50, 500.0) == 50
    unlimited = Schedule(TrainConfig(steps=9), steps_per_epoch=7)
    assert unlimited.planned(3, 500.0) == 9
