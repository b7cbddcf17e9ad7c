"""The softmax: probabilities whatever the logits' size, and one error for what is not finite."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import CheckpointError
from chargen.inference.softmax import bits_of, centred, log_softmax, softmax

rows = st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=9).map(lambda row: np.array([row], np.float32))


@given(logits=rows, shift=st.sampled_from([0, 1e4, -1e30]))
def test_probabilities_are_those_of_the_definition(logits: np.ndarray, shift: float) -> None:
    """exp(a) over the sum of all, of rows of any number of axes; a large constant in all logits does not overflow."""
    expected = np.exp(logits.astype(np.float64)) / np.exp(logits.astype(np.float64)).sum()
    np.testing.assert_allclose(softmax(logits), expected, rtol=1e-9)
    np.testing.assert_allclose(np.exp(log_softmax(logits[0])), expected[0], rtol=1e-9)
    assert softmax(logits.astype(np.float64) + shift).sum() == pytest.approx(1)


@given(logits=rows)
def test_the_likeliest_is_at_zero(logits: np.ndarray) -> None:
    """Differences stay, and the logits given stay as they are."""
    before = logits.copy()
    values = centred(logits)
    assert values.dtype == np.float64
    assert values.max() == 0
    np.testing.assert_allclose(values - values[0, 0], logits.astype(np.float64) - logits[0, 0], atol=1e-12)
    np.testing.assert_array_equal(logits, before)


def test_bits_are_those_of_the_targets() -> None:
    """-log2 of each row's own target."""
    logits = np.log([[0.5, 0.25, 0.25], [0.125, 0.5, 0.375]])
    np.testing.assert_allclose(bits_of(logits, np.array([0, 2])), -np.log2([0.5, 0.375]))


def test_what_is_impossible_has_no_probability() -> None:
    """A logit of -inf beside finite ones."""
    np.testing.assert_array_equal(softmax(np.array([0, -np.inf, 0], np.float32)), [0.5, 0, 0.5])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_not_finite_are_an_error(bad: float) -> None:
    """In any row, whatever is asked."""
    logits = np.array([[1, 2], [bad, 0]], np.float32)
    for ask in (centred, softmax, log_softmax, lambda values: bits_of(values, np.zeros(2, np.int64))):
        with pytest.raises(CheckpointError, match="not finite"):
            ask(logits)
    with pytest.raises(CheckpointError, match="not finite"):
        bits_of(np.array([[0, -np.inf]], np.float32), np.array([1]))
