"""A checkpoint as a page that any browser opens: with its neurons by name, and a text to begin with."""

import contextlib
from pathlib import Path
from typing import Final, NamedTuple

from chargen.errors import TextError
from chargen.inference.neurons import MOST_CHARACTERS, NamedUnit, named_units
from chargen.inference.numpy_network import Network
from chargen.store.checkpoint import Checkpoint
from chargen.store.heldout import unseen
from chargen.store.lookup import name_of
from chargen.text import prompt as prompts
from chargen.text.vocab import Vocab
from chargen.web.page import check_model, page

EXAMPLE: Final = 2000
"""Characters of the text that a page begins with, at most."""
_BEGINNING: Final = 500
"""Characters within which the example looks for a paragraph to begin with."""


class Exported(NamedTuple):
    """A page, and how many characters of which text it shows as an example."""

    data: bytes
    example: int
    source: str


def html(checkpoint: Checkpoint, path: Path, *, int8: bool = False, example: bool = True) -> Exported:
    """The page of a model, called by its file, with units that follow something in a text that it did not learn from.

    With ``example`` it begins with a piece of that text; ``int8`` is as in ``page``.

    Raises:
        ConfigError: the page would be too large for a browser.
        CheckpointError: a weight is too large for float16.
    """
    check_model(checkpoint, int8=int8)
    source, text = unseen(checkpoint, path)
    shown = _beginning(text, checkpoint.vocab) if example else ""
    data = page(checkpoint, name=name_of(path), int8=int8, units=_units(checkpoint, text), example=shown)
    return Exported(data, len(shown), source)


def _units(checkpoint: Checkpoint, text: str) -> list[NamedUnit]:
    """What ``chargen neurons`` finds; nothing in a text that is too short for it."""
    fitted = prompts.fit(text[:MOST_CHARACTERS], checkpoint.vocab).text
    network = Network(checkpoint.model, checkpoint.weights, end=checkpoint.vocab.end_id)
    with contextlib.suppress(TextError):
        return named_units(network, checkpoint.vocab, fitted)
    return []


def _beginning(text: str, vocab: Vocab) -> str:
    """The first ``EXAMPLE`` characters of a text, from a paragraph on if one begins soon.

    Of a list whole lines, or the first item that may have several.
    """
    if vocab.end is None:
        blank = text.find("\n\n", 0, _BEGINNING)
        return text[blank + 2 if blank >= 0 else 0 :][:EXAMPLE]
    last = text.rfind("\n", 0, EXAMPLE) if vocab.end == "\n" else text.find(vocab.end)
    return text[: last if last > 0 else EXAMPLE]
