"""The filters on distributions made by hand, and the draw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from chargen.config import SamplerConfig
from chargen.errors import CheckpointError
from chargen.inference import sampler as module
from chargen.inference.sampler import (
    Sampler,
    draw,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalise_repetition,
    scale_temperature,
)
from chargen.inference.softmax import centred

Array = NDArray[np.float64]
PLAIN = SamplerConfig(temperature=1)


def logits_of(*probabilities: float) -> Array:
    """One row of centred logits of this distribution."""
    with np.errstate(divide="ignore"):
        return centred(np.log([probabilities]))


def kept(logits: Array) -> list[int]:
    """The ids of the only row that may still be drawn."""
    return np.flatnonzero(np.isfinite(logits[0])).tolist()


def test_repetition_penalty_moves_recent_characters_down() -> None:
    """Recent ids lose whatever their logit's sign, each once, each row its own; -1 stands for no character."""
    logits = np.array([[2.0, -2.0, 1.0], [2.0, -2.0, 1.0]])
    penalised = penalise_repetition(logits, np.array([[0, 1, 0], [2, -1, -1]]), 2.0)
    np.testing.assert_array_equal(penalised, [[1.0, -4.0, 1.0], [2.0, -2.0, 0.5]])
    np.testing.assert_array_equal(logits[0], [2.0, -2.0, 1.0])


def test_temperature_divides_the_logits() -> None:
    """At temperature 0.5 the probabilities are squared; at a tiny one only the likeliest is left."""
    cold = np.exp(scale_temperature(logits_of(0.5, 0.25, 0.25), 0.5))
    np.testing.assert_allclose(cold / cold.sum(), [[2 / 3, 1 / 6, 1 / 6]])
    np.testing.assert_array_equal(np.exp(scale_temperature(np.array([[-100.0, 0.0, -1.0]]), 1e-307)), [[0, 1, 0]])


@pytest.mark.parametrize(
    ("k", "expected"), [(1, [1]), (2, [1, 2]), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3])]
)
def test_top_k_keeps_the_k_likeliest(k: int, expected: list[int]) -> None:
    """Exactly k stay, all of them with a k beyond the vocabulary."""
    assert kept(keep_top_k(logits_of(0.2, 0.4, 0.3, 0.1), k)) == expected


def test_top_k_breaks_ties_towards_the_lower_id() -> None:
    """Among equals as many stay as there is room for, the lower ids first."""
    assert kept(keep_top_k(logits_of(0.2, 0.2, 0.4, 0.2), 3)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("p", "expected"),
    [(1e-300, [1]), (0.5, [1]), (0.51, [1, 2]), (0.8, [1, 2]), (0.81, [0, 1, 2]), (0.9999, [0, 1, 2])],
)
def test_top_p_keeps_the_smallest_set_that_reaches_p(p: float, expected: list[int]) -> None:
    """The character that takes the sum to p stays, those after it go; the likeliest stays always."""
    assert kept(keep_top_p(logits_of(0.2, 0.5, 0.3), p)) == expected


def test_top_p_counts_what_an_earlier_filter_left() -> None:
    """Probabilities are those among the characters still there: half of 0.6 + 0.3 is within the first."""
    assert kept(keep_top_p(keep_top_k(logits_of(0.1, 0.6, 0.3), 2), 0.65)) == [1]


@pytest.mark.parametrize(("share", "expected"), [(1.0, [1]), (0.61, [1]), (0.59, [1, 2]), (0.2, [0, 1, 2])])
def test_min_p_measures_against_the_likeliest(share: float, expected: list[int]) -> None:
    """What has less than the share of the largest probability goes."""
    assert kept(keep_min_p(logits_of(0.2, 0.5, 0.3), share)) == expected


def test_draw_inverts_the_cumulative_distribution() -> None:
    """A uniform number falls on the id whose stretch of the unit interval holds it; ids of probability 0 have none."""
    row = logits_of(0.0, 0.25, 0.0, 0.75, 0.0)
    uniforms = np.array([0.0, 0.2499, 0.25, 0.9999, 1 - 2**-53])
    assert draw(np.repeat(row, 5, axis=0), uniforms).tolist() == [1, 1, 3, 3, 3]


def test_draws_follow_the_distribution() -> None:
    """Over many draws each id comes as often as its probability says."""
    logits = np.log([[0.1, 0.2, 0.7]]).astype(np.float32)
    sampler = Sampler(PLAIN, [5])
    counts = np.bincount([int(sampler(logits)[0]) for _ in range(4000)], minlength=3)
    np.testing.assert_allclose(counts / 4000, [0.1, 0.2, 0.7], atol=0.03)


@given(
    logits=arrays(np.float32, (2, 5), elements=st.floats(-(2.0**127), 2.0**127, width=32, allow_subnormal=False)),
    config=st.builds(
        SamplerConfig,
        temperature=st.one_of(st.just(0.0), st.floats(1e-300, 100)),
        top_k=st.integers(0, 7),
        top_p=st.floats(0, 1, exclude_min=True, allow_subnormal=False),
        min_p=st.floats(0, 1, allow_subnormal=False),
        repetition_penalty=st.floats(1e-3, 100),
    ),
)
@settings(max_examples=200, deadline=None)
def test_whatever_the_settings_an_allowed_id_comes(logits: NDArray[np.float32], config: SamplerConfig) -> None:
    """Extreme logits, ties and any mixture of filters give an id of the vocabulary that is not forbidden."""
    sampler = Sampler(config, [0, 1], recent=[[1, 2], [2]], forbidden=3)
    for _ in range(3):
        ids = sampler(logits)
        assert ids.shape == (2,)
        assert set(ids.tolist()) <= {0, 1, 2, 4}


def test_temperature_zero_takes_the_likeliest_allowed() -> None:
    """Temperature 0 is argmax, the lower id among equals, never the forbidden id."""
    sampler = Sampler(SamplerConfig(temperature=0), [0, 1], forbidden=2)
    assert sampler(np.array([[0.0, 1.0, 9.0, 1.0], [3.0, 1.0, 9.0, 1.0]], np.float32)).tolist() == [1, 0]


def test_what_a_text_draws_depends_on_its_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row draws the same alone, in a batch, after other rows left, and however many numbers are taken at once."""
    logits = np.zeros((3, 50), np.float32)
    alone = Sampler(PLAIN, [8])
    expected = [int(alone(logits[:1])[0]) for _ in range(12)]
    monkeypatch.setattr(module, "UNIFORMS", 5)
    batch = Sampler(PLAIN, [7, 8, 9])
    drawn = [int(batch(logits)[1]) for _ in range(7)]
    batch.keep([1, 2])
    drawn += [int(batch(logits[:2])[0]) for _ in range(5)]
    assert drawn == expected
    assert len(set(expected)) > 6


def test_the_penalty_sees_the_prompt_and_a_window_of_what_was_drawn() -> None:
    """A character counts as recent from the prompt on, until the window has passed it."""
    config = SamplerConfig(temperature=0, repetition_penalty=10, penalty_window=2)
    sampler = Sampler(config, [0], recent=[[0, 1]])
    logits = np.array([[4.0, 3.9, 3.8, 3.7]])
    assert [int(sampler(logits)[0]) for _ in range(6)] == [2, 0, 1, 2, 0, 1]


def test_the_penalty_goes_with_its_row() -> None:
    """When a text ends, those that go on keep their own recent characters."""
    sampler = Sampler(SamplerConfig(temperature=0, repetition_penalty=10), [0, 1])
    sampler(np.array([[4.0, 3.0], [3.0, 4.0]]))
    sampler.keep([1])
    assert sampler(np.array([[3.0, 4.0]])).tolist() == [0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_an_error(bad: float) -> None:
    """A damaged model is reported, whatever the settings, not sampled from."""
    for config in (PLAIN, SamplerConfig(temperature=0), SamplerConfig(top_k=1, top_p=0.5, repetition_penalty=2)):
        with pytest.raises(CheckpointError, match="not finite"):
            Sampler(config, [0, 1])(np.array([[0.0, 1.0], [0.0, bad]], np.float32))
