"""What this machine trains on: device, precision, threads, memory."""

import contextlib
import ctypes
import functools
import os
import platform
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from chargen.config import CELLS, ModelConfig
from chargen.errors import ConfigError, MismatchError
from chargen.threads import cores
from chargen.training.distributed import local_size
from chargen.training.torch_cells import Layer

BYTES: Final = 20  # of a parameter in training: weight, gradient, two moments and the average, in float32

FEW_THREADS: Final = 64
"""So many may be asked for on any machine: a run that began on a large one goes on, if slowly, on a small one."""
THREADS_A_CORE: Final = 4
TOO_SMALL: Final = 64
"""Hidden size of networks that gain nothing from a second thread."""
_LOCK: Final = threading.Lock()
_BEFORE: Final[list[int]] = []
"""Torch's number of threads before the first who changed it, once for each who has not put it back."""


def choose_device(device: str, processes: int = 1) -> str:
    """``device``, or for ``auto`` the GPU where there is one that ``processes`` can train on together.

    Raises:
        MismatchError: the device is not there.
        ConfigError: it is not for several processes.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        order = ("cuda", "mps", "cpu") if processes == 1 else ("cuda", "cpu")  # gloo cannot reduce what is on mps
        return next(name for name in order if available[name])
    if device == "mps" and processes > 1:
        raise ConfigError(f"device mps cannot be shared by {processes} processes; use --device cpu, or one process")
    if not available[device]:
        raise MismatchError(
            f"device {device} is not available here; use --device {choose_device('auto', processes)} or auto"
        )
    return device


def choose_precision(precision: str, device: str) -> str:
    """``precision``, or for ``auto`` bf16 where the hardware multiplies bfloat16 faster than float32.

    Raises:
        MismatchError: it is bf16 and this processor cannot run it.
    """
    if precision == "bf16" and device == "cpu" and not runs_bf16():
        raise MismatchError("precision bf16 does not run on this processor; use --precision fp32")
    if precision != "auto":
        return precision
    if device == "cuda":
        return "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp32"
    if device == "cpu":
        capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # absent from older releases
        return "bf16" if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16") else "fp32"
    return "fp32"


def runs_bf16() -> bool:
    """Whether a recurrent layer runs in bfloat16 here at all: where oneDNN computes it, only with AVX-512."""
    layer = Layer(ModelConfig.cell, 1, 1)
    state = torch.zeros(CELLS[ModelConfig.cell].state_parts, 1, 1)
    try:
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            layer(torch.zeros(1, 1, 1), state, layer.weight_hh)
    except RuntimeError:
        return False
    return True


def choose_threads(threads: int, model: ModelConfig) -> int:
    """``threads``, or for 0 this process's share of the cores it may use; one for networks too small to share out.

    Measured on two cores: a second thread adds nothing at hidden size 64. At 128 in bf16 it adds a third with AVX-512
    and slows down by an eighth to a quarter with AMX, so from there on a trial is worth its time.

    Raises:
        MismatchError: so many would spend their time starting and waiting for each other.
    """
    most = max(FEW_THREADS, THREADS_A_CORE * cores())
    if threads > most:
        raise MismatchError(
            f"{threads} threads are too many for the {cores()} cores here; --threads takes at most {most}"
        )
    if threads:
        return threads
    return 1 if model.hidden_size <= TOO_SMALL else max(1, cores() // local_size())


def processor() -> str:
    """The processor's name where the system tells it, else its architecture."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """``tensor``, of any shape on the CPU or already there, on ``device``.

    CUDA alone copies beside the work that is under way, and out of pinned memory alone: elsewhere such a copy may
    arrive after its source was used for something else, without an error.
    """
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def check_memory(device: str, model: ModelConfig) -> None:
    """Refuse a network that no amount of patience would train here, before memory is taken for it.

    Raises:
        MismatchError: its weights, gradients and averages alone do not fit the device's memory.
    """
    if device == "cuda":
        memory = torch.cuda.get_device_properties(0).total_memory
    elif hasattr(os, "sysconf"):  # not on Windows
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    else:
        return
    needed = model.parameters * BYTES
    if needed > memory:
        raise MismatchError(
            f"a network of {model.parameters:,} parameters takes {needed / 1e9:,.0f} GB to train, and there are "
            f"{memory / 1e9:,.0f}; lower --hidden-size or --num-layers"
        )


@contextlib.contextmanager
def tuned(threads: int) -> Iterator[None]:
    """Torch with ``threads`` threads and denormals flushed to zero, put back at the end.

    The number of threads is the whole process's: of several who overlap, the last one puts back what was before the
    first.
    """
    _keep_freed_memory()
    with _LOCK:
        _BEFORE.append(_BEFORE[0] if _BEFORE else torch.get_num_threads())
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        with _LOCK:
            before = _BEFORE.pop()
            if not _BEFORE:
                torch.set_num_threads(before)


def _keep_freed_memory() -> None:
    """Have glibc keep freed memory for the next step instead of handing it back to the system.

    A step frees and takes again the same few large arrays; by default each goes back to the kernel, which clears its
    pages again: a fifth to a third of a step's time. The values are those of ``mallopt(3)``: M_MMAP_MAX,
    M_TRIM_THRESHOLD and M_TOP_PAD. Elsewhere than on glibc nothing is done.
    """
    libc = _glibc()
    if libc is not None:
        for parameter, value in ((-4, 0), (-1, 1 << 30), (-2, 64 << 20)):
            libc.mallopt(parameter, value)


def release_freed_memory() -> None:
    """Have glibc hand the system what was freed so far; elsewhere nothing is done.

    What the trial of the threads and the judgement of a text leave lies between what stays, in pieces too small for a
    step. It takes milliseconds, so it is for the start of a training.
    """
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    """The C library where it is glibc, else None."""
    if not sys.platform.startswith("linux"):
        return None
    with contextlib.suppress(OSError):
        libc = ctypes.CDLL("libc.so.6")
        if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim"):
            return libc
    return None
