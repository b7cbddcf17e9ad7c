"""Several processes that train one network: who they are, and how they agree.

Started by ``torchrun`` or ``chargen train --nproc``, each process (a rank) has the variables RANK, WORLD_SIZE and
LOCAL_RANK. Every rank reads the same text and holds the same weights; the columns of the batch are divided among them,
and DistributedDataParallel (Li et al. 2020) averages their gradients. Rank 0 alone evaluates, writes and talks.
"""

import contextlib
import datetime as dt
import os
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from chargen.errors import ChargenError, ConfigError, MismatchError, TrainingError, is_out_of_memory

T = TypeVar("T")

PATIENCE: Final = dt.timedelta(hours=2)
"""How long the others wait for rank 0 to evaluate; a rank that dies is noticed at once, by its closed connection."""


class World:
    """The processes of a training.

    Args:
        rank: This process's number.
        size: How many there are; alone, every operation here gives its input back.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def leads(self) -> bool:
        """Whether this process is the one that evaluates, writes and talks."""
        return self.rank == 0

    def columns(self, batch_size: int) -> slice:
        """This process's columns of a batch.

        Raises:
            MismatchError: the batch cannot be divided evenly.
        """
        if batch_size % self.size:
            raise MismatchError(
                f"batch-size {batch_size} cannot be divided among {self.size} processes; make it a multiple of "
                f"{self.size}"
            )
        share = batch_size // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def parallel(self, module: nn.Module) -> nn.Module:
        """``module`` with its gradients averaged over all processes."""
        return module if self.size == 1 else DistributedDataParallel(module)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a number that each process has its own of."""
        if self.size > 1:
            dist.all_reduce(value)
            value /= self.size
        return value

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is set in any process."""
        if self.size == 1:
            return flag
        total = torch.tensor(int(flag))
        dist.all_reduce(total)
        return bool(total)

    def gathered(self, columns: Tensor, dim: int) -> Tensor:
        """The columns of all processes side by side, on the CPU."""
        if self.size == 1:
            return columns.cpu()
        mine = columns.cpu().contiguous()
        parts = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(parts, mine)
        return torch.cat(parts, dim=dim)

    def led(self, act: Callable[[], T]) -> T:
        """What ``act`` returns or raises in rank 0, in all processes; only there is it called."""
        if self.size == 1:
            return act()
        outcome: list[Any] = [None, None]
        if self.leads:
            try:
                outcome[0] = act()
            except ChargenError as error:
                outcome[1] = error
        dist.broadcast_object_list(outcome)
        if outcome[1] is not None:
            raise outcome[1]
        result: T = outcome[0]
        return result

    @contextlib.contextmanager
    def watching(self, advice: str = "nothing was saved") -> Iterator[None]:
        """Make of a lost process one clear error, with ``advice`` on what to do."""
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or is_out_of_memory(error):
                raise
            raise TrainingError(
                f"another of the {self.size} processes was lost ({_reason(error)}); {advice}"
            ) from error


ALONE: Final = World()


@contextlib.contextmanager
def world() -> Iterator[World]:
    """The processes that this one was started with, connected; itself alone where it was started alone.

    Raises:
        ConfigError: the variables that tell of the others make no sense.
        TrainingError: the others cannot be reached, or one of them was lost.
        SystemExit: any error of chargen's in another process than the first, which has the same and tells it.
    """
    started = _world()
    if started.size == 1:
        yield started
        return
    try:
        with _connected(started), started.watching():
            yield started
    except ChargenError:
        if started.leads:
            raise
        raise SystemExit(1) from None


@contextlib.contextmanager
def _connected(started: World) -> Iterator[None]:
    if torch.cuda.is_available():
        torch.cuda.set_device(_variable("LOCAL_RANK", 0))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(backend, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"the {started.size} processes cannot reach each other: {_reason(error)}") from error
    try:
        yield
    finally:
        with contextlib.suppress(RuntimeError):  # which it raises where a process was lost
            dist.destroy_process_group()


def local_size() -> int:
    """How many of the processes share this machine.

    Raises:
        ConfigError: the variable that tells it is not a number.
    """
    return _variable("LOCAL_WORLD_SIZE", _variable("WORLD_SIZE", 1))


def _world() -> World:
    """This process's place among those that were started together, as the variables tell it."""
    size, rank = _variable("WORLD_SIZE", 0), _variable("RANK", -1)
    if (size, rank) == (0, -1) or (size, rank) == (1, -1):
        return ALONE
    if not 0 <= rank < size:
        variables = ", ".join(f"{name}={os.environ.get(name, '')}" for name in ("RANK", "WORLD_SIZE"))
        raise ConfigError(
            f"{variables} is no process's place among others; set both as torchrun does, or neither to train in one "
            "process"
        )
    return World(rank, size)


def _reason(error: Exception) -> str:
    """The first sentence of what torch says, without the place in its sources that some begin with."""
    text = str(error).strip()
    if text.startswith("["):
        text = text.partition("] ")[2] or text
    return text.splitlines()[0].partition(". ")[0][:120]


def _variable(name: str, default: int) -> int:
    """A whole number from the environment."""
    value = os.environ.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise ConfigError(f"the environment variable {name} is {value!r}, not a whole number; unset it or set it right")
    return int(value)
