"""New text from a network, character by character.

B batch, V vocab, L layers, H hidden, S parts of the state.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chargen.config import SamplerConfig
from chargen.errors import ConfigError
from chargen.inference.numpy_cells import Floats
from chargen.inference.numpy_network import Network, Reader
from chargen.inference.sampler import Sampler
from chargen.text.vocab import Vocab

MAX_SAMPLES: Final = 100_000
SENTENCE_ENDS: Final = ".!?…"
CLOSERS: Final = "\"'”’»)]}*_"
"""What may stand between the end of a sentence and the white space: quotes, brackets, marks of emphasis."""


@dataclass(frozen=True)
class Ending:
    """Where one text stopped, so that ``generate(state=ending, ...)`` goes on as if it had not.

    Attributes:
        reason: ``length``, ``stop`` (a stop string) or ``sentence``.
        state: The network's state after everything but the last character, shape (S, L, 1, H).
        last: The id of the last character drawn; after a stop string or a sentence that is its own last character
            or the white space, though the text leaves them out.
        seed: Of its random numbers.
        drawn: How many of them it has used.
        recent: The ids that the repetition penalty looks at, ``last`` at the end; none without a penalty.
        sampler: How its characters were drawn.
    """

    reason: str
    state: Floats
    last: int
    seed: int
    drawn: int
    recent: NDArray[np.int64]
    sampler: SamplerConfig


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
    """The id that stands before a text's first character: the newline's where there is one, else 0."""
    return vocab.id_of("\n") or 0


def random_seed() -> int:
    """A seed from the system's randomness, short enough to type again."""
    return int(np.random.default_rng().integers(1 << 32))


def generate(
    network: Network,
    vocab: Vocab,
    prompt_ids: Sequence[int] | NDArray[np.integer[Any]] = (),
    *,
    length: int,
    seed: int | None = None,
    num_samples: int = 1,
    sampler: SamplerConfig | None = None,
    stop: Sequence[str] = (),
    until_sentence: bool = False,
    state: NDArray[Any] | Ending | None = None,
) -> Iterator[Piece]:
    """The new characters of each text as they are written, a step of all texts after the other.

    Args:
        network: The model.
        vocab: Its vocabulary; the reserved unknown id is never drawn.
        prompt_ids: What is continued. With none, the text starts as if after ``start_id``.
        length: Characters to write in each text, at most.
        seed: Of the first text; the one at ``i`` has ``seed + i``, and is the same text alone or in a batch (up to
            the rounding of float32, where two characters are within one part in a million of a tie). None, after
            an ending, for the random numbers that come next.
        num_samples: Texts, written in one batch.
        sampler: How characters are drawn; with None the defaults, after an ending as before it.
        stop: Strings that end a text as soon as it has one among its new characters. The string is left out, and
            characters that may be its beginning are held back until that is known.
        until_sentence: End a text at its first white space after a sentence's end, which is left out.
        state: Where to start from: a state of shape (S, L, 1, H), zeros with None, or the ending of an earlier text
            of this network. Prompt and new text then go on behind its last character; without a prompt, a seed or a
            sampler, both texts are what one longer text would have been, except that no stop string or sentence
            reaches from one into the other.

    Raises:
        ConfigError: a number is out of its range, or a stop string is empty.
        TextError: the state does not fit the network.
        CheckpointError: the model's logits are not finite.
    """
    _check("length", length, 0)
    _check("num-samples", num_samples, 1)
    if num_samples > MAX_SAMPLES:
        raise ConfigError(f"num-samples must be at most {MAX_SAMPLES:,} in one batch, not {num_samples:,}")
    if "" in stop:
        raise ConfigError("a stop string must not be empty")
    prompt = np.asarray(prompt_ids, np.int64)
    past, drawn = prompt[:0], 0
    if isinstance(state, Ending):
        past = state.recent[:-1]  # the last of them begins the prompt
        prompt = np.concatenate([[state.last], prompt])
        sampler = sampler or state.sampler
        if seed is None:
            seed, drawn = state.seed, state.drawn
        state = state.state
    elif len(prompt) == 0:
        prompt = np.array([start_id(vocab)])
    first = _check("seed", seed, 0)
    seeds = range(first, first + num_samples)
    draws = Sampler(
        sampler or SamplerConfig(),
        seeds,
        recent=[*past.tolist(), *prompt.tolist()],
        forbidden=vocab.unknown_id,
        drawn=drawn,
    )
    reader = network.reader(state=state)
    return _stream(vocab, prompt, reader, draws, seeds, length, stop, until_sentence)


def collect(pieces: Iterable[Piece]) -> list[Sample]:
    """The whole texts that ``generate`` streams, in the order of their seeds."""
    texts: dict[int, list[str]] = {}
    endings: dict[int, Ending] = {}
    for sample, text, ending in pieces:
        texts.setdefault(sample, []).append(text)
        if ending:
            endings[sample] = ending
    return [Sample("".join(texts[at]), endings[at]) for at in sorted(texts)]


def _check(name: str, value: int | None, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return value


def _stream(
    vocab: Vocab,
    prompt: NDArray[np.int64],
    reader: Reader,
    sampler: Sampler,
    seeds: Sequence[int],
    length: int,
    stop: Sequence[str],
    until_sentence: bool,
) -> Iterator[Piece]:
    reader.prime(prompt[:-1])
    reader = reader.select([0] * len(seeds))
    last = np.full(len(seeds), prompt[-1])
    running = list(range(len(seeds)))  # the text of each row
    watchers = [_Watcher(stop, until_sentence) for _ in seeds]

    def ending(reason: str, row: int) -> Ending:
        state, seed = reader.state[:, :, row : row + 1].copy(), seeds[running[row]]
        return Ending(reason, state, int(last[row]), seed, sampler.drawn, sampler.recent(row), sampler.config)

    for _ in range(length):
        last = sampler(reader.step(last))
        characters = [vocab.characters[at] for at in last.tolist()]
        if not (stop or until_sentence):
            yield from map(Piece, running, characters, itertools.repeat(None))
            continue
        going = []
        for row, (sample, character) in enumerate(zip(running, characters, strict=True)):
            text, reason = watchers[sample].add(character)
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
        yield Piece(sample, watchers[sample].held, ending("length", row))


class _Watcher:
    """Looks for the end of one text: takes its characters, gives back those that are certain to stay."""

    def __init__(self, stop: Sequence[str], until_sentence: bool) -> None:
        self._stop = sorted(stop, key=len, reverse=True)  # the longest that matches is cut off
        self._until_sentence = until_sentence
        self._ended = False  # the last character ended a sentence, or closed a quote or bracket after that
        self.held = ""

    def add(self, character: str) -> tuple[str, str]:
        """What may be shown now that ``character`` was written, and the reason to stop, if there is one."""
        if self._until_sentence:
            if self._ended and character.isspace():
                return self.held, "sentence"
            self._ended = character in SENTENCE_ENDS or (self._ended and character in CLOSERS)
        if not self._stop:
            return character, ""
        self.held += character
        for stop in self._stop:
            if self.held.endswith(stop):
                return self.held[: -len(stop)], "stop"
        certain = next(at for at in range(len(self.held) + 1) if self._may_begin_stop(self.held[at:]))
        shown, self.held = self.held[:certain], self.held[certain:]
        return shown, ""

    def _may_begin_stop(self, text: str) -> bool:
        return any(stop.startswith(text) for stop in self._stop)
