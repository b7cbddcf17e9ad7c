"""The ``chargen`` command, and ``python -m chargen``."""

import os
import signal


def main() -> None:
    """Run the command line; Ctrl-C ends it without a traceback from the start, while it is still being imported too."""
    asks = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # it is ignored in a script's background
    if asks:
        signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(130))
    from chargen.cli.main import main as command_line

    if asks:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command_line()


if __name__ == "__main__":
    main()
