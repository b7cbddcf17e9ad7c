"""Checkpoints of lists, made without training."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from samples import checkpoint

from chargen.store.checkpoint import Checkpoint, ItemsInfo
from chargen.text.items import Division
from chargen.text.vocab import Vocab

LINES = Division("lines")
STARS = Division("separator", "***")


def item_model(trained: Sequence[str] = ("ab",), division: Division = LINES, **model: Any) -> Checkpoint:
    """A checkpoint of random weights, which says that it was trained on these items; the unknown letters end soon."""
    whole = checkpoint("".join(sorted({division.end, *"abcdé"})), **model)
    stream = "".join(item + division.end for item in trained)
    vocab = Vocab("".join(sorted(set(stream))))
    return dataclasses.replace(
        whole,
        vocab=Vocab(whole.vocab.characters, end=division.end),
        corpus=dataclasses.replace(
            whole.corpus, items=ItemsInfo(division=division, train=len(trained), val=1, test=1, longest=9)
        ),
        seen=np.unique(division.fingerprints(vocab.ids_of(stream), vocab)),
    )
