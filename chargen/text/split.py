"""A text's parts for training, validation and test."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from chargen.config import TrainConfig
from chargen.errors import CorpusError
from chargen.text.id_file import Ids
from chargen.text.items import Division, blocks, places
from chargen.text.vocab import Vocab


@dataclass(frozen=True)
class Split:
    """What a training learns from and what it holds out, as three ranges of ``ids`` that follow one another.

    Attributes:
        ids: Shape (N,): the training parts of all texts, then their validation parts, then their test parts. Of a
            list, its items in another order.
        train: Places in ``ids``; likewise ``val`` and ``test``.
        lengths: Characters of each text.
    """

    ids: Ids
    train: range
    val: range
    test: range
    lengths: tuple[int, ...]


def split_texts(ids: Ids, lengths: tuple[int, ...], train_config: TrainConfig) -> Split:
    """The parts of texts, each of which gives its shares of its own end for validation and for the test.

    Of several texts the ids are a copy in memory, in another order.
    """
    train_ends, val_ends = np.transpose([_cuts(length, train_config) for length in lengths])
    train, val = int(train_ends.sum()), int(val_ends.sum())
    if len(lengths) > 1:
        starts = np.cumsum(lengths) - lengths
        cuts = np.stack([np.zeros_like(starts), train_ends, val_ends, lengths]) + starts  # (4, texts)
        ids = np.concatenate([ids[a:b] for ends in pairwise(cuts) for a, b in zip(*ends, strict=True)])
        ids.flags.writeable = False
    return Split(ids, range(train), range(train, val), range(val, len(ids)), lengths)


def split_items(
    name: str, ids: Ids, vocab: Vocab, division: Division, train_config: TrainConfig, known: Vocab
) -> Split:
    """The parts of a list, whose items are put in an order that depends on them and the seed alone.

    Equal items are all in the same part, so that nothing is tested that was learnt word by word; no copy is dropped,
    since how often an item occurs is worth learning. The ids are a copy in memory.

    Items that differ only in characters that ``known``, the vocabulary of the model, lacks are equal too. ``name`` is
    what messages call the list.

    Raises:
        CorpusError: there is only one item, or all are equal.
    """
    ends = division.ends(ids, vocab)
    _, groups, copies = np.unique(division.fingerprints(ids, vocab, known), return_inverse=True, return_counts=True)
    if len(copies) < 2:
        raise CorpusError(_problem(name, division, len(ends)))
    ranks = np.random.default_rng(train_config.seed).permutation(len(copies)) + 1
    # an item so frequent that it would upset the smallest part is for training
    wanted = _cuts(len(ends), train_config)
    smallest = min((size for size in np.diff([*wanted, len(ends)]) if size), default=0)
    ranks[copies > max(1, smallest // 2)] = 0
    order = np.argsort(ranks[groups], kind="stable")
    # where one group of equal items ends and the next begins, counted in items
    borders = np.append(np.flatnonzero(np.diff(ranks[groups][order])) + 1, len(ends))
    cuts = [int(borders[np.abs(borders - cut).argmin()]) for cut in wanted]
    lengths = np.diff(ends, prepend=-1)[order]
    stops = np.cumsum(lengths)
    train, val = (int(stops[cut - 1]) for cut in cuts)
    starts = ends[order] + 1 - lengths
    shuffled = np.concatenate([ids[places(starts[items], lengths[items])] for items in blocks(stops - 1)])
    shuffled.flags.writeable = False
    return Split(shuffled, range(train), range(train, val), range(val, len(ids)), (len(ids),))


def _problem(name: str, division: Division, items: int) -> str:
    """What is wrong with a list of equal items, or a single one."""
    if items > 1:
        return f"all {items:,} {division.noun} of {name} are equal; there is nothing to learn from them"
    if division.separator is not None:
        return (
            f"no line between two items of {name} equals the separator {division.separator!r}, so it is no list; name "
            "the line that divides its items, or leave out --separator to train on it as a text"
        )
    return f"{name} has one item only, too few for a list; leave out --{division.kind} to train on it as a text"


def _cuts(length: int, train_config: TrainConfig) -> tuple[int, int]:
    """Where the training part of so many characters or items ends, and where that for validation does."""
    val_end = 1 - train_config.test_fraction
    train_end = 1 - train_config.val_fraction - train_config.test_fraction
    # Rounding first keeps 1 - 0.05 - 0.05 from losing a character to floating point.
    return int(round(train_end * length, 6)), int(round(val_end * length, 6))
