"""Ctrl-C and other signals; those that come while a module is being imported end the process without an exception.

An exception that a handler raises there may meet C++ code, torch's above all, that cannot hand it on: the process
aborts then, or prints what Python could not do with it.
"""

import contextlib
import os
import signal
from types import FrameType

TYPE_CHECKING = False  # as in chargen/__init__.py
if TYPE_CHECKING:
    from typing import NoReturn


def leave(number: int, _frame: FrameType | None = None) -> "NoReturn":
    """Handle a signal: end now, with its exit code and nothing else."""
    if number == signal.SIGINT:
        end_line()
    os._exit(128 + number)


def interrupt(number: int, frame: FrameType | None) -> "NoReturn":
    """Handle Ctrl-C: KeyboardInterrupt, but while a module is being imported the end."""
    if importing(frame):
        leave(number)
    raise KeyboardInterrupt


def end_line() -> None:
    """Leave the shell's prompt a line of its own on a terminal, which has written ^C behind whatever stood there."""
    for handle in (2, 1):
        with contextlib.suppress(OSError):
            if os.isatty(handle):
                os.write(handle, b"\n")
                return


def importing(frame: FrameType | None) -> bool:
    """Whether ``frame``, where a signal came, or one that called it belongs to Python's import of a module."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
