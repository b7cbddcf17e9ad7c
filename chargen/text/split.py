"""A text's parts for training, validation and test."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from chargen.errors import ConfigError, CorpusError
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


def split_texts(ids: Ids, lengths: tuple[int, ...], shares: tuple[float, float]) -> Split:
    """The parts of texts, of which each gives these shares of its own end for validation and for the test.

    Of several texts the ids are a copy in memory, in another order.

    Raises:
        ConfigError: a fraction is negative, or they leave nothing for training.
    """
    train_ends, val_ends = np.transpose([_cuts(length, shares) for length in lengths])
    train, val = int(train_ends.sum()), int(val_ends.sum())
    if len(lengths) > 1:
        starts = np.cumsum(lengths) - lengths
        cuts = np.stack([np.zeros_like(starts), train_ends, val_ends, lengths]) + starts  # (4, texts)
        ids = np.concatenate([ids[a:b] for ends in pairwise(cuts) for a, b in zip(*ends, strict=True)])
        ids.flags.writeable = False
    return Split(ids, range(train), range(train, val), range(val, len(ids)), lengths)


def split_items(
    name: str,
    ids: Ids,
    vocab: Vocab,
    division: Division,
    shares: tuple[float, float],
    *,
    seed: int,
    known: Vocab,
) -> Split:
    """The parts of a list, whose items are put in random order.

    Equal items are all in the same part, so that nothing is tested that was learnt word by word; no copy is dropped,
    since how often an item occurs is worth learning. The ids are a copy in memory.

    Args:
        name: What messages call the list.
        ids: Shape (N,), the stream of items.
        vocab: What they mean.
        division: How the list is divided.
        shares: Of the items, for validation and for the test.
        seed: Of the order, which depends on that and the items alone.
        known: The vocabulary of the model; items that differ only in characters that it lacks are equal.

    Raises:
        ConfigError: a fraction is negative, or they leave nothing for training.
        CorpusError: there is only one item, or all are equal.
    """
    ends = division.ends(ids, vocab)
    _, groups, copies = np.unique(division.fingerprints(ids, vocab, known), return_inverse=True, return_counts=True)
    if len(copies) < 2:
        raise CorpusError(_problem(name, division, len(ends)))
    ranks = np.random.default_rng(seed).permutation(len(copies)) + 1
    # an item so frequent that it would upset the smallest part is for training
    wanted = _cuts(len(ends), shares)
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


def _cuts(length: int, shares: tuple[float, float]) -> tuple[int, int]:
    """Where the training part of so many characters or items ends, and where that for validation does."""
    val_fraction, test_fraction = shares
    if not (val_fraction >= 0 and test_fraction >= 0 and val_fraction + test_fraction < 1):
        raise ConfigError(
            f"val-fraction {val_fraction} and test-fraction {test_fraction} must be at least 0 and together below 1"
        )
    # Rounding first keeps 1 - 0.05 - 0.05 from losing a character to floating point.
    train, val = (int(round(share * length, 6)) for share in (1 - val_fraction - test_fraction, 1 - test_fraction))
    return train, val
