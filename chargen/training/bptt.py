"""How a text is laid out for truncated backpropagation through time.

The training text is cut into ``batch_size`` contiguous columns; windows of ``bptt`` steps walk down all of them
together, and the state that leaves one window enters the next (Williams and Peng 1990; Mikolov 2012):

    text  a b c d e f g h i j k l ...           columns   a g m
                                                          b h n   window 1
    inputs  are window rows,                              c i o
    targets are the rows one further down                 -----
                                                          d j p   window 2
"""

import functools

import numpy as np
import torch
from torch import Tensor

from chargen.config import TrainConfig
from chargen.errors import CorpusError
from chargen.text.id_file import Ids


class Windows:
    """The windows of a training split.

    Every epoch starts its columns at another offset below ``bptt``, so that their seams and the windows' cuts fall
    elsewhere each time. The offset depends on ``seed`` and the epoch alone, so a position is known by its step.

    Args:
        ids: The whole text's ids, (N,).
        span: The training split within it.
        train: Has the number of columns, the steps in a window and the seed of the offsets.

    Attributes:
        per_epoch: Windows in an epoch.

    Raises:
        CorpusError: the split is too short for a single window.
    """

    def __init__(self, ids: Ids, span: range, train: TrainConfig) -> None:
        batch_size, bptt, room = train.batch_size, train.bptt, len(span) - 1
        spare = bptt - 1 if room // (batch_size * bptt) > 8 else 0
        self.per_epoch = (room - spare) // (batch_size * bptt)
        if self.per_epoch < 1:
            raise CorpusError(
                f"a training split of {len(span)} characters is too short for {batch_size} columns of {bptt} steps; "
                "lower --batch-size or --bptt"
            )
        self._ids, self._seed, self._spare, self._bptt = ids, train.seed, spare, bptt
        self._starts = span.start + (room - spare) // batch_size * np.arange(batch_size)  # (B,)

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the window that optimizer step ``step`` (from 0) trains on, each (T, B), int64."""
        epoch, index = divmod(step, self.per_epoch)
        offset = _offset(self._seed, epoch, self._spare)
        steps = np.arange(offset + index * self._bptt, offset + (index + 1) * self._bptt + 1)
        window = torch.from_numpy(self._ids[self._starts + steps[:, None]].astype(np.int64))  # (T + 1, B)
        return window[:-1], window[1:]

    def starts_epoch(self, step: int) -> bool:
        """Whether step ``step`` begins an epoch, and so starts from the zero state."""
        return step % self.per_epoch == 0


@functools.lru_cache(maxsize=1)  # a generator takes longer to make than all else that a window needs
def _offset(seed: int, epoch: int, most: int) -> int:
    """Where an epoch's columns start, from 0 to ``most``."""
    return int(np.random.default_rng((seed, epoch)).integers(most + 1))


def fit(characters: int, batch_size: int, bptt: int) -> tuple[int, int]:
    """Batch size and bptt, lowered where a training split of ``characters`` is too short for them.

    A window then takes at most an eighth of the text and the batch leaves at least two windows an epoch.
    """
    bptt = min(bptt, max(1, (characters - 1) // 8))
    return min(batch_size, max(1, (characters - 1) // (2 * bptt))), bptt
