"""How well a network predicts a split, in bits per character."""

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from chargen.text.id_file import Ids
from chargen.training.item_rows import RESET, ItemRows
from chargen.training.torch_network import StackedRNN

CONTEXT: Final = 256  # characters read, unscored, before the first scored one of a column
WINDOW: Final = 64  # so that validating takes less memory than a step of training
AHEAD: Final = 128  # characters read, unscored, after the last scored one of a window, when both sides predict


SCALES: Final = tuple(float(scale) for scale in np.linspace(0.5, 1.5, 11).round(2))
"""What ``calibrate`` tries: half a step off costs under 0.001 bits."""


def calibrate(network: StackedRNN, ids: Ids, span: range, *, end: int | None = None) -> tuple[float, float]:
    """The factor on the logits that predicts ``span`` best, and the bits per character with it.

    A network that has learnt a small text by heart is surer of itself on a new one than it may be; one number, chosen
    on the validation split, mends most of that (temperature scaling, Guo et al. 2017, *On Calibration of Modern Neural
    Networks*, section 4.2).
    """
    bits = evaluate(network, ids, span, scales=SCALES, end=end)
    best = int(np.argmin(bits))
    return SCALES[best], bits[best]


class _TextColumns:
    """A span of a text as columns side by side, (T, B), of which some characters are ``scored``.

    A column starts ``CONTEXT`` characters before the first that is.
    """

    def __init__(self, ids: Ids, span: range, column: int) -> None:
        self._ids = ids
        self._stop = span.stop
        span = range(max(1, span.start), span.stop)  # nothing predicts a text's first character
        columns = min(64, max(1, len(span) // column))
        length = math.ceil(len(span) / columns)
        context = min(CONTEXT, span.start - 1)
        # places of the characters to read; the last column may run past the span, where nothing is scored
        self._places = span.start + length * np.arange(columns) + np.arange(-context, length)[:, None]  # (T, B)
        self.scored = (np.arange(len(self._places)) >= context)[:, None] & (self._places < span.stop)

    def window(self, at: int, steps: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of some rows from row ``at`` on, as many as there are, int64."""
        places = self._places[at : at + steps].clip(1, self._stop - 1)
        inputs, targets = (torch.from_numpy(self._ids[places + shift].astype(np.int64)) for shift in (-1, 0))
        return inputs, targets


class _ListColumns:
    """A span of a list likewise; a column starts where an item does, and all but the resets are scored."""

    def __init__(self, ids: Ids, span: range, column: int, end: int) -> None:
        self._rows = ItemRows(ids, span, end)
        starts = np.unique(self._rows.column_starts(min(64, max(1, len(span) // column))))
        stops = np.append(starts[1:], len(self._rows))
        self._places = starts + np.arange((stops - starts).max())[:, None]  # (T, B)
        _, targets = self._rows.at(self._places)
        self.scored = (self._places < stops) & (targets.numpy() != RESET)

    def window(self, at: int, steps: int) -> tuple[Tensor, Tensor]:
        return self._rows.at(self._places[at : at + steps])


@torch.no_grad()
def evaluate(
    network: StackedRNN,
    ids: Ids,
    span: range,
    *,
    column: int = 512,
    scales: tuple[float, ...] = (1.0,),
    both_sides: bool = False,
    end: int | None = None,
) -> list[float]:
    """Bits per character of the characters ``span`` of ``ids``, each predicted from those before it.

    The span is read in contiguous columns side by side, the state carried down each. A column starts from the state
    that the ``CONTEXT`` characters before it leave, so that a cut costs next to nothing: on Alice, columns of 512 and
    a single one differ by under 0.002 bits. In a list each item starts from the zero state, wherever it lies.

    Args:
        network: The network; dropout is off.
        ids: The whole text's ids, (N,).
        span: What to score; not empty.
        column: Least length of a column, in characters.
        scales: Factors on the logits.
        both_sides: Predict each character from those after it as well; the network is bidirectional.
        end: The id of the end mark in a list, None in a text.

    Returns:
        Mean bits per character with each factor, in float32 precision.
    """
    columns = _TextColumns(ids, span, column) if end is None else _ListColumns(ids, span, column, end)
    scored = torch.from_numpy(columns.scored)
    device = network.readout.weight.device
    state, nats = network.initial_state(scored.shape[1]), torch.zeros(len(scales), device=device)
    training = network.training
    network.eval()
    for at in range(0, len(scored), WINDOW):
        inputs, targets = (part.to(device) for part in columns.window(at, WINDOW + AHEAD * both_sides))
        if both_sides:
            features, _ = network.features(inputs, state)
            logits, targets = network.joint_logits(features, targets)[:WINDOW], targets[:WINDOW]
            _, state = network.features(inputs[:WINDOW], state)
        else:
            logits, state = network(inputs, state)
        counted = scored[at : at + WINDOW].to(device)
        logits, targets = logits[counted], targets[counted]
        nats += torch.stack([F.cross_entropy(logits * scale, targets, reduction="sum") for scale in scales])
    network.train(training)
    return [total / int(scored.sum()) / math.log(2) for total in nats.tolist()]
