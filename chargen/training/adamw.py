"""AdamW: Adam with decoupled weight decay."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torch.optim.adamw import adamw

BETAS: Final = (0.9, 0.99)
EPSILON: Final = 1e-8


class AdamW:
    """AdamW (Loshchilov & Hutter 2019, *Decoupled Weight Decay Regularization*, algorithm 2) by PyTorch's kernel.

    ``torch.optim.AdamW``, which calls the same kernel, loads PyTorch's compiler when it is made: 800 modules that take
    60 MB, and as long to load as torch itself; and what it checks at each step takes as long as a small network's step.

    Args:
        weights: What is trained, all on one device. Matrices decay, vectors do not.
        weight_decay: Of matrices.

    Attributes:
        moments: Running means of the gradients and of their squares by the names that PyTorch gives them, a tensor for
            each weight. They stay zero for a weight that no window reaches, as bptt 1 leaves some.
    """

    def __init__(self, weights: Sequence[Tensor], weight_decay: float) -> None:
        kind = weights[0].device.type
        self.moments: Mapping[str, Sequence[Tensor]] = {
            name: [torch.zeros_like(weight) for weight in weights] for name in ("exp_avg", "exp_avg_sq")
        }
        self._weights = weights
        self._groups = (
            (weight_decay, [at for at, weight in enumerate(weights) if weight.dim() > 1]),
            (0.0, [at for at, weight in enumerate(weights) if weight.dim() <= 1]),
        )
        self._fused = kind in ("cpu", "cuda")
        # steps done; on CUDA beside the weights, so that the fused update waits for nothing
        self._count = torch.zeros((), device=kind if kind == "cuda" else "cpu")

    def go_on_after(self, steps: int) -> None:
        """Count the next step as the one after so many."""
        self._count.fill_(steps)

    @torch.no_grad()
    def step(self, learning_rate: float, excess: Tensor | None = None) -> None:
        """Move the weights along their gradients.

        Args:
            learning_rate: Of this step.
            excess: What the gradients are divided by before they are used, 0-dimensional; None for nothing.
        """
        if excess is not None and not self._fused:
            torch._foreach_div_([weight.grad for weight in self._weights if weight.grad is not None], excess)
        self._count += 1
        for decay, members in self._groups:
            gradients = {at: gradient for at in members if (gradient := self._weights[at].grad) is not None}
            weights, means, squares = (
                [tensors[at] for at in gradients] for tensors in (self._weights, *self.moments.values())
            )
            settings: dict[str, Any] = {
                "lr": learning_rate,
                "beta1": BETAS[0],
                "beta2": BETAS[1],
                "weight_decay": decay,
                "eps": EPSILON,
                "amsgrad": False,
                "maximize": False,
            }
            # adamw raises the counts that it is given, the kernel expects them raised
            counts = [self._count if self._fused else self._count - 1 for _ in weights]
            moved: Any = (weights, list(gradients.values()), means, squares, [], counts)
            if self._fused:
                # divided as they are read, by what is there for a gradient scaler: saves a pass over all of them
                torch._fused_adamw_(*moved, **settings, grad_scale=excess)
            else:
                adamw(*moved, **settings)
