"""Dropout for recurrent networks: one mask for a whole window.

Legend: B batch, E input width, H hidden size, R read-out width.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from chargen.config import CELLS, ModelConfig, TrainConfig

BLOCK: Final = 256
"""Steps whose places are drawn together."""
DRAWS: Final = 1 << 16
"""Values that a draw can have; a rate is rounded to a multiple of one over that, and 1 / (1 - rate) to its type."""
LEAST: Final = 1 << 20
"""Entries that are drawn at least: enough for each step to find others."""


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


class Dropout:
    """The masks of a training, a set for each step.

    Drawing each mask anew would take longer than all that it is used for. Each is a stretch of random entries that were
    drawn once, from a random place on: within a mask the entries are independent, and so are those that one weight or
    unit gets at different steps; masks of one rate may share entries, which then lie at other places. All follow from
    the seed and the step, so that no random state has to be saved.

    Args:
        config: Architecture.
        train: The rates, the batch size, the seed and the precision. On a CPU bf16 has its masks in bfloat16, as its
            products; on a GPU they are float32, since there the fused layers take weights of one type alone.
        device: Where the masks are.
    """

    def __init__(self, config: ModelConfig, train: TrainConfig, device: torch.device) -> None:
        self._seed = train.seed
        self._num_layers, self._bidirectional = config.num_layers, config.bidirectional
        batch_size, rows = train.batch_size, len(CELLS[config.cell].gates) * config.hidden_size
        self._shapes = [  # rate and shape of each mask of a stack
            (train.input_dropout, (batch_size, config.input_size)),
            *[(train.dropout, (batch_size, config.hidden_size))] * (config.num_layers - 1),
            (train.output_dropout, (batch_size, config.readout_size)),
            *[(train.weight_drop, (rows, config.hidden_size))] * config.num_layers,
        ]
        dtype = torch.bfloat16 if train.precision == "bf16" and device.type == "cpu" else torch.float32
        largest = {
            rate: max(math.prod(shape) for other, shape in self._shapes if other == rate) for rate, _ in self._shapes
        }
        self._entries = {
            rate: random_entries(rate, max(LEAST, 2 * size), train.seed, dtype).to(device)
            for rate, size in largest.items()
            if rate
        }

    def masks(self, step: int) -> Masks:
        """The masks of optimizer step ``step``, from 0, for all of the batch's columns."""
        block, row = divmod(step, BLOCK)
        places = _places(self._seed, block, len(self._shapes) * (1 + self._bidirectional))[row]
        forward, backward = places[: len(self._shapes)], places[len(self._shapes) :]
        return self._stack(forward, self._stack(backward) if self._bidirectional else None)

    def _stack(self, places: Sequence[float], backward: Masks | None = None) -> Masks:
        """The masks of one stack; ``places``, each from 0 to 1, say where the entries of each begin."""
        masks = [self._mask(place, *shape) for place, shape in zip(places, self._shapes, strict=True)]
        top = self._num_layers
        return Masks(
            inputs=masks[0],
            between=tuple(masks[1:top]),
            output=masks[top],
            recurrent=tuple(masks[top + 1 :]),
            backward=backward,
        )

    def _mask(self, place: float, rate: float, shape: tuple[int, int]) -> Tensor | None:
        if rate == 0:
            return None
        entries, size = self._entries[rate], math.prod(shape)
        return entries.narrow(0, int(place * (len(entries) - size)), size).view(shape)


@functools.lru_cache(maxsize=1)  # a generator takes longer to make than all else that a step's masks need
def _places(seed: int, block: int, count: int) -> list[list[float]]:
    """Random places from 0 to 1, ``count`` for each step of a block."""
    places: list[list[float]] = np.random.default_rng((seed, block)).random((BLOCK, count)).tolist()
    return places


def random_entries(rate: float, count: int, seed: int, dtype: torch.dtype) -> Tensor:
    """Random entries of masks, (count,): 1 / (1 - rate) as ``dtype`` has it, or 0, with 1 as their mean."""
    factor = torch.tensor(1 / (1 - rate)).to(dtype).item()
    drawn = np.random.SFC64((seed, int(rate * DRAWS))).random_raw((count + 3) // 4).view(np.uint16)[:count]
    return torch.from_numpy(drawn < round(DRAWS / factor)).to(dtype).mul_(factor)
