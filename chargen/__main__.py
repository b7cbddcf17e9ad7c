"""The ``chargen`` command, and ``python -m chargen``."""

import signal
import sys

from chargen.interrupts import end_line, interrupt, leave


def main() -> None:
    """Run the command line; Ctrl-C ends it without a traceback, from here to the last that Python does."""
    asks = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # it is ignored in a script's background
    if asks:
        signal.signal(signal.SIGINT, interrupt)
    try:
        from chargen.cli.main import main as command_line

        command_line()
    except KeyboardInterrupt:  # before the command line looks out for it, or after
        end_line()
        sys.exit(128 + signal.SIGINT)
    finally:
        if asks:
            signal.signal(signal.SIGINT, leave)  # Python still waits for threads and flushes streams


if __name__ == "__main__":
    main()
