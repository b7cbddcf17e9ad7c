"""Speeds measured against each other: contestants in processes of their own, taking turns.

A contestant is an endless iterator that does one piece of work a turn and gives the characters it was worth. None meets
the threads, the memory allocator or the imports of another, and a machine that is slow for a while is slow for all.
"""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from time import perf_counter
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from chargen.errors import ChargenError
from chargen.threads import THREAD_COUNTS


class Contestant(NamedTuple):
    """What makes a contestant, a function that another process can import and its arguments, and its threads."""

    make: Callable[..., Iterator[int]]
    arguments: tuple[Any, ...]
    threads: int


def race(contestants: Sequence[Contestant], *, rounds: int, seconds: float) -> NDArray[np.float64]:
    """Characters a second of each contestant in each round, shape (rounds, contestants).

    Args:
        contestants: Who takes turns, in this order.
        rounds: Turns of each.
        seconds: Length of a turn, at least; a piece of work is always finished.

    Raises:
        ChargenError: a contestant raised it, or its process was lost.
    """
    with contextlib.ExitStack() as stack:
        runners = [stack.enter_context(Runner(contestant)) for contestant in contestants]
        for runner in runners:
            runner.wait()
        return np.array([[runner.run(seconds) for runner in runners] for _ in range(rounds)])


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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.terminate()
        self._process.join()

    def wait(self) -> None:
        """Wait until the contestant has done its first piece of work, which is not measured."""
        self._answer()

    def run(self, seconds: float) -> float:
        """The characters a second of one turn."""
        self._pipe.send(seconds)
        return self._answer()

    def _answer(self) -> float:
        try:
            answer: float | ChargenError = self._pipe.recv()
        except EOFError as error:
            self._process.join()
            message = f"a process of the measurement ended early, with exit code {self._process.exitcode}"
            raise ChargenError(message) from error
        if isinstance(answer, ChargenError):
            raise answer
        return answer


def speed(contestant: Iterator[int], seconds: float) -> float:
    """Characters a second over at least ``seconds`` and one piece of work."""
    began, elapsed, characters = perf_counter(), 0.0, 0
    while elapsed < seconds or not characters:
        characters += next(contestant)
        elapsed = perf_counter() - began
    return characters / elapsed


def _serve(pipe: Connection, make: Callable[..., Iterator[int]], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes; the first one ends the others
    try:
        contestant = make(*arguments)
        next(contestant)
        pipe.send(0.0)
        while True:
            pipe.send(speed(contestant, pipe.recv()))
    except ChargenError as error:
        pipe.send(error)
    except (EOFError, BrokenPipeError):
        return


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
