"""How well a network predicts a split, in bits per character."""

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from chargen.text.id_file import Ids
from chargen.training.torch_network import StackedRNN

CONTEXT: Final = 256  # characters read, unscored, before the first scored one of a column
WINDOW: Final = 128
AHEAD: Final = 128  # characters read, unscored, after the last scored one of a window, when both sides predict


SCALES: Final = tuple(float(scale) for scale in np.linspace(0.5, 1.5, 11).round(2))
"""What ``calibrate`` tries: half a step off costs under 0.001 bits."""


def calibrate(network: StackedRNN, ids: Ids, span: range) -> tuple[float, float]:
    """The factor on the logits that predicts ``span`` best, and the bits per character with it.

    A network that has learnt a small text by heart is surer of itself on a new one than it may be; one number, chosen
    on the validation split, mends most of that (temperature scaling, Guo et al. 2017, *On Calibration of Modern Neural
    Networks*, section 4.2).
    """
    bits = evaluate(network, ids, span, scales=SCALES)
    best = int(np.argmin(bits))
    return SCALES[best], bits[best]


@torch.no_grad()
def evaluate(
    network: StackedRNN,
    ids: Ids,
    span: range,
    *,
    column: int = 512,
    scales: tuple[float, ...] = (1.0,),
    both_sides: bool = False,
) -> list[float]:
    """Bits per character of the characters ``span`` of ``ids``, each predicted from those before it.

    The span is read in contiguous columns side by side, the state carried down each. A column starts from the state
    that the ``CONTEXT`` characters before it leave, so that a cut costs next to nothing: on Alice, columns of 512 and
    a single one differ by under 0.002 bits.

    Args:
        network: The network; dropout is off.
        ids: The whole text's ids, (N,).
        span: What to score; not empty.
        column: Least length of a column, in characters.
        scales: Factors on the logits.
        both_sides: Predict each character from those after it as well; the network is bidirectional.

    Returns:
        Mean bits per character with each factor, in float32 precision.
    """
    span = range(max(1, span.start), span.stop)  # nothing predicts a text's first character
    columns = min(64, max(1, len(span) // column))
    length = math.ceil(len(span) / columns)
    context = min(CONTEXT, span.start - 1)
    # positions of the characters to read; the last column may run past the span, where nothing is scored
    targets = span.start + length * np.arange(columns) + np.arange(-context, length)[:, None]  # (context + T, B)
    scored = (np.arange(len(targets)) >= context)[:, None] & (targets < span.stop)
    device = network.readout.weight.device
    state, nats = network.initial_state(columns), torch.zeros(len(scales), device=device)
    training = network.training
    network.eval()
    for at in range(0, len(targets), WINDOW):
        rows = targets[at : at + WINDOW].clip(1, span.stop - 1)
        inputs, characters = (torch.from_numpy(ids[rows + shift].astype(np.int64)).to(device) for shift in (-1, 0))
        if both_sides:
            logits, state = _from_both_sides(network, ids, targets[at : at + WINDOW + AHEAD], span.stop, state)
        else:
            logits, state = network(inputs, state)
        counted = torch.from_numpy(scored[at : at + WINDOW]).to(device)
        logits, characters = logits[counted], characters[counted]
        nats += torch.stack([F.cross_entropy(logits * scale, characters, reduction="sum") for scale in scales])
    network.train(training)
    return [total / int(scored.sum()) / math.log(2) for total in nats.tolist()]


def _from_both_sides(
    network: StackedRNN, ids: Ids, targets: NDArray[np.int64], stop: int, state: Tensor
) -> tuple[Tensor, Tensor]:
    """The joint logits of the first ``WINDOW`` rows of ``targets``, and the forward state after them."""
    device = network.readout.weight.device
    rows = targets.clip(1, stop - 1)
    inputs, characters = (torch.from_numpy(ids[rows + shift].astype(np.int64)).to(device) for shift in (-1, 0))
    features, _ = network.features(inputs, state)
    _, after = network.features(inputs[:WINDOW], state)
    return network.joint_logits(features, characters)[:WINDOW], after
