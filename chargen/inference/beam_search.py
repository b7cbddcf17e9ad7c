"""The likeliest continuation of a text, looked for with a beam.

A search from left to right that keeps, at each character, the most probable beginnings alone (Graves 2012, Sequence
Transduction with Recurrent Neural Networks, section 2.5; Sutskever et al. 2014, section 3.2). A beginning that meets
its end, a stop string say, keeps its place while it is among the most probable; the search is over once it is the
first, since whatever goes on only becomes less probable. Texts of different lengths compete by their probabilities as
they are. With one beam this is what temperature 0 writes.

b beginnings that go on, V vocab.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chargen.config import MAX_BEAMS, SamplerConfig
from chargen.inference.generate import Ending, Piece, Prompt, State, behind, check
from chargen.inference.numpy_network import Network, Reader
from chargen.inference.softmax import log_softmax
from chargen.inference.text_end import TextEnd
from chargen.setting import Setting
from chargen.text.vocab import Vocab

GREEDY: Final = SamplerConfig(temperature=0)
"""How a text goes on behind the ending of one that was searched for."""


@dataclass
class _Beginning:
    """The beginning of a text: what is shown of it, the natural logarithm of its probability, and how it ended."""

    text: str
    log_probability: float
    end: TextEnd
    ending: Ending | None = None


def beam_search(
    network: Network,
    vocab: Vocab,
    *prompts: Prompt,
    beams: int,
    length: int,
    end: TextEnd | None = None,
    state: State | None = None,
) -> Iterator[Piece]:
    """The likeliest text behind each prompt that a beam finds, each in one piece.

    At each character ``beams`` beginnings are kept. All else is as in ``generate``, but that the ending of a text that
    was searched for goes on at temperature 0.

    Raises:
        ConfigError: a number is out of its range.
        TextError: the state does not fit the network.
        CheckpointError: the model's logits are not finite.
    """
    check("length", length, 0)
    Setting("", int, 1, MAX_BEAMS).check("beams", beams)
    reader = network.reader(state=state.state if isinstance(state, Ending) else state)
    started = [behind(state, prompt, vocab) for prompt in prompts or ((),)]
    return (
        Piece(at, *_search(reader.select([0]), ids, vocab, end or TextEnd(), beams, length))
        for at, ids in enumerate(started)
    )


def _search(
    reader: Reader, prompt: NDArray[np.int64], vocab: Vocab, end: TextEnd, beams: int, length: int
) -> tuple[str, Ending]:
    """The likeliest text behind one prompt, and where it stopped."""
    reader.prime(prompt[:-1])
    kept = [_Beginning("", 0.0, end)]  # the likeliest first
    last = prompt[-1:]  # (b,), of those of ``kept`` that go on
    for _ in range(length):
        ended = [beginning for beginning in kept if beginning.ending]
        going = [beginning for beginning in kept if not beginning.ending]
        logits = reader.step(last)
        if vocab.unknown_id is not None:
            logits[:, vocab.unknown_id] = -np.inf
        scores = log_softmax(logits) + np.array([[beginning.log_probability] for beginning in going])  # (b, V)
        candidates = np.concatenate([[beginning.log_probability for beginning in ended], scores.ravel()])
        kept, rows, written = [], [], []
        for place in _largest(candidates, beams):
            if place < len(ended):
                kept.append(ended[place])
                continue
            row, at = divmod(place - len(ended), scores.shape[1])
            successor = _successor(going[row], vocab.characters[at], float(candidates[place]), reader, row, at)
            kept.append(successor)
            if not successor.ending:
                rows.append(row)
                written.append(at)
        if kept[0].ending:
            break
        reader, last = reader.select(rows), np.array(written)
    best = kept[0]  # which is the first row where it has not ended
    ending = best.ending or _ending("length", reader, 0, int(last[0]), "")
    return best.text + best.end.held * (not best.ending), ending


def _successor(
    beginning: _Beginning, character: str, log_probability: float, reader: Reader, row: int, last: int
) -> _Beginning:
    """A beginning with one more character, whose id is ``last``; ``row`` is its place in ``reader``."""
    end = copy.copy(beginning.end)
    shown, reason = end.add(character)
    ending = _ending(reason, reader, row, last, end.left_out) if reason else None
    return _Beginning(beginning.text + shown, log_probability, end, ending)


def _ending(reason: str, reader: Reader, row: int, last: int, left_out: str) -> Ending:
    state = reader.state[:, :, row : row + 1].copy()
    return Ending(reason, state, last, 0, 0, np.empty(0, np.int64), GREEDY, left_out)


def _largest(values: NDArray[np.float64], count: int) -> list[int]:
    """The places of the ``count`` largest that are possible, the largest first; among equals the first."""
    least = np.partition(values, -count)[-count] if count < len(values) else -np.inf
    places = np.flatnonzero((values >= least) & (values > -np.inf))
    largest: list[int] = places[np.argsort(-values[places], kind="stable")][:count].tolist()
    return largest
