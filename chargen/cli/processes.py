"""Processes, threads and signals: stopping a training in good order, and ``chargen train --nproc N``."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Final, Self

GRACE_SECONDS: Final = 60.0
"""How long the others have to end by themselves after one was lost."""


def stopping() -> tuple[signal.Signals, ...]:
    """The signals that ask a training to save and end: Ctrl-C, SIGTERM and, but under ``nohup``, a lost terminal's."""
    asking = (signal.SIGINT, signal.SIGTERM)
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    return asking if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN else (*asking, hangup)


class Stop:
    """Called, says whether a signal to stop has come since the ``with`` began.

    The first signal only asks: the training saves and ends by itself. A second one breaks off at once.
    """

    def __init__(self) -> None:
        self.signal = 0

    def __call__(self) -> bool:
        """Whether to stop."""
        return bool(self.signal)

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._ask) for number in stopping()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number


def launch(processes: int, arguments: Sequence[str]) -> int:
    """Run ``chargen`` with ``arguments`` in ``processes`` processes that know of each other.

    The signals that ask it to stop are passed on to all, which then save and end.

    Returns:
        The exit code: 0 where all ended well, else the first one that did not.
    """
    children: list[subprocess.Popen[bytes]] = []
    came: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        for child in children:
            if child.poll() is None:
                child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in stopping()}
    try:
        port = _free_port()
        for rank in range(processes):
            if came:  # before all had been started
                return 128 + came[0]
            children.append(_start(rank, processes, port, arguments))
        return _wait(children)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for child in children:
            if child.poll() is None:
                child.kill()
            child.wait()


def _start(rank: int, processes: int, port: int, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603  # this very program, with the user's own arguments
        [sys.executable, "-m", "chargen", *arguments],
        env=os.environ
        | {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(processes),
            "LOCAL_WORLD_SIZE": str(processes),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        },
        # a group of its own each, so that Ctrl-C comes from here alone and comes once
        start_new_session=True,
    )


def _wait(children: Sequence["subprocess.Popen[bytes]"]) -> int:
    failed, deadline = 0, float("inf")
    while any(child.poll() is None for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
        if not failed:
            codes = [child.returncode for child in children if child.returncode]
            if codes:
                failed, deadline = codes[0], time.monotonic() + GRACE_SECONDS
    failed = failed or next((child.returncode for child in children if child.returncode), 0)
    return 128 - failed if failed < 0 else failed


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
