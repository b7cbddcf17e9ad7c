"""Processes, threads and signals: stopping a training in good order, and ``chargen train --nproc N``."""

import _thread
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn, Self

import chargen
from chargen.errors import TrainingError
from chargen.interrupts import end_line, importing, leave

WINDOWS: Final = os.name == "nt"
GRACE_SECONDS: Final = 5.0
"""How long processes have to end by themselves once one of them was lost, or a second signal came."""

_CHILD: Final = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("chargen", sys.argv.pop(1))
sys.modules["chargen"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["chargen"])
from chargen.cli.processes import follow_launcher
follow_launcher()
from chargen.__main__ import main
main()
"""
"""What a process of ``launch`` runs: this very package, wherever it lies, and nothing from the current folder."""


def stopping() -> tuple[signal.Signals, ...]:
    """The signals that ask a training to save and end: Ctrl-C, SIGTERM and, but under ``nohup``, a lost terminal's."""
    asking = (signal.SIGINT, signal.SIGTERM)
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    return asking if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN else (*asking, hangup)


class Stop:
    """Called, says whether a signal to stop has come since the ``with`` began.

    The first signal only asks: the training saves and ends by itself. A second one breaks off at once, and so does the
    first where nobody watches for it yet: before a training begins there is nothing to save.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._watched = False

    def __call__(self) -> bool:
        """Whether to stop."""
        self.watch()
        return bool(self.signal)

    def watch(self) -> None:
        """Have the first signal only ask from now on, since there is something to save or about to be."""
        self._watched = True

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._ask) for number in stopping()}
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.signal or not self._watched:
            if importing(frame):
                leave(number)
            if number == signal.SIGINT:
                end_line()
            sys.exit(128 + number)
        self.signal = number


def launch(processes: int, arguments: Sequence[str]) -> int:
    """Run ``chargen`` with ``arguments`` in ``processes`` processes that know of each other.

    The signals that ask it to stop are passed on to all, which then save and end; a second one ends all.

    Returns:
        The exit code: 0 where all ended well, else that of the first one that did not.

    Raises:
        TrainingError: a process was lost, and the first one, which tells of all other errors, could not tell of it.
    """
    children: list[subprocess.Popen[bytes]] = []
    signals: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        signals.append(number)
        for child in children:
            if not WINDOWS and child.poll() is None:  # there the console has told the children, too
                child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in stopping()}
    try:
        port = _free_port()
        for rank in range(processes):
            children.append(_start(rank, processes, port, arguments))
            if signals:  # before all had been started
                return 128 + signals[0]
        return _wait(children, signals)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for child in children:
            if child.poll() is None:
                child.kill()
            child.communicate()


def follow_launcher() -> None:
    """From now on, stop when the launcher ends: it holds the other end of this process's stdin, and never writes."""

    def watch() -> NoReturn:
        while os.read(0, 1):
            pass
        with contextlib.suppress(OSError, AttributeError):  # stderr may be lost as well
            if os.environ["RANK"] == "0":
                sys.stderr.write("error: the process that started this training was lost\n")
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:  # else nothing has begun that could be saved
            _thread.interrupt_main(signal.SIGTERM)
            time.sleep(GRACE_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _start(rank: int, processes: int, port: int, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    package = Path(chargen.__file__)
    return subprocess.Popen(  # noqa: S603  # this very program, with the user's own arguments
        [sys.executable, "-P", "-c", _CHILD, str(package), *arguments],
        env=os.environ
        | {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(processes),
            "LOCAL_WORLD_SIZE": str(processes),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "USE_LIBUV": "0",  # which torch is built without on Windows
            "TORCH_CPP_LOG_LEVEL": "FATAL",  # a lost process is told in one line, not in a stack of C++ as well
        },
        stdin=subprocess.PIPE,
        # a group of its own each, so that Ctrl-C comes from here alone and comes once
        start_new_session=True,
    )


def _wait(children: Sequence["subprocess.Popen[bytes]"], signals: Sequence[int]) -> int:
    failed, deadline = None, float("inf")
    while True:
        codes = [child.poll() for child in children]
        if failed is None:
            failed = next((rank for rank, code in enumerate(codes) if code), None)
        if deadline == float("inf") and (failed is not None or len(signals) > 1):
            deadline = time.monotonic() + GRACE_SECONDS
        if None not in codes or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    if signals and (failed is not None or None in codes):
        return 128 + signals[0]
    if failed is None:
        return 0
    if not codes[0] or codes[0] < 0:
        code = codes[failed] or 0
        if codes[0] == 0 and code - 128 in stopping():  # it was asked to stop, and all saved and ended
            return code
        reason = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise TrainingError(
            f"process {failed + 1} of {len(children)} was lost ({reason}); if it had saved, go on with --resume"
        )
    return codes[0]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
