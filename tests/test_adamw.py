"""AdamW: PyTorch's steps, bit for bit, without what PyTorch's class loads."""

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from chargen.training.adamw import BETAS, AdamW


def weights() -> list[Tensor]:
    """A matrix, a vector, and a matrix that no gradient reaches."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator) for shape in ((3, 4), (5,), (2, 2))]


def with_gradients(tensors: Sequence[Tensor], step: int) -> None:
    """Give the first two the gradients of a step."""
    generator = torch.Generator().manual_seed(step)
    for tensor in tensors[:2]:
        tensor.grad = torch.randn(tensor.shape, generator=generator)


@pytest.mark.parametrize("excess", [None, 1.0, 3.0])
def test_the_steps_are_pytorchs(excess: float | None) -> None:
    """Matrices decay and vectors do not; gradients are divided by what they are too long; nothing else moves."""
    mine, theirs = weights(), weights()
    optimizer = AdamW(mine, 0.1)
    groups: list[dict[str, Any]] = [
        {"params": [theirs[0], theirs[2]], "weight_decay": 0.1},
        {"params": [theirs[1]], "weight_decay": 0.0},
    ]
    expected = torch.optim.AdamW(groups, betas=BETAS, fused=True)
    divisor = None if excess is None else torch.tensor(excess)
    expected.grad_scale = divisor  # type: ignore[attr-defined]  # the gradient scaler's way in
    for step in range(5):
        with_gradients(mine, step)
        with_gradients(theirs, step)
        for group in expected.param_groups:
            group["lr"] = 0.1 / (step + 1)
        expected.step()
        optimizer.step(0.1 / (step + 1), divisor)
    for weight, other in zip(mine, theirs, strict=True):
        assert torch.equal(weight, other)
    assert not torch.equal(mine[0], weights()[0])
    assert torch.equal(mine[2], weights()[2])
    for name, moments in optimizer.moments.items():
        for moment, other in zip(moments[:2], theirs[:2], strict=True):
            assert torch.equal(moment, expected.state[other][name])
        assert not moments[2].any()


def test_elsewhere_the_steps_are_those_of_pytorchs_function() -> None:
    """Where no fused kernel divides the gradients they are divided before, and the steps are counted likewise."""
    mine, theirs = weights(), weights()
    optimizer = AdamW(mine, 0.1)
    optimizer._fused = False
    groups: list[dict[str, Any]] = [
        {"params": [theirs[0], theirs[2]], "weight_decay": 0.1},
        {"params": [theirs[1]], "weight_decay": 0.0},
    ]
    expected = torch.optim.AdamW(groups, lr=0.1, betas=BETAS)
    for step in range(5):
        with_gradients(mine, step)
        with_gradients(theirs, step)
        for weight in theirs[:2]:
            assert weight.grad is not None
            weight.grad /= 3
        expected.step()
        optimizer.step(0.1, torch.tensor(3.0))
    for weight, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(weight, other)


def test_a_training_loads_no_compiler() -> None:
    """PyTorch's takes 60 MB, and as long to load as torch itself."""
    code = (
        "import sys, torch\n"
        "from chargen.config import ModelConfig, TrainConfig\n"
        "from chargen.training.step import Learner\n"
        "settings = TrainConfig(batch_size=2, bptt=2, device='cpu', precision='fp32')\n"
        "learner = Learner(ModelConfig(vocab_size=2, hidden_size=2), settings)\n"
        "learner.learn(torch.zeros(2, 2, dtype=torch.int64), torch.ones(2, 2, dtype=torch.int64), 0.1)\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
