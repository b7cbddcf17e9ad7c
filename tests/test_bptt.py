"""How a text becomes windows: shifted by one, contiguous, and all of it seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from chargen.config import TrainConfig
from chargen.errors import CorpusError
from chargen.training.bptt import Windows, fit


def windows(characters: int, batch_size: int, bptt: int, *, start: int = 0, seed: int = 1) -> Windows:
    """Windows over a text in which each character is its own place."""
    train = TrainConfig(batch_size=batch_size, bptt=bptt, seed=seed)
    return Windows(np.arange(start + characters, dtype=np.uint32), range(start, start + characters), train)


def epoch(made: Windows, number: int = 0) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs and targets of every step of one epoch."""
    first = number * made.per_epoch
    pairs = [made.at(step) for step in range(first, first + made.per_epoch)]
    return [inputs for inputs, _ in pairs], [targets for _, targets in pairs]


def test_targets_are_inputs_shifted_by_one() -> None:
    """What is to be predicted is the character that follows in the text."""
    made = windows(101, 4, 5)
    for step in range(3 * made.per_epoch):
        inputs, targets = made.at(step)
        assert inputs.shape == targets.shape == (5, 4)
        assert (targets == inputs + 1).all()
        assert (inputs[1:] == targets[:-1]).all()


def test_windows_are_contiguous() -> None:
    """Each window's columns go on where those of the window before ended."""
    made = windows(101, 4, 5)
    for number in range(4):
        inputs, targets = epoch(made, number)
        for before, after in zip(targets, inputs[1:], strict=False):
            assert (before[-1] == after[0]).all()


@given(
    characters=st.integers(2, 400),
    batch_size=st.integers(1, 6),
    bptt=st.integers(1, 9),
    start=st.integers(0, 5),
    seed=st.integers(0, 99),
)
def test_an_epoch_sees_the_text_once(characters: int, batch_size: int, bptt: int, start: int, seed: int) -> None:
    """No target comes twice, none lies outside the split, and what is left over is less than a row and the offset."""
    if (characters - 1) // (batch_size * bptt) < 1:
        with pytest.raises(CorpusError, match=f"{characters} characters is too short"):
            windows(characters, batch_size, bptt, start=start)
        return
    made = windows(characters, batch_size, bptt, start=start, seed=seed)
    for number in range(2):
        inputs, targets = epoch(made, number)
        seen = np.concatenate([part.numpy().ravel() for part in targets])
        assert len(set(seen)) == len(seen)
        assert min(part.min() for part in inputs) >= start
        assert max(seen) < start + characters
        assert characters - 1 - len(seen) < batch_size * bptt + bptt
        columns = np.concatenate([part.numpy() for part in inputs])
        assert (np.diff(columns, axis=0) == 1).all()


def test_epochs_cut_the_text_elsewhere() -> None:
    """The offset changes from epoch to epoch and with the seed, and the same seed gives the same windows."""
    offsets = [int(windows(1000, 2, 10, seed=seed).at(step)[0][0, 0]) for seed in (1, 2) for step in (0, 49, 98, 147)]
    assert len(set(offsets)) > 3
    assert all(0 <= offset < 10 for offset in offsets)
    again = windows(1000, 2, 10, seed=2)
    assert int(again.at(147)[0][0, 0]) == offsets[-1]


def test_an_epoch_begins_with_its_first_window() -> None:
    """The state is reset where the columns start anew, and nowhere else."""
    made = windows(101, 4, 5)
    assert made.per_epoch == 5
    assert [step for step in range(12) if made.starts_epoch(step)] == [0, 5, 10]


def test_a_short_split_is_reported() -> None:
    """A split without a single window is an error that says what to lower."""
    with pytest.raises(CorpusError, match="40 characters is too short for 4 columns of 10 steps; lower"):
        windows(40, 4, 10)
    windows(41, 4, 10)


@given(characters=st.integers(2, 5000), batch_size=st.integers(1, 300), bptt=st.integers(1, 600))
def test_what_is_fitted_makes_windows(characters: int, batch_size: int, bptt: int) -> None:
    """Lowered where they must be, batch size and bptt give at least one window, two where the text has them."""
    lowered = fit(characters, batch_size, bptt)
    assert 1 <= lowered[0] <= batch_size
    assert 1 <= lowered[1] <= bptt
    made = windows(characters, *lowered)
    assert made.per_epoch >= min(2, characters - 1)


def test_a_text_that_is_long_enough_changes_nothing() -> None:
    """Nothing is lowered without need."""
    assert fit(100_000, 32, 64) == (32, 64)
