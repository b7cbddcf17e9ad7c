"""Dropout for recurrent networks: one mask for a whole window.

Legend: B batch, E input width, H hidden size, R read-out width.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chargen.config import CELLS, ModelConfig, TrainConfig
from chargen.training.hardware import on_device


@dataclass(frozen=True)
class Masks:
    """One window's dropout: factors of 0 or 1 / (1 - p), the same at every step of the window.

    Attributes:
        inputs: On the embedded characters, (B, E).
        between: On what each layer but the top one hands up, (B, H) each.
        output: On what the read-out sees, (B, R).
        recurrent: DropConnect on each layer's ``weight_hh``, of its shape.
        backward: The same for the backward stack of a bidirectional network.
    """

    inputs: Tensor | None
    between: tuple[Tensor | None, ...]
    output: Tensor | None
    recurrent: tuple[Tensor | None, ...]
    backward: "Masks | None" = None

    def of(self, columns: slice) -> "Masks":
        """The masks of some of the batch's columns; those of weights are the same for all."""
        return Masks(
            inputs=None if self.inputs is None else self.inputs[columns],
            between=tuple(None if mask is None else mask[columns] for mask in self.between),
            output=None if self.output is None else self.output[columns],
            recurrent=self.recurrent,
            backward=None if self.backward is None else self.backward.of(columns),
        )

    @staticmethod
    def draw(config: ModelConfig, train: TrainConfig, batch_size: int, step: int, device: torch.device) -> "Masks":
        """The masks of optimizer step ``step``.

        They follow from the seed and the step alone, whatever the device, so that no random state has to be saved. A
        rate is rounded to a multiple of 1/256: a mask then takes one random byte an entry, which is about ten times
        faster than PyTorch's ``bernoulli_`` on a CPU.
        """
        random = np.random.SFC64((train.seed, step))

        def mask(rate: float, *shape: int) -> Tensor | None:
            dropped = round(rate * 256)
            if dropped == 0:
                return None
            entries = shape[0] * shape[1]
            drawn = random.random_raw((entries + 7) // 8).view(np.uint8)[:entries].reshape(shape)
            kept, factor = drawn >= dropped, 256 / (256 - dropped)
            if device.type == "cpu":
                return torch.from_numpy(np.multiply(kept, np.float32(factor), dtype=np.float32))
            return on_device(torch.from_numpy(kept), device).to(torch.float32).mul_(factor)  # a byte an entry travels

        rows = len(CELLS[config.cell].gates) * config.hidden_size
        layers = range(config.num_layers)

        def stack(backward: Masks | None = None) -> Masks:
            return Masks(
                inputs=mask(train.input_dropout, batch_size, config.input_size),
                between=tuple(mask(train.dropout, batch_size, config.hidden_size) for _ in layers[1:]),
                output=mask(train.output_dropout, batch_size, config.readout_size),
                recurrent=tuple(mask(train.weight_drop, rows, config.hidden_size) for _ in layers),
                backward=backward,
            )

        return stack(stack() if config.bidirectional else None)
