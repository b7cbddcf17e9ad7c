"""Speeds measured against each other: contestants in processes of their own, taking turns.

A contestant is an endless iterator that does one piece of work a turn and gives the characters it was worth. None meets
the threads, the memory allocator or the imports of another, and a machine that is slow for a while is slow for all.
Meanwhile the system is asked how much of the processors went to others.
"""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from time import perf_counter, process_time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chargen.bench import processors
from chargen.errors import ChargenError
from chargen.threads import THREAD_COUNTS, cores

Turn = tuple[int, float, float]
"""The characters that a turn was worth, and the seconds and seconds of processor time that it took."""


class Contestant(NamedTuple):
    """What makes a contestant, a function that another process can import and its arguments, and its threads."""

    make: Callable[..., Iterator[int]]
    arguments: tuple[Any, ...]
    threads: int


class Race(NamedTuple):
    """What came of a race.

    Attributes:
        rates: Characters a second of each contestant in each round, (rounds, contestants).
        others: Share of the processors' time that went to other processes meanwhile; None where the system does not
            tell.
    """

    rates: NDArray[np.float64]
    others: float | None


def race(contestants: Sequence[Contestant], *, rounds: int, seconds: float) -> Race:
    """Have all take turns.

    Args:
        contestants: Who takes turns, in this order.
        rounds: Turns of each.
        seconds: Length of a turn, at least; a piece of work is always finished.

    Raises:
        ChargenError: a contestant raised it, or its process was lost.
    """
    with contextlib.ExitStack() as stack:
        runners = [stack.enter_context(contextlib.closing(Runner(contestant))) for contestant in contestants]
        for runner in runners:
            runner.wait()
        began, here, worked = perf_counter(), process_time(), processors.seconds_at_work()
        turns = np.array([[runner.run(seconds) for runner in runners] for _ in range(rounds)], np.float64)
        characters, taken, processor = turns.transpose(2, 0, 1)
        others = None
        if worked is not None and (now := processors.seconds_at_work()) is not None:
            ours = process_time() - here + float(processor.sum())
            others = max(0.0, now - worked - ours) / (cores() * (perf_counter() - began))
        return Race(characters / taken, others)


class Runner:
    """A contestant in its process, which begins to make it ready at once."""

    def __init__(self, contestant: Contestant) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, contestant.make, contestant.arguments), daemon=True
        )
        with _environment(dict.fromkeys(THREAD_COUNTS, str(contestant.threads))):
            self._process.start()
        theirs.close()

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.terminate()
        self._process.join()

    def run(self, seconds: float) -> Turn:
        """Have it take one turn."""
        self._pipe.send(seconds)
        return self.wait()

    def wait(self) -> Turn:
        """What came of its turn; the first one, of one piece of work, it takes without being asked."""
        try:
            answer: Turn | ChargenError = self._pipe.recv()
        except EOFError as error:
            self._process.join()
            message = f"a process of the measurement ended early, with exit code {self._process.exitcode}"
            raise ChargenError(message) from error
        if isinstance(answer, ChargenError):
            raise answer
        return answer


def turn(contestant: Iterator[int], seconds: float) -> Turn:
    """A turn of at least ``seconds`` and one piece of work."""
    began, processor, elapsed, characters = perf_counter(), process_time(), 0.0, 0
    while elapsed < seconds or not characters:
        characters += next(contestant)
        elapsed = perf_counter() - began
    return characters, elapsed, process_time() - processor


def _serve(pipe: Connection, make: Callable[..., Iterator[int]], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes; the first one ends the others
    try:
        contestant = make(*arguments)
        pipe.send(turn(contestant, 0.0))
        while True:
            pipe.send(turn(contestant, pipe.recv()))
    except ChargenError as error:
        pipe.send(error)
    except (EOFError, BrokenPipeError):
        return


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ[name] for name in values if name in os.environ}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]
        os.environ.update(before)
