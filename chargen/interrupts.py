"""Signals that come while a module is being imported: the process ends at once, without an exception.

An exception that a handler raises there may meet C++ code, torch's above all, that cannot hand it on: the process
aborts then, or prints what Python could not do with it.
"""

import contextlib
import os
import signal
from types import FrameType
from typing import NoReturn


def leave(number: int, _frame: FrameType | None = None) -> NoReturn:
    """Handle a signal: end now, with its exit code and no word; behind a terminal's ``^C`` the line ends."""
    if number == signal.SIGINT and os.isatty(2):
        with contextlib.suppress(OSError):
            os.write(2, b"\n")
    os._exit(128 + number)


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Handle Ctrl-C: KeyboardInterrupt, but while a module is being imported the end."""
    if importing(frame):
        leave(number)
    raise KeyboardInterrupt


def importing(frame: FrameType | None) -> bool:
    """Whether ``frame``, where a signal came, or one that called it belongs to Python's import of a module."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
