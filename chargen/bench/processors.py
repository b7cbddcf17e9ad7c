"""How much the processors work, whoever has them do it, as far as the system tells (Linux alone does)."""

import os
from pathlib import Path
from typing import Final

STAT: Final = Path("/proc/stat")
_WORK: Final = (0, 1, 2, 5, 6, 7)
"""Columns of a processor's line in ``proc(5)`` that are work: user, nice, system, irq, softirq, steal."""


def seconds_at_work() -> float | None:
    """Seconds that these processors have worked since the machine started, all together; None where it is not told."""
    try:
        lines = STAT.read_text(encoding="ascii").splitlines()
        names = {f"cpu{processor}" for processor in _allowed()}
        counts = [[int(word) for word in line.split()[1:]] for line in lines if line.partition(" ")[0] in names]
        ticks = sum(count[column] for count in counts for column in _WORK)
        return ticks / os.sysconf("SC_CLK_TCK") if counts else None
    except (OSError, ValueError, IndexError):
        return None


def _allowed() -> set[int]:
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return affinity(0) if affinity else set()
