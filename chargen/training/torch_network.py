"""The network as torch trains it: embedding, stacked recurrent layers, linear read-out.

Legend: B batch, T time, V vocabulary, E input width, H hidden size, L layers, R read-out width, S state parts.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from chargen.config import CELLS, ModelConfig
from chargen.training.dropout import Masks
from chargen.training.item_rows import RESET
from chargen.training.torch_cells import Layer


class StackedRNN(nn.Module):
    """A stacked recurrent network that predicts the next character.

    Args:
        config: Architecture; the parameters are those of ``config.weight_shapes()``.
        seed: Of the initial weights: recurrent ones orthogonal gate by gate (Saxe et al. 2014), input ones uniform
            within 1 / sqrt(fan-in), the embedding normal, the read-out normal and small, so that every character
            starts as likely as any other, biases zero but for a forget gate at 1 (Jozefowicz et al. 2015).
        resets: Whether there may be resets among the characters, as in a list (``chargen.training.item_rows``).
    """

    def __init__(self, config: ModelConfig, *, seed: int = 1, resets: bool = False) -> None:
        super().__init__()
        self.config, self.resets = config, resets
        if not config.one_hot:
            self.embedding = nn.Embedding(config.vocab_size, config.embedding_size)
        self.layers = _layers(config)
        self.readout = nn.Linear(config.readout_size, config.vocab_size)
        if config.bidirectional:
            self.backward = nn.ModuleDict({"layers": _layers(config)})
            self.joint = nn.Linear(2 * config.readout_size, config.vocab_size)
        self._initialise(torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        size, forget_gate = self.config.hidden_size, CELLS[self.config.cell].forget_gate
        for name, weight in self.named_parameters():
            if name.endswith("weight_hh"):
                for row in range(0, len(weight), size):
                    nn.init.orthogonal_(weight[row : row + size], generator=generator)
            elif name == "embedding.weight":
                nn.init.normal_(weight, generator=generator)
            elif name in ("readout.weight", "joint.weight"):
                nn.init.normal_(weight, std=0.02, generator=generator)
            elif name.endswith("weight_ih"):
                bound = 1 / math.sqrt(weight.shape[1])
                nn.init.uniform_(weight, -bound, bound, generator=generator)
            else:
                nn.init.zeros_(weight)
                if name.endswith("bias_ih") and forget_gate is not None:
                    weight[forget_gate * size : (forget_gate + 1) * size] = 1

    @property
    def stack(self) -> list[Layer]:
        """The forward layers, the first one first."""
        return [layer for layer in self.layers if isinstance(layer, Layer)]

    def initial_state(self, batch_size: int) -> Tensor:
        """The zero state that a text starts from, (S, L, B, H), float32."""
        config = self.config
        shape = (config.state_parts, config.num_layers, batch_size, config.hidden_size)
        return torch.zeros(shape, device=self.readout.weight.device)

    def forward(self, ids: Tensor, state: Tensor, masks: Masks | None = None) -> tuple[Tensor, Tensor]:
        """The logits of each next character, and the state after the window.

        Args:
            ids: Characters, (T, B), int64.
            state: State before the window, (S, L, B, H).
            masks: Dropout, None for none.

        Returns:
            Logits (T, B, V) and state (S, L, B, H), both float32.
        """
        features, after = self.features(ids, state, masks)
        return self.logits(features), after

    def features(self, ids: Tensor, state: Tensor, masks: Masks | None = None) -> tuple[Tensor, Tensor]:
        """What the read-out sees, (T, B, R), and the state after the window, (S, L, B, H); see ``forward``."""
        return self._run(self.layers, ids, state, masks)

    def logits(self, features: Tensor) -> Tensor:
        """The logits of each next character, (T, B, V), float32, from what the read-out sees, (T, B, R).

        The bias is added in float32, which in bfloat16 takes half of the time of a product with a bias.
        """
        return F.linear(features, self.readout.weight).float() + self.readout.bias

    def joint_logits(self, features: Tensor, ids: Tensor, masks: Masks | None = None) -> Tensor:
        """The logits of characters from both sides (Berglund et al. 2015, section 2.2).

        The backward stack reads the window's characters from the last to the first, from the zero state. What it has
        after reading all those to the right of a character joins what the forward stack has after all those to its
        left.

        Args:
            features: The forward stack's, (T, B, R).
            ids: The characters to predict, (T, B): those that follow the ones that ``features`` come from.
            masks: Dropout of the window, None for none.

        Returns:
            Logits (T, B, V), float32; those at ``t`` do not depend on ``ids[t]``.
        """
        right = torch.zeros_like(features[:1])  # of the window's last character: nothing
        if len(ids) > 1:
            drop = None if masks is None else masks.backward
            layers = self.backward["layers"]
            read, _ = self._run(layers, ids[1:].flip(0), self.initial_state(ids.shape[1]), drop)
            right = torch.cat([right, read.to(features.dtype)]).flip(0)
        logits: Tensor = self.joint(torch.cat([features, right], dim=-1))
        return logits.float()

    def _run(self, layers: nn.Module, ids: Tensor, state: Tensor, masks: Masks | None) -> tuple[Tensor, Tensor]:
        """The features of one stack, and its state after ``ids``."""
        resets = ids == RESET if self.resets else None  # (T, B)
        if resets is not None:
            ids = ids.clamp(min=0)
        x = self._embedded(ids)
        if resets is not None:
            x = x * ~resets[..., None]
        if masks is not None and masks.inputs is not None:
            x = x.to(masks.inputs.dtype) * masks.inputs
        below, outputs, states = x, [], []
        for at, layer in enumerate(layers.children()):
            weight_hh: Any = layer.weight_hh
            if masks is not None and (drop := masks.recurrent[at]) is not None:
                weight_hh = weight_hh.to(drop.dtype) * drop
            hidden, after = layer(below, state[:, at], weight_hh, resets)
            outputs.append(hidden)
            states.append(after.float())
            below = hidden
            if masks is not None and at + 1 < self.config.num_layers and (drop := masks.between[at]) is not None:
                below = below * drop
            if self.config.skip:
                below = torch.cat([below, x.to(below.dtype)], dim=-1)
        features = torch.cat(outputs, dim=-1) if self.config.skip else outputs[-1]
        if masks is not None and masks.output is not None:
            features = features * masks.output.to(features.dtype)
        return features, torch.stack(states, dim=1)

    def _embedded(self, ids: Tensor) -> Tensor:
        """What the layers read of ``ids`` (T, B), (T, B, E), float32."""
        if self.config.one_hot:
            return F.one_hot(ids, self.config.vocab_size).float()
        if ids.device.type == "cpu":  # the gradient in a sixth of the time; a GPU would add it up in no fixed order
            return self.embedding.weight.index_select(0, ids.flatten()).view(*ids.shape, -1)
        embedded: Tensor = self.embedding(ids)
        return embedded

    def export(self) -> dict[str, NDArray[np.float32]]:
        """The weights as NumPy arrays, named as in ``config.weight_shapes()``; copies."""
        return {name: weight.detach().cpu().numpy().copy() for name, weight in self.named_parameters()}

    @torch.no_grad()
    def load(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        """Take over ``weights``, named and shaped as in ``config.weight_shapes()``."""
        for name, weight in self.named_parameters():
            weight.copy_(torch.from_numpy(weights[name]))


def _layers(config: ModelConfig) -> nn.ModuleList:
    widths = [config.layer_input_size(layer) for layer in range(config.num_layers)]
    return nn.ModuleList(Layer(config.cell, width, config.hidden_size) for width in widths)
