"""The networks whose gradients ``gradflow`` measures, each with the text to measure on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chargen.config import ModelConfig
from chargen.errors import CorpusError
from chargen.experiments.gradflow import Ids, scale_recurrent
from chargen.store.checkpoint import Checkpoint
from chargen.store.heldout import SPLITS, held_out
from chargen.text import prompt
from chargen.text.corpus import Texts
from chargen.training.torch_network import StackedRNN

LONGEST: Final = 1_000_000  # characters of a text that are carried over into another vocabulary


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One network with ``initial`` or ``trained`` weights, called by its run, its file or its cell.

    Attributes:
        ids: The text to measure it on, (N,).
        notes: What there is to know of the text.
    """

    name: str
    cell: str
    weights: str
    network: StackedRNN
    ids: Ids
    notes: tuple[str, ...] = ()


def of_checkpoint(path: Path, checkpoint: Checkpoint, name: str, texts: Texts | None = None) -> list[Subject]:
    """A checkpoint's network as it began, with the weights that its seed gives, and as it was trained.

    It is measured on ``texts`` or, without, on what was held out of its training.

    Raises:
        CorpusError: the text cannot be read, or the checkpoint's own is not at hand.
    """
    model = checkpoint.model
    notes: tuple[str, ...] = ()
    if texts is None:
        ids: Ids = checkpoint.vocab.ids_of(_held_out_text(path, checkpoint))
    else:
        corpus = texts.load()
        fitted = prompt.fit(corpus.vocab.text_of(corpus.ids[:LONGEST]), checkpoint.vocab)
        ids, notes = checkpoint.vocab.ids_of(fitted.text), tuple(map(str, fitted.notes))
    if model.bidirectional:
        notes = (*notes, f"{name} reads both ways; its forward stack is measured")
    initial, trained = (StackedRNN(model, seed=checkpoint.train.seed) for _ in range(2))
    trained.load(checkpoint.weights)
    return [
        Subject(name=name, cell=model.cell, weights="initial", network=initial, ids=ids, notes=notes),
        Subject(name=name, cell=model.cell, weights="trained", network=trained, ids=ids),
    ]


def of_cell(model: ModelConfig, ids: Ids, *, seed: int = 1, recurrent_scale: float = 1.0) -> Subject:
    """A fresh network whose recurrent weights were multiplied by ``recurrent_scale``."""
    network = StackedRNN(model, seed=seed)
    scale_recurrent(network, recurrent_scale)
    name = model.cell if recurrent_scale == 1 else f"{model.cell} x {recurrent_scale:g}"
    return Subject(name=name, cell=model.cell, weights="initial", network=network, ids=ids)


def _held_out_text(path: Path, checkpoint: Checkpoint) -> str:
    """What the training of a checkpoint held out."""
    spans = {"val": checkpoint.corpus.val, "test": checkpoint.corpus.test}
    splits = [split for split in SPLITS if spans[split][0] < spans[split][1]]
    if not splits:
        raise CorpusError(f"the training of {path} held no text out; name one with --text")
    return "".join(held_out(checkpoint, path, split, context=0).text for split in splits)
