"""One network learning: its weights, their average, the optimizer, the carried state, and a single step of all."""

import copy
from collections.abc import Mapping
from typing import Any, Final

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from chargen.config import ModelConfig, TrainConfig
from chargen.training.adamw import AdamW
from chargen.training.distributed import ALONE, World
from chargen.training.dropout import Dropout, Masks
from chargen.training.hardware import on_device
from chargen.training.item_rows import RESET
from chargen.training.torch_network import StackedRNN

EARLY: Final = 64
"""Steps after each of which the average of the weights moves on."""
STRIDE: Final = 4
"""Steps from one move to the next later on, by 1 - decay^4 then: as four moves would, and up to three steps behind."""


class Learner:
    """What changes from step to step.

    Args:
        model: Architecture.
        train: Settings, with every automatic one resolved.
        world: The processes that share the batch's columns.
        resets: As in ``StackedRNN``.

    Attributes:
        network: The weights being trained.
        average: Their exponential moving average, which is what gets evaluated and saved; ``network`` itself where
            there is no averaging.
        hidden: The state of this process's columns carried from window to window, (S, L, B, H), detached.
        step: Optimizer steps done.
    """

    def __init__(self, model: ModelConfig, train: TrainConfig, world: World = ALONE, *, resets: bool = False) -> None:
        self.train, self.world = train, world
        self._columns = self.world.columns(train.batch_size)
        self.device = torch.device(train.device)
        self.network = StackedRNN(model, seed=train.seed, resets=resets).to(self.device)
        self.average = copy.deepcopy(self.network) if train.ema_decay else self.network
        self.hidden = self.network.initial_state(train.batch_size)[:, :, self._columns]
        self.step = 0
        self._objective = self.world.parallel(Objective(self.network))
        self._weights: list[Tensor] = list(self.network.parameters())
        self._averages: list[Tensor] = list(self.average.parameters())
        self._dropout = Dropout(model, train, self.device)
        self._optimizer = AdamW(self._weights, train.weight_decay)

    def learn(self, inputs: Tensor, targets: Tensor, learning_rate: float) -> tuple[Tensor, Tensor]:
        """One optimizer step on one window.

        Args:
            inputs: Characters, (T, B), int64, on any device; of all processes' columns, as the targets are.
            targets: The characters that follow them, likewise.
            learning_rate: Of this step.

        Returns:
            The mean loss in nats per character and the gradient's global norm before clipping, both 0-dimensional and
            on the device: nothing waits for a GPU here.
        """
        masks = self._dropout.masks(self.step)
        if self.world.size > 1:
            masks = masks.of(self._columns)
        weight = self._weight(targets)
        inputs, targets = (on_device(ids[:, self._columns], self.device) for ids in (inputs, targets))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.train.precision == "bf16"):
            total, loss, hidden = self._objective(inputs, targets, self.hidden, masks)
        if weight is not None:
            total, loss = total * weight, loss * weight
        for trained in self._weights:
            trained.grad = None
        total.backward()
        norm = self._update(learning_rate)
        self.hidden = hidden.detach()
        self.step += 1
        if self.average is not self.network:
            self._update_average()
        return self.world.mean(loss.detach()), norm

    def _weight(self, targets: Tensor) -> Tensor | None:
        """What this process's mean counts for beside the others', whose columns have other numbers of resets.

        Args:
            targets: Of all columns, (T, B).

        Returns:
            A factor, 0-dimensional and on the device; None where all means count alike.
        """
        if self.world.size == 1 or not self.network.resets:
            return None
        counted = targets != RESET
        return (counted[:, self._columns].sum() * self.world.size / counted.sum()).to(self.device)

    def forget(self) -> None:
        """Start from the zero state again, as at the start of an epoch."""
        self.hidden = torch.zeros_like(self.hidden)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything beside ``average`` and ``step`` that the next step depends on.

        On the CPU these are the tensors' own memory: they hold until the next step.
        """
        state = {"hidden": _array(self.world.gathered(self.hidden, dim=2))}
        for at, (name, weight) in enumerate(self.network.named_parameters()):
            if self.step:
                state |= {f"{key}.{name}": _array(moments[at]) for key, moments in self._optimizer.moments.items()}
            if self.average is not self.network:
                state[f"weight.{name}"] = _array(weight)
        return state

    def restore(self, step: int, average: Mapping[str, NDArray[Any]], state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what ``average.export()`` and ``state`` gave after ``step`` steps.

        Raises:
            KeyError: a tensor is missing.
            ValueError: a tensor's shape or type is not that of these settings.
        """

        def tensor(name: str, like: Tensor) -> Tensor:
            kept = torch.from_numpy(state[name])
            if (kept.shape, kept.dtype) != (like.shape, like.dtype):
                raise ValueError(f"{name} is {kept.dtype} {tuple(kept.shape)}, not {like.dtype} {tuple(like.shape)}")
            return kept.to(self.device)

        self.step = step
        self.average.load(average)
        self._optimizer.go_on_after(step)
        for at, (name, weight) in enumerate(self.network.named_parameters()):
            if self.average is not self.network:
                weight.data.copy_(tensor(f"weight.{name}", weight))
            if step:
                for key, moments in self._optimizer.moments.items():
                    moments[at].copy_(tensor(f"{key}.{name}", weight))
        everyone = self.network.initial_state(self.train.batch_size)
        self.hidden.copy_(tensor("hidden", everyone)[:, :, self._columns])

    @torch.no_grad()
    def _update(self, learning_rate: float) -> Tensor:
        """Step along the gradient, clipped; its norm before that."""
        gradients = [weight.grad for weight in self._weights if weight.grad is not None]
        norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        limit = self.train.grad_clip
        # on a CPU it is free to see whether the limit is reached, and dividing by 1 is not; on a GPU it would wait
        clipped = bool(limit) and (self.device.type != "cpu" or bool(norm > limit))
        self._optimizer.step(learning_rate, (norm / limit).clamp(min=1) if clipped else None)
        return norm

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the average on; early on it is short, so that it forgets the random start."""
        decay = min(self.train.ema_decay, self.step / (self.step + 10))
        if self.step > EARLY:
            if self.step % STRIDE:
                return
            decay **= STRIDE
        torch._foreach_lerp_(self._averages, self._weights, 1 - decay)


class Objective(nn.Module):
    """The mean cross-entropy of a window's characters, in nats.

    A bidirectional network has two: of each character from those before it, and of each from both sides. Their sum is
    minimised, so that the forward half stays a generator in its own right.

    Args:
        network: The network that is trained.
    """

    def __init__(self, network: StackedRNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor, targets: Tensor, state: Tensor, masks: Masks) -> tuple[Tensor, Tensor, Tensor]:
        """What to minimise and the loss of the forward half, scalars, and the state after the window, (S, L, B, H).

        Args:
            inputs: Characters, (T, B), int64.
            targets: The characters that follow them, likewise.
            state: State before the window, (S, L, B, H).
            masks: The window's dropout.
        """
        network, following = self.network, targets.flatten()
        features, after = network.features(inputs, state, masks)
        forward = F.cross_entropy(network.logits(features).flatten(0, 1), following)
        if not network.config.bidirectional:
            return forward, forward, after
        both = F.cross_entropy(network.joint_logits(features, targets, masks).flatten(0, 1), following)
        return forward + both, forward, after


def _array(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array
