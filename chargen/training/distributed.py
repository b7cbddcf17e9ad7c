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

from chargen.errors import ChargenError, MismatchError, TrainingError, is_out_of_memory

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
    def watching(self, advice: str) -> Iterator[None]:
        """Make of a lost process one clear error, with ``advice`` on what to do."""
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or is_out_of_memory(error):
                raise
            first = str(error).strip().splitlines()[0]
            raise TrainingError(f"another of the {self.size} processes was lost ({first[:120]}); {advice}") from error


@contextlib.contextmanager
def world() -> Iterator[World]:
    """The processes that this one was started with, connected; itself alone where it was started alone.

    Raises:
        TrainingError: the others cannot be reached.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(backend, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise TrainingError(f"the {size} processes cannot reach each other: {first}") from error
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def local_size() -> int:
    """How many of the processes share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("WORLD_SIZE", "1")))
