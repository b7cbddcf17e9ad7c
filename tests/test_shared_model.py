"""One model used by many threads at once, as a web server does: each gets what it would get alone."""

import sys
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Final

import pytest
from samples import checkpoint

import chargen
from chargen.config import CELLS
from chargen.model import Model

THREADS: Final = 8
SEEDS: Final = 20
"""Seeds of each thread; no two threads share one."""
SLOW_SEEDS: Final = 3
"""As many where each use trains a network of its own."""

Use = Callable[[Model, str, int], Hashable]
"""What a thread does with a model, a text and a seed, and what it gets, to the bit."""


@pytest.fixture(autouse=True)
def _eager_switching() -> Iterator[None]:
    """Threads take turns after a few instructions, so that each meets the others within every step."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def sample(model: Model, text: str, seed: int) -> Hashable:
    """A text by its seed."""
    return model.sample(text, length=8, seed=seed)


def stream(model: Model, text: str, seed: int) -> Hashable:
    """The same, character by character."""
    return tuple(model.stream(text, length=8, seed=seed))


def pieces(model: Model, text: str, seed: int) -> Hashable:
    """Three texts side by side, and the states that they end in."""
    written = list(model.pieces(text, length=4, seed=seed, num_samples=3))
    return tuple((piece.sample, piece.text, piece.ending and piece.ending.state.tobytes()) for piece in written)


def score(model: Model, text: str, _seed: int) -> Hashable:
    """The bits of each character."""
    return model.score(text).bits.tobytes()


def score_together(model: Model, text: str, _seed: int) -> Hashable:
    """The same where the model predicts together with itself and a memory."""
    return model.score(text, before=text, remember=True, others=[model]).bits.tobytes()


def encode(model: Model, text: str, _seed: int) -> Hashable:
    """The vectors of one text and of several."""
    return model.encode(text).tobytes(), model.encode([text, text[::-1], text[:3]], layer=None).tobytes()


def classify(model: Model, text: str, _seed: int) -> Hashable:
    """The bits of a few texts."""
    return tuple(verdict.bits.tobytes() for verdict in chargen.classify([text, text[1:]], [model, model]))


def infill(model: Model, text: str, seed: int) -> Hashable:
    """Candidates for a gap of two characters."""
    return tuple(model.infill(f"{text[:2]}_{text[2:]}", length=2, chains=4, sweeps=3, seed=seed))


def adapt(model: Model, text: str, seed: int) -> Hashable:
    """The bits of a text that is learnt from, and a text of the model that has learnt."""
    bits = model.score(text, adapt=True, adapt_every=4).bits.tobytes()
    return bits, model.adapted(text, adapt_every=4).sample(length=4, seed=seed)


def seeds_of(use: Use) -> int:
    """How many seeds each thread has."""
    return SLOW_SEEDS if use is adapt else SEEDS


def at_once(model: Model, texts: list[str], use: Use) -> list[Hashable]:
    """What each seed gets where eight threads begin at the same moment."""
    barrier, seeds = Barrier(THREADS), seeds_of(use)

    def thread(first: int) -> list[Hashable]:
        barrier.wait()
        return [use(model, texts[seed % len(texts)], seed) for seed in range(first, first + seeds)]

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(thread, range(0, THREADS * seeds, seeds)))
    return [result for thread_results in results for result in thread_results]


def in_a_row(model: Model, texts: list[str], use: Use) -> list[Hashable]:
    """What each seed gets, one after the other."""
    return [use(model, texts[seed % len(texts)], seed) for seed in range(THREADS * seeds_of(use))]


@pytest.mark.parametrize("use", [sample, stream, pieces, score, score_together, encode, classify, infill, adapt])
@pytest.mark.parametrize("cell", CELLS)
def test_threads_that_share_a_model_get_what_each_gets_alone(cell: str, use: Use) -> None:
    """Whatever the cell and whatever is asked, also of a model that no one has used before."""
    content = checkpoint("\n abcdefgh", cell=cell, bidirectional=True, hidden_size=12)
    texts = ["abcde", "bad\ncab", "hag fed a", "ccccc", "fgh\na"]
    expected = in_a_row(Model(content, Path("model")), texts, use)
    assert at_once(Model(content, Path("model")), texts, use) == expected


@pytest.mark.parametrize("use", [sample, pieces, score, encode])
def test_threads_that_share_the_pretrained_model_get_what_each_gets_alone(use: Use) -> None:
    """At its size the products let other threads run in the middle of a step."""
    texts = ["Alice", "Queen", "said"]
    expected = in_a_row(chargen.load("alice"), texts, use)
    assert at_once(chargen.load("alice"), texts, use) == expected


def test_one_batch_and_many_begin_at_once() -> None:
    """Threads that write one text and threads that write several may be the first users of a model, together."""

    def mixed(model: Model, text: str, seed: int) -> Hashable:
        return pieces(model, text, seed) if seed % 2 else sample(model, text, seed)

    content = checkpoint("\n abcdefgh", hidden_size=12)
    for _ in range(3):
        assert at_once(Model(content, Path("model")), ["abc"], mixed) == in_a_row(
            Model(content, Path("model")), ["abc"], mixed
        )
