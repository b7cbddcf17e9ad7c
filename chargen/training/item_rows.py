r"""How a list is laid out for training and evaluation: its items one after the other, a reset before each.

    items   ann, bo             inputs   reset  \n  a  n  n  reset  \n  b  o
                                targets  none   a   n  n  \n none   b   o  \n

A reset is a step without a character that leaves the zero state, so that nothing crosses from one item to the next. The
first character of an item is predicted from its input, an end mark, and the end mark behind it is its last target.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chargen.config import TrainConfig
from chargen.errors import CorpusError
from chargen.text.id_file import Ids
from chargen.training.bptt import Windows

RESET: Final = -100
"""Stands in the place of an id where there is a reset; as a target PyTorch's cross-entropy leaves it out."""


class ItemRows:
    """The items of a part of a list in some order, as rows of input and target.

    Args:
        ids: The whole list's ids, (N,).
        span: The part of it; items are whole in it.
        end: The id of the end mark.
    """

    def __init__(self, ids: Ids, span: range, end: int) -> None:
        self._ids, self._end = ids, end
        ends = np.flatnonzero(ids[span.start : span.stop] == end) + span.start
        self._lengths = np.diff(ends, prepend=span.start - 1)
        self._starts = ends + 1 - self._lengths
        self.order(np.arange(len(ends)))

    def __len__(self) -> int:
        """Number of rows."""
        return int(self.firsts[-1])

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self._starts)

    def order(self, order: NDArray[np.int64]) -> None:
        """Lay the items out in another order.

        Attributes:
            firsts: The first row of each item then, and one past the last row of all, shape (items + 1,).
        """
        self._order = order
        self.firsts = np.concatenate([[0], np.cumsum(self._lengths[order] + 1)])

    def column_starts(self, columns: int) -> NDArray[np.int64]:
        """The rows at which as many columns of about equal length begin, each at an item's first, shape (B,)."""
        even = len(self) * np.arange(columns) // columns
        starts: NDArray[np.int64] = self.firsts[np.searchsorted(self.firsts[:-1], even, side="right") - 1]
        return starts

    def at(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Inputs and targets of some rows, int64, of the shape of ``rows``; of one beyond the last, resets."""
        inside = rows < len(self)
        rows = np.where(inside, rows, 0)
        item = np.searchsorted(self.firsts, rows, side="right") - 1
        behind = rows - self.firsts[item] - 1  # characters of the item before the target; -1 at the reset
        place = self._starts[self._order[item]] + behind
        targets = np.where(inside & (behind >= 0), self._ids[np.maximum(place, 0)].astype(np.int64), RESET)
        before = np.where(behind > 0, self._ids[np.maximum(place - 1, 0)].astype(np.int64), self._end)
        inputs = np.where(targets == RESET, RESET, before)
        return torch.from_numpy(inputs), torch.from_numpy(targets)


class ItemWindows(Windows):
    """The windows of a list's training split.

    Each epoch has its items in another order, which follows from the seed and the epoch alone, and columns that begin
    where an item does. Items longer than a window go on in the next one, where the state is carried on. ``end`` is the
    id of the end mark.
    """

    def __init__(self, ids: Ids, span: range, train: TrainConfig, *, end: int) -> None:
        batch_size, bptt = train.batch_size, train.bptt
        self._rows = ItemRows(ids, span, end)
        self.per_epoch = len(self._rows) // (batch_size * bptt)
        if self.per_epoch < 1 or bptt < 2:
            raise CorpusError(
                f"a list's training split of {len(span):,} characters is too short for windows of {batch_size} x "
                f"{bptt} (--batch-size x --bptt, which must be at least 2 for a list); it takes more items"
            )
        self._seed, self._bptt, self._batch_size = train.seed, bptt, batch_size
        self._epoch = -1

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the window that optimizer step ``step`` (from 0) trains on, each (T, B), int64."""
        epoch, index = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._rows.order(np.random.default_rng((self._seed, epoch)).permutation(self._rows.items))
            self._starts = self._rows.column_starts(self._batch_size)
            self._epoch = epoch
        steps = np.arange(index * self._bptt, (index + 1) * self._bptt)
        # what a column lacks at the end, since another began late, it takes from the beginning
        return self._rows.at((self._starts + steps[:, None]) % len(self._rows))


def windows(ids: Ids, span: range, train: TrainConfig, *, end: int | None) -> Windows:
    """The windows of a training split: of a list, whose end mark has the id ``end``, or of a text."""
    return Windows(ids, span, train) if end is None else ItemWindows(ids, span, train, end=end)
