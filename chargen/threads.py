"""How many threads the libraries below NumPy and torch start, and how long these wait awake.

Both are read from the environment when the libraries are loaded, so this module loads neither. The command line sets
what the person has not set; a program that uses chargen as a library sets it itself, before it imports NumPy or torch.
How many threads a training takes is settled by `training.automatic`, from a short trial.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

THREAD_COUNTS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""The environment variables in which torch's and NumPy's libraries look for the number of threads."""
WAITING: Final = {"GOMP_SPINCOUNT": "30000", "KMP_BLOCKTIME": "1"}
"""How long a thread that waits for the others stays awake: GNU's OpenMP counts turns, LLVM's and Intel's milliseconds.

By default it is for ever or for 0.2 seconds, in which the thread keeps from its core the very one that it waits for. On
two cores beside two busy processes a 2x384 LSTM trains with 234 characters/s so, and with 19,400 where threads soon
sleep; on a quiet machine that costs nothing.
"""


def bound_waiting() -> None:
    """Have waiting threads sleep soon, unless the person has said how they wait."""
    if "OMP_WAIT_POLICY" not in os.environ:
        for name, value in WAITING.items():
            os.environ.setdefault(name, value)


def use_threads(threads: int, *, single: bool = False) -> None:
    """Have NumPy, which is not yet loaded, share its products out to so many threads.

    OpenBLAS's threads wait for each other after every product, and beside a process that keeps a core busy they wait
    for that too. Where nobody has given their number, there are as many as there are idle cores.

    Args:
        threads: Their number, 0 for what the environment says or else for what suits the moment.
        single: One suits best: there is so little to do that starting threads takes as long as they save, or each
            product is so small.
    """
    if threads:
        os.environ.update(dict.fromkeys(THREAD_COUNTS, str(threads)))
    elif not os.environ.keys() & set(THREAD_COUNTS):
        os.environ["OPENBLAS_NUM_THREADS"] = str(1 if single else idle_cores())


def cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def idle_cores() -> int:
    """How many of them nothing else uses now or in the last minute, as far as the system tells; at least one.

    Measured on two cores, sampling from a 2x512 LSTM: quiet, 7,000 characters/s with one thread and 9,700 with two;
    beside other work, 3,900 with one and 390 with two.
    """
    running = round(os.getloadavg()[0]) if hasattr(os, "getloadavg") else 0  # not on Windows
    with contextlib.suppress(OSError, ValueError, IndexError):  # Linux alone tells what runs at this moment
        current = Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[0]
        running = max(running, int(current) - 1)
    return max(1, cores() - running)
