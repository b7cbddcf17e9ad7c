"""The records of a checkpoint: the text trained on, the evaluations, and what going on needs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chargen.schema import beside
from chargen.text.corpus import Corpus, Texts
from chargen.text.items import Division
from chargen.text.split import Split


@dataclass(frozen=True, kw_only=True)
class ItemsInfo:
    """What a list of items is that a model was trained on.

    Attributes:
        division: How files were divided into items.
        train: Items of the training split, equal ones counted as often as they occur; ``val`` and ``test`` likewise.
        longest: Characters of the longest one of the training split, without its end mark.
    """

    division: Division
    train: int
    val: int
    test: int
    longest: int

    def __post_init__(self) -> None:
        if not (self.train and self.longest):
            raise ValueError("its list has no items to train on")

    @classmethod
    def of(cls, corpus: Corpus, split: Split) -> "ItemsInfo | None":
        """What is recorded of a corpus that is a list, and of the parts of it."""
        if corpus.division is None:
            return None
        ends = corpus.division.ends(split.ids, corpus.vocab)
        train, val, test = np.searchsorted(ends, [split.train.stop, split.val.stop, split.test.stop]).tolist()
        longest = int(np.diff(ends[:train], prepend=-1).max()) - 1
        return cls(division=corpus.division, train=train, val=val - train, test=test - val, longest=longest)

    @property
    def end(self) -> str:
        """The end mark, a character of the vocabulary that stands behind each item."""
        return self.division.end

    @property
    def count(self) -> int:
        """Items of the whole list."""
        return self.train + self.val + self.test


@dataclass(frozen=True, kw_only=True)
class CorpusInfo:
    """What a model was trained on.

    Attributes:
        name: The corpus's name or file names.
        sha256: Of the normalised text's UTF-8 bytes.
        characters: Length of the whole text.
        train: First and one past the last character of the training split, in the order of `text.split.Split`; ``val``
            and ``test`` likewise.
        lengths: Characters of each text; none where all were cut as one, as chargen 0.1 did.
        unseen: Characters that have an id though the texts lack them.
        items: Of a list of items, what that is; None for texts.
    """

    name: str
    sha256: str
    characters: int
    train: tuple[int, int]
    val: tuple[int, int]
    test: tuple[int, int]
    lengths: tuple[int, ...] = ()
    unseen: str = ""
    items: ItemsInfo | None = None

    @classmethod
    def of(cls, corpus: Corpus, split: Split) -> "CorpusInfo":
        """What is recorded of a corpus and of the parts of it."""
        train, val, test = ((span.start, span.stop) for span in (split.train, split.val, split.test))
        return cls(
            name=corpus.name,
            sha256=corpus.sha256,
            characters=len(corpus),
            train=train,
            val=val,
            test=test,
            lengths=split.lengths,
            unseen=corpus.unseen,
            items=ItemsInfo.of(corpus, split),
        )


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One validation, and the training since the one before. Losses are in bits per character.

    Attributes:
        step: Optimizer steps so far.
        epoch: Passes over the training split so far.
        train_bpc: Mean training loss since the last evaluation, with dropout acting; None before the first step.
        val_bpc: Loss over the whole validation split; None where there is none.
        joint_bpc: The same with each character predicted from both sides; None unless the network is bidirectional.
        logit_scale: The factor on the logits that gives this loss; in all checkpoints but ``last`` the read-out has it.
        learning_rate: The rate at this step.
        grad_norm: Mean global gradient norm, before clipping, since the last evaluation.
        clipped: Share of the steps since the last evaluation at which the gradient was clipped.
        seconds: Training time so far, over all sittings.
        chars_per_second: Training speed since the last evaluation.
    """

    step: int
    epoch: float
    train_bpc: float | None
    val_bpc: float | None
    joint_bpc: float | None
    logit_scale: float
    learning_rate: float
    grad_norm: float
    clipped: float
    seconds: float
    chars_per_second: float

    @property
    def judged_bpc(self) -> float | None:
        """The loss that decides which checkpoint is the best; None where nothing was measured."""
        return self.val_bpc if self.joint_bpc is None else self.joint_bpc


def seen_items(corpus: Corpus, split: Split) -> NDArray[np.uint64] | None:
    """The fingerprint of each distinct item that is trained on, sorted; None of a corpus that is no list."""
    if corpus.division is None:
        return None
    items = split.ids[split.train.start : split.train.stop]
    return np.unique(corpus.division.fingerprints(items, corpus.vocab))


def out_of_patience(history: Sequence[Evaluation], patience: int, *, restart_step: int) -> bool:
    """Whether none of the last ``patience`` evaluations was the best since the rate warmed up at ``restart_step``.

    Never with a patience of 0.
    """
    losses = [evaluation.judged_bpc for evaluation in history if evaluation.step > restart_step]
    if not patience or len(losses) <= patience or losses[-1] is None:
        return False
    measured = [math.inf if loss is None else loss for loss in losses]
    return measured.index(min(measured)) < len(measured) - patience


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Sums over the training since the last evaluation.

    Attributes:
        steps: Optimizer steps.
        sums: Their mean losses in nats, their gradient norms before clipping, and how many of them were clipped.
    """

    steps: int
    sums: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Resume:
    """What going on with a training needs beside its weights and settings.

    Attributes:
        step: Optimizer steps done.
        total_steps: Optimizer steps in all, as the schedule has planned them.
        best_step: The step of the best evaluation; 0 before the first.
        best_bpc: Its loss, in bits per character; None where nothing was measured.
        seconds: Training time so far, over all sittings.
        tally: The training since the last evaluation.
        origin: Where the text came from.
        restart_step: The step from which the learning rate warmed up again, where the run had been finished before; 0
            where it never was.
        tensors: The weights that are trained, the optimizer's moments and the carried state, by name.
    """

    step: int
    total_steps: int
    best_step: int
    best_bpc: float | None
    seconds: float
    tally: Tally
    origin: Texts
    restart_step: int = 0
    tensors: Mapping[str, NDArray[Any]] = beside()
