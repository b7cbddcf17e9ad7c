"""Texts coloured by how surprising each of their characters was, as one HTML document."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from chargen.config import MARK
from chargen.web.document import document, escaped
from chargen.wording import counted

if TYPE_CHECKING:  # the command line takes the steps from here before NumPy may be loaded
    from chargen.inference.score import Scored

STEPS: Final = (
    (1.0, "below 1"),
    (2.0, "1 to 2"),
    (4.0, "2 to 4"),
    (8.0, "4 to 8"),
    (math.inf, "8 and more"),
)
"""Bits that a step of the colours ends at, and how the legend calls it."""


class Passage(NamedTuple):
    """A text, what to call it, and its score."""

    name: str
    text: str
    scored: "Scored"


def step(bits: float) -> int:
    """The step of the colours that a character of so many bits has."""
    return next(at for at, (limit, _) in enumerate(STEPS) if bits < limit)


def heat_map(model: str, passages: Sequence[Passage]) -> bytes:
    """The document, under the model's name; the pointer tells the bits of each character that took one or more."""
    steps = " ".join(f'<i class="h{at}">{name}</i>' for at, (_, name) in enumerate(STEPS))
    parts = [
        f"<h1>{escaped(model)}</h1>",
        f'<p class="steps">bits of a character: {steps}</p>',
        *(part for passage in passages for part in _passage(passage)),
    ]
    return document(f"{model}: bits of each character", "\n".join(parts))


def _passage(passage: Passage) -> Iterator[str]:
    scored = passage.scored
    yield f"<h2>{escaped(passage.name)}</h2>"
    unknown = f", {scored.unknown:,} of them unknown" if scored.unknown else ""
    yield f"<p>{scored.bpc:.4f} bits per character in {counted(scored.characters, 'character')}{unknown}</p>"
    runs = groupby(zip(passage.text, scored.bits.tolist(), strict=True), key=lambda pair: step(pair[1]))
    yield f'<div class="text">{"".join(part for at, pairs in runs for part in _coloured(at, pairs))}</div>'


def _coloured(at: int, pairs: Iterator[tuple[str, float]]) -> Iterator[str]:
    """Characters of one step of the colours with their bits."""
    for character, bits in pairs:
        shown = {"\n": "↵\n", MARK: "␃\n"}.get(character) or escaped(character)
        if at == 0:
            yield "\n" if character == "\n" else shown
        else:
            yield f'<i class="h{at}" title="{bits:.1f}">{shown}</i>'
