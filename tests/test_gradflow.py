"""How far back a gradient reaches, against cases where the answer is known, and what clipping does."""

import dataclasses
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import samples
import torch
from hypothesis import given
from hypothesis import strategies as st
from samples import load_corpus
from torch import Tensor, nn
from torch.nn import functional as F

from chargen.config import CELLS, ModelConfig, TrainConfig
from chargen.errors import CorpusError, TrainingError
from chargen.experiments import gradflow
from chargen.experiments.gradflow import clipping, descend, effective_memory, measure, scale_recurrent
from chargen.training.step import Learner
from chargen.training.torch_network import StackedRNN

TEXT = np.random.default_rng(0).integers(7, size=400)


def network(cell: str, **settings: Any) -> StackedRNN:
    """A small fresh network whose read-out is as large as a trained one's."""
    config = {"vocab_size": 7, "num_layers": 1, "hidden_size": 5, "embedding_size": 4, **settings}
    made = StackedRNN(ModelConfig(cell=cell, **config))
    made.readout.weight.data.mul_(50)
    return made


def still(cell: str) -> StackedRNN:
    """A network that sees nothing of its input and nothing of its own past."""
    made = network(cell)
    for name in ("weight_ih", "weight_hh"):
        getattr(made.stack[0], name).data.zero_()
    return made


def test_a_linear_network_gives_powers_of_its_matrix() -> None:
    """At h = 0 a tanh network is linear, so that the gradient at lag k is the transposed matrix to the power k."""
    made = still("rnn")
    matrix = np.random.default_rng(1).standard_normal((5, 5)) / 2
    made.stack[0].weight_hh.data.copy_(torch.from_numpy(matrix))
    flow = measure(made, TEXT, lags=12, positions=10**6)
    bias, readout = (weight.detach().double().numpy() for weight in (made.readout.bias, made.readout.weight))
    errors = np.exp(bias) / np.exp(bias).sum() - np.eye(7)[TEXT[gradflow.CONTEXT + 13 :]]  # (positions, V)
    expected = [np.linalg.norm(errors @ readout @ np.linalg.matrix_power(matrix, k), axis=1).mean() for k in range(13)]
    assert flow.positions == len(errors) == 400 - 128 - 13
    np.testing.assert_allclose(flow.state[0], expected, rtol=1e-4)
    np.testing.assert_allclose(flow.hidden[0], expected, rtol=1e-4)


def test_an_lstm_remembers_through_its_cell() -> None:
    """Without recurrent weights h carries no gradient back, while c carries it on by the forget gate at each lag."""
    flow = measure(still("lstm"), TEXT, lags=20)
    forget = 1 / (1 + math.exp(-1))  # the bias that forget gates start with
    np.testing.assert_allclose(flow.state[0, 2:] / flow.state[0, 1:-1], forget, rtol=1e-5)
    assert flow.hidden[0, 0] == flow.state[0, 0] > 0
    assert not flow.hidden[0, 1:].any()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("skip", [False, True])
def test_every_path_counts(cell: str, skip: bool) -> None:
    """The norms are those of the derivative by a change of one layer's state at one step, through all that follows."""
    lags = 4
    made = network(cell, num_layers=2, skip=skip)
    window = torch.from_numpy(TEXT[: lags + 2, None])
    flow = measure(made, TEXT[: lags + 2], lags=lags, positions=1)
    total = np.zeros((2, lags + 1))
    for at, lag in itertools.product(range(2), range(lags + 1)):
        change = torch.zeros(made.config.state_parts, 1, 5, requires_grad=True)
        calls = itertools.count()

        def disturb(
            _layer: nn.Module,
            _inputs: object,
            output: tuple[Tensor, Tensor],
            change: Tensor = change,
            calls: "itertools.count[int]" = calls,
            step: int = lags - lag,
        ) -> tuple[Tensor, Tensor]:
            hidden, state = output
            return (hidden + change[0], state + change) if next(calls) == step else output

        handle = made.stack[at].register_forward_hook(disturb)
        state = made.initial_state(1)
        for step in range(lags + 1):
            logits, state = made(window[step : step + 1], state)
        handle.remove()
        (gradient,) = torch.autograd.grad(F.cross_entropy(logits[0], window[-1]), change)
        np.testing.assert_allclose(flow.state[at, lag], gradient.norm(), rtol=1e-4)
        np.testing.assert_allclose(flow.hidden[at, lag], gradient[0].norm(), rtol=1e-4)
        total[:, lag] += [float(gradient.square().sum()), float(gradient[0].square().sum())]
    np.testing.assert_allclose([flow.state[2], flow.hidden[2]], np.sqrt(total), rtol=1e-4)


def test_the_mean_is_over_all_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several positions, in several batches, give the mean of each by itself, after as much context."""
    monkeypatch.setattr(gradflow, "CONTEXT", 9)
    monkeypatch.setattr(gradflow, "COLUMNS", 2)
    made = network("gru")
    flow = measure(made, TEXT, lags=6, positions=5)
    ends = np.linspace(15, 398, 5).astype(int)
    alone = [measure(made, TEXT[end - 15 : end + 2], lags=6, positions=1).state for end in ends]
    assert flow.positions == 5
    np.testing.assert_allclose(flow.state, np.mean(alone, axis=0), rtol=1e-5)


def test_the_network_is_left_as_it_was() -> None:
    """Measuring leaves no hook, no gradient and no changed weight behind."""
    made = network("lstm")
    before = made.export()
    measure(made, TEXT, lags=3, positions=2)
    assert all(np.array_equal(weight, before[name]) for name, weight in made.export().items())
    assert all(weight.grad is None for weight in made.parameters())
    assert not any(layer._forward_hooks for layer in made.stack)


def test_a_scaled_network_explodes() -> None:
    """Recurrent weights scaled far above 1 make the gradient grow with the lag; unscaled ones let it vanish."""
    made = network("rnn", hidden_size=32)
    faint = measure(made, TEXT, lags=60, positions=32).state[-1]
    scale_recurrent(made, 3.0)
    loud = measure(made, TEXT, lags=60, positions=32).state[-1]
    assert faint[60] < 1e-6 * faint[0]
    assert loud[60] > 1e3 * loud[0]


def test_an_lstm_outlives_an_rnn() -> None:
    """At their starts, an LSTM's gradient reaches further back than an Elman network's."""
    lstm, rnn = (
        effective_memory(measure(network(cell, hidden_size=32), TEXT, lags=60, positions=32).state[-1])
        for cell in ("lstm", "rnn")
    )
    assert lstm is not None
    assert rnn is not None
    assert lstm > 1.3 * rnn


@given(st.floats(0.01, 0.99))
def test_effective_memory_of_a_geometric_curve(ratio: float) -> None:
    """A curve that shrinks by a ratio at each lag falls under 1 % at log 0.01 / log ratio, or beyond the window."""
    memory = effective_memory([5 * ratio**lag for lag in range(50)])
    expected = math.log(0.01) / math.log(ratio)
    if expected > 49:
        assert memory is None
    else:
        assert memory == pytest.approx(expected)


def test_effective_memory_of_a_curve_that_stops() -> None:
    """A gradient that is gone at lag 1 has reached less than one step back; one that only grows has no end."""
    gone = effective_memory([1.0, 0.0, 0.0])
    assert gone is not None
    assert 0 < gone < 0.01
    assert effective_memory([1.0, 2.0, 4.0]) is None


def test_a_short_text_is_refused() -> None:
    """A text needs the lags, the character at t and the one to predict."""
    measure(network("rnn"), TEXT[:22], lags=20)
    with pytest.raises(CorpusError, match="21 characters are too few for 20 lags"):
        measure(network("rnn"), TEXT[:21], lags=20)


def test_an_overflow_is_told() -> None:
    """A gradient beyond the largest float is an error, not a curve with infinities."""
    made = still("rnn")
    made.stack[0].weight_hh.data.copy_(1e10 * torch.eye(5))
    with pytest.raises(TrainingError, match="within 9 lags"):
        measure(made, TEXT, lags=9)


def test_clipping_is_read_from_the_history() -> None:
    """Shares and means weigh each stretch between two validations by its steps."""
    history = (
        samples.evaluation(10, clipped=1.0, grad_norm=8.0),
        samples.evaluation(40, clipped=0.5, grad_norm=2.0),
    )
    found = clipping(dataclasses.replace(samples.checkpoint(), history=history, train=TrainConfig(grad_clip=1.5)))
    assert found == gradflow.Clipping(limit=1.5, steps=40, share=0.625, mean=3.5, highest=8.0)
    assert clipping(dataclasses.replace(samples.checkpoint(), history=())) is None


def settings(**changes: Any) -> TrainConfig:
    """Settings of a short training."""
    return TrainConfig(**{"steps": 12, "batch_size": 8, "bptt": 32, "threads": 1, **changes})


def test_a_descent_differs_by_clipping_alone(text_file: Path) -> None:
    """Both trainings have the same first gradient, told as it was before clipping, and part ways after it."""
    corpus = load_corpus([text_file])
    model = ModelConfig(vocab_size=len(corpus.vocab), cell="rnn", num_layers=1, hidden_size=64, embedding_size=16)
    loose, tamed, again = (
        descend(corpus, model, settings(grad_clip=limit), recurrent_scale=2.25) for limit in (0, 1, 1)
    )
    calm = descend(corpus, model, settings())
    assert tamed == again
    assert loose.norms[0] == tamed.norms[0] > max(1, 3 * calm.norms[0])
    assert loose.losses[0] == tamed.losses[0] == pytest.approx(math.log2(len(corpus.vocab)), rel=0.05)
    assert loose.losses[-1] != tamed.losses[-1]
    assert loose.share_above(1) == 1
    assert loose.share_above(max(loose.norms)) == 0


def test_a_descent_learns(text_file: Path) -> None:
    """The loss goes down, and the final one is the mean over the last tenth of the steps, at least one."""
    corpus = load_corpus([text_file])
    model = ModelConfig(vocab_size=len(corpus.vocab), cell="rnn", num_layers=1, hidden_size=16, embedding_size=8)
    descent = descend(corpus, model, settings(steps=60))
    assert descent.final_bpc == pytest.approx(np.mean(descent.losses[-6:]))
    assert np.mean(descent.losses[-6:]) < descent.losses[0] - 0.5
    assert len(descent.losses) == len(descent.norms) == 60
    assert not descent.broke_down
    short = descend(corpus, model, settings(steps=3))
    assert short.final_bpc == short.losses[-1]


def test_a_descent_ends_where_it_breaks_down(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss that is not finite ends the training, and is told instead of counted."""
    corpus = load_corpus([text_file])
    model = ModelConfig(vocab_size=len(corpus.vocab), cell="rnn", num_layers=1, hidden_size=4, embedding_size=4)
    given = iter([(1.0, 0.5), (2.0, 3.0), (math.nan, 1.0)])
    monkeypatch.setattr(Learner, "learn", lambda *_: tuple(map(torch.tensor, next(given))))
    descent = descend(corpus, model, settings())
    assert descent.broke_down
    assert descent.norms == (0.5, 3.0)
    assert descent.losses == pytest.approx((1 / math.log(2), 2 / math.log(2)))
    assert descent.share_above(1) == 0.5
    monkeypatch.setattr(Learner, "learn", lambda *_: (torch.tensor(1.0), torch.tensor(math.inf)))
    assert descend(corpus, model, settings()).final_bpc is None
