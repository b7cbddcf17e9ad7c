"""New text from a network, character by character.

B batch, V vocab, L layers, H hidden, S parts of the state.
"""

import copy
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chargen.config import MAX_SAMPLES, SamplerConfig
from chargen.errors import ConfigError
from chargen.inference.numpy_cells import Floats
from chargen.inference.numpy_network import Network, Reader
from chargen.inference.ragged import prime
from chargen.inference.sampler import Sampler
from chargen.inference.text_end import TextEnd
from chargen.text.vocab import Vocab

Prompt = Sequence[int] | NDArray[np.integer[Any]]

BEGINNING: Final = ".\n"
"""What a text without a prompt is read to follow. After a line end alone, three quarters of the pretrained model of
English's texts begin in the middle of a sentence, and after this one in fifty."""


@dataclass(frozen=True)
class Ending:
    """Where one text stopped, so that ``generate(state=ending, ...)`` goes on as if it had not.

    Attributes:
        reason: ``length``, ``stop`` (a stop string), ``sentence`` or ``word``.
        state: The network's state after everything but the last character, shape (S, L, 1, H).
        last: The id of the last character drawn; after a stop string or a sentence that is its own last character
            or the white space, though the text leaves them out.
        seed: Of its random numbers.
        drawn: How many of them it has used.
        recent: The ids that the repetition penalty looks at, ``last`` at the end; none without a penalty.
        sampler: How its characters were drawn.
        left_out: What ended the text without being part of it: the stop string or the white space.
    """

    reason: str
    state: Floats
    last: int
    seed: int
    drawn: int
    recent: NDArray[np.int64]
    sampler: SamplerConfig
    left_out: str = ""

    def __repr__(self) -> str:
        return f"<Ending by {self.reason} after {self.drawn:,} random numbers of seed {self.seed}>"


State = Ending | NDArray[Any]
"""Where a text starts from: where another one stopped, or a network's state, shape (S, L, 1, H)."""


class Piece(NamedTuple):
    """New characters of one text; in its last piece, which may have none, ``ending`` is set."""

    sample: int
    text: str
    ending: Ending | None


@dataclass(frozen=True)
class Sample:
    """A whole new text, without the prompt."""

    text: str
    ending: Ending


def start_id(vocab: Vocab) -> int:
    """The id before a text's first character: the end mark's of a list, or else the newline's, or without one 0."""
    return vocab.id_of(vocab.end or "\n") or 0


def beginning(vocab: Vocab) -> list[int]:
    """The ids that stand before the first character of a text that is written: those of ``BEGINNING`` that there are.

    Where there are none, and before an item of a list, it is ``start_id``.
    """
    known = [vocab.id_of(character) for character in BEGINNING if vocab.end is None]
    return [at for at in known if at is not None] or [start_id(vocab)]


def random_seed() -> int:
    """A seed from the system's randomness, short enough to type again."""
    return int(np.random.default_rng().integers(1 << 32))


def generate(
    network: Network,
    vocab: Vocab,
    *prompts: Prompt,
    length: int,
    seed: int | None = None,
    num_samples: int = 1,
    sampler: SamplerConfig | None = None,
    end: TextEnd | None = None,
    state: State | None = None,
) -> Iterator[Piece]:
    """The new characters of each text as they are written, a step of all texts after the other.

    Args:
        network: The model.
        vocab: Its vocabulary; the reserved unknown id is never drawn.
        prompts: What is continued, as ids; without any, one that is empty. A text with an empty one starts as if after
            ``beginning``, or after ``start_id`` where a state is given; an item of a list always after its end mark.
        length: Characters to write in each text, at most.
        seed: Of the first text of each prompt; the one at ``i`` has ``seed + i``, and is the same text alone or in a
            batch (up to the rounding of float32, where two characters are within one part in a million of a tie).
            None, after an ending, for the random numbers that come next.
        num_samples: Texts of each prompt. All are written in one batch, those of the first prompt first.
        sampler: How characters are drawn; with None the defaults, after an ending as before it.
        end: What ends each text before its length, a fresh one; None for nothing.
        state: Where to start from: a state of shape (S, L, 1, H), zeros with None, or the ending of an earlier text
            of this network. Prompt and new text then go on behind its last character; without a prompt, a seed or a
            sampler, both texts are what one longer text would have been, except that no stop string or sentence
            reaches from one into the other.

    Raises:
        ConfigError: a number is out of its range.
        TextError: the state does not fit the network.
        CheckpointError: the model's logits are not finite.
    """
    check("length", length, 0)
    check("num-samples", num_samples, 1)
    most = MAX_SAMPLES // max(1, len(prompts))
    if num_samples > most:
        batch = f"a batch of {len(prompts):,} prompts" if len(prompts) > 1 else "one batch"
        raise ConfigError(f"num-samples must be at most {most:,} in {batch}, not {num_samples:,}")
    past, drawn = [], 0
    if isinstance(state, Ending):
        past = state.recent[:-1].tolist()  # the last of them begins the prompt
        sampler = sampler or state.sampler
        if seed is None:
            seed, drawn = state.seed, state.drawn
    first = check("seed", seed, 0)
    started = [behind(state, prompt, vocab) for prompt in prompts or ((),)]
    sampler = sampler or SamplerConfig()
    seeds = [first + at for _ in started for at in range(num_samples)]
    read = [[*past, *ids[-sampler.penalty_window :].tolist()] for ids in started]
    recent = [ids for ids in read for _ in range(num_samples)]
    draws = Sampler(sampler, seeds, recent=recent, forbidden=vocab.unknown_id, drawn=drawn)
    ends = [copy.copy(end or TextEnd()) for _ in seeds]
    reader = network.reader(state=state.state if isinstance(state, Ending) else state)
    return _stream(vocab, started, reader, draws, seeds, ends, length)


def behind(state: State | None, prompt: Prompt, vocab: Vocab) -> NDArray[np.int64]:
    """The ids (T,), at least one, that are read before a text is written: what ``state`` has yet to read, the prompt.

    An empty prompt begins as ``generate`` says.
    """
    ids = np.asarray(prompt, np.int64)
    if isinstance(state, Ending):
        return np.concatenate([[state.last], ids])
    if state is None and (len(ids) == 0 or vocab.end is not None):
        return np.concatenate([beginning(vocab), ids])
    return ids if len(ids) else np.array([start_id(vocab)])


def collect(pieces: Iterable[Piece]) -> list[Sample]:
    """The whole texts that ``generate`` streams, in the order of their seeds."""
    texts: dict[int, list[str]] = {}
    endings: dict[int, Ending] = {}
    for sample, text, ending in pieces:
        texts.setdefault(sample, []).append(text)
        if ending:
            endings[sample] = ending
    return [Sample("".join(texts[at]), endings[at]) for at in sorted(texts)]


def check(name: str, value: int | None, least: int) -> int:
    """``value``, a whole number of at least ``least``.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return value


def _stream(
    vocab: Vocab,
    prompts: Sequence[NDArray[np.int64]],
    reader: Reader,
    sampler: Sampler,
    seeds: Sequence[int],
    ends: Sequence[TextEnd],
    length: int,
) -> Iterator[Piece]:
    prompt_of = np.repeat(np.arange(len(prompts)), len(seeds) // len(prompts)).tolist()
    reader = prime(reader, [prompt[:-1] for prompt in prompts]).select(prompt_of)
    last = np.array([prompts[at][-1] for at in prompt_of])
    running = list(range(len(seeds)))  # the text of each row
    end_is_sought = ends[0].is_sought

    def ending(reason: str, row: int) -> Ending:
        state, text = reader.state[:, :, row : row + 1].copy(), running[row]
        recent, left_out = sampler.recent(row), ends[text].left_out
        return Ending(reason, state, int(last[row]), seeds[text], sampler.drawn, recent, sampler.config, left_out)

    for _ in range(length):
        last = sampler(reader.step(last))
        characters = [vocab.characters[at] for at in last.tolist()]
        if not end_is_sought:
            yield from map(Piece, running, characters, itertools.repeat(None))
            continue
        going = []
        for row, (sample, character) in enumerate(zip(running, characters, strict=True)):
            text, reason = ends[sample].add(character)
            if reason:
                yield Piece(sample, text, ending(reason, row))
                continue
            going.append(row)
            if text:
                yield Piece(sample, text, None)
        if len(going) < len(running):
            if not going:
                return
            running, last = [running[row] for row in going], last[going]
            sampler.keep(going)
            reader = reader.select(going)
    for row, sample in enumerate(running):
        yield Piece(sample, ends[sample].held, ending("length", row))
