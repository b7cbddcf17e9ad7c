"""The command line: one thin module a command, and the one place where errors become a line and an exit code."""

import os
import sys

import typer

from chargen.cli.corpora import corpora
from chargen.cli.inspect import inspect
from chargen.cli.sample import sample
from chargen.cli.train import train
from chargen.errors import ChargenError

app = typer.Typer(
    name="chargen",
    help="Train a character-level recurrent network on any text, and write more of it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (train, sample, inspect, corpora):
    app.command()(command)


def main() -> None:
    """Run the command line and exit: 0 when all went well, 1 on an error, 2 on wrong usage, 130 on Ctrl-C."""
    try:
        app()
    except ChargenError as error:
        line = " ".join(str(error).split())
        sys.stderr.write(f"error: {line}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # the reader has gone, as with `| head`; keep the interpreter from failing on its last flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
