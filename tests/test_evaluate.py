"""Bits per character of a split: every character of it, from all that comes before."""

import math

import numpy as np
import pytest
import torch

from chargen.config import ModelConfig
from chargen.schema import record
from chargen.training.evaluate import CONTEXT, SCALES, calibrate, evaluate
from chargen.training.torch_network import StackedRNN

IDS = np.random.default_rng(0).integers(0, 7, 4000).astype(np.uint8)


def network(**changes: object) -> StackedRNN:
    """A network that is sure of itself, and wrong."""
    made = StackedRNN(record(ModelConfig, {"vocab_size": 7, "hidden_size": 6, "embedding_size": 4, **changes}))
    with torch.no_grad():
        made.readout.weight.mul_(30)
    return made


@torch.no_grad()
def by_hand(made: StackedRNN, span: range, scale: float = 1) -> float:
    """Mean bits of the characters of the span, read in one piece from the text's beginning."""
    ids = torch.from_numpy(IDS[: span.stop].astype(np.int64))[:, None]
    logits, _ = made(ids[:-1], made.initial_state(1))
    nats = -(logits * scale).log_softmax(-1).gather(-1, ids[1:, :, None])
    return float(nats.flatten()[max(span.start, 1) - 1 :].mean()) / math.log(2)


@pytest.mark.parametrize(
    "span", [range(2000, 2300), range(700), range(1, 2), range(3999, 4000), range(100, 1500), range(5, 4000)]
)
def test_every_character_counts_once(span: range) -> None:
    """The mean is that of one pass over the text, but for the very first character, which nothing predicts."""
    made = network()
    (bits,) = evaluate(made, IDS, span, column=10_000)
    short = span.start > CONTEXT  # the context is then shorter than all that comes before
    assert bits == pytest.approx(by_hand(made, span), abs=2e-3 if short else 1e-5)


def test_columns_change_next_to_nothing() -> None:
    """Cut into columns that start from the characters before them, the result is that of one column."""
    made = network()
    whole, cut = (evaluate(made, IDS, range(1000, 3900), column=column)[0] for column in (10_000, 100))
    assert cut == pytest.approx(whole, abs=1e-4)


def test_each_factor_scales_the_logits() -> None:
    """Several factors are tried on the same logits."""
    made = network()
    span = range(10, 200)
    for scale, bits in zip((0.5, 1.0, 2.0), evaluate(made, IDS, span, scales=(0.5, 1.0, 2.0)), strict=True):
        assert bits == pytest.approx(by_hand(made, span, scale), abs=1e-5)


def test_calibration_finds_the_best_factor() -> None:
    """A network too sure of itself is made less so, and the bits are those with the factor."""
    made = network()
    scale, bits = calibrate(made, IDS, range(500, 900))
    assert scale == min(SCALES)
    assert bits == pytest.approx(evaluate(made, IDS, range(500, 900), scales=(scale,))[0], abs=1e-6)
    assert bits < evaluate(made, IDS, range(500, 900))[0]


def test_the_network_is_left_as_it_was() -> None:
    """Evaluating changes neither its mode nor its weights, and keeps no gradient."""
    made = network()
    made.train()
    before = made.export()
    evaluate(made, IDS, range(500, 600))
    assert made.training
    assert all((before[name] == weight).all() for name, weight in made.export().items())
    assert all(weight.grad is None for weight in made.parameters())


def test_from_both_sides_each_character_is_judged_by_all_others() -> None:
    """The loss of a bidirectional network is that of its joint logits over one long window."""
    made = network(bidirectional=True)
    with torch.no_grad():
        made.joint.weight.mul_(30)
        ids = torch.from_numpy(IDS[:90].astype(np.int64))[:, None]
        features, _ = made.features(ids[:-1], made.initial_state(1))
        logits = made.joint_logits(features, ids[1:])
        nats = -logits.log_softmax(-1).gather(-1, ids[1:, :, None]).flatten()
    (bits,) = evaluate(made, IDS, range(20, 90), both_sides=True)
    assert bits == pytest.approx(float(nats[19:].mean()) / math.log(2), abs=1e-5)
