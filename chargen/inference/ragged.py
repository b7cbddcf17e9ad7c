"""Many texts of different lengths through one network, side by side.

b texts still running, t steps, L layers, H hidden. One product of a matrix with b vectors takes little longer than
with one, so a batch of short texts runs many times faster than one text after the other. Nothing is padded: a text
leaves the batch where it ends.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chargen.inference.numpy_cells import Floats
from chargen.inference.numpy_network import Network, Reader

BATCH: Final = 128
"""Texts side by side, at most; more gain little, and their states leave the processor's cache."""


class Stretch(NamedTuple):
    """The hidden states of some texts over some steps.

    Attributes:
        texts: Which texts, as places in what ``side_by_side`` was given.
        start: How many characters of them were read before.
        hidden: The hidden states after each further character, shape (t, b, L, H); valid until the next stretch.
    """

    texts: list[int]
    start: int
    hidden: Floats


def side_by_side(network: Network, texts: Sequence[NDArray[np.integer[Any]]]) -> Iterator[Stretch]:
    """Every hidden state of every text, each text read from a state of zeros.

    Args:
        network: The model.
        texts: Ids, each of shape (T,) with a T of its own; an empty one is in no stretch.

    Yields:
        Stretches; those of one text in the order of its characters.
    """
    for running, start, reader, columns in _batches(network.reader(), texts):
        read = start
        for hidden in reader.hidden(columns):
            yield Stretch(running, read, hidden)
            read += len(hidden)


def prime(reader: Reader, texts: Sequence[NDArray[np.integer[Any]]]) -> Reader:
    """A reader of all the texts, each read to its end from where ``reader``, of one text, stands.

    Args:
        reader: Where they begin; it stays there.
        texts: Ids, each of shape (T,) with a T of its own, which may be 0.
    """
    ends = reader.select([0] * len(texts))
    for running, _, batch, columns in _batches(reader, texts):
        batch.prime(columns)
        ends.state[:, :, running] = batch.state  # the last time that a text is among them, it ends here
    return ends


def _batches(
    reader: Reader, texts: Sequence[NDArray[np.integer[Any]]]
) -> Iterator[tuple[list[int], int, Reader, NDArray[np.integer[Any]]]]:
    """Batches of the texts, each as far as all of it run on, to be read from where ``reader``, of one text, stands.

    Yields:
        Which texts, how many characters of them were read before, their reader, and the characters to come, (t, b).
    """
    longest_first = sorted(range(len(texts)), key=lambda at: -len(texts[at]))
    for first in range(0, len(texts), BATCH):
        running = longest_first[first : first + BATCH]
        batch, start = reader.select([0] * len(running)), 0
        while running:
            end = len(texts[running[-1]])
            yield running, start, batch, np.stack([texts[at][start:end] for at in running], axis=1)
            running, start = [at for at in running if len(texts[at]) > end], end
            if running:
                batch = batch.select(range(len(running)))
