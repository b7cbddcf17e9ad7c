"""The command line: one thin module a command, and the one place where errors become a line and an exit code."""

import contextlib
import io
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TextIO, cast

import typer

from chargen.cli.bench import bench
from chargen.cli.classify import classify
from chargen.cli.compare import compare
from chargen.cli.corpora import corpora
from chargen.cli.embeddings import embeddings
from chargen.cli.encode import encode
from chargen.cli.export import export
from chargen.cli.gradflow import gradflow
from chargen.cli.infill import infill
from chargen.cli.inspect import inspect
from chargen.cli.neurons import neurons
from chargen.cli.output.terminal import Screen, visible, wrapped
from chargen.cli.play import play
from chargen.cli.report import report
from chargen.cli.runs import runs
from chargen.cli.sample import sample
from chargen.cli.score import score
from chargen.cli.train import train
from chargen.errors import ChargenError, ConfigError, MismatchError, is_out_of_memory
from chargen.interrupts import end_line
from chargen.threads import bound_waiting

INTERRUPTED: Final = 128 + signal.SIGINT
"""The exit code after Ctrl-C, which is also what typer makes of a KeyboardInterrupt."""
_UsageError: Final[Any] = typer.BadParameter.__mro__[1]
"""What typer raises on wrong usage; it does not export the class."""

app = typer.Typer(
    name="chargen",
    help="Train a character-level recurrent network on any text, and write more of it.",
    no_args_is_help=True,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    train,
    sample,
    score,
    infill,
    classify,
    encode,
    embeddings,
    neurons,
    runs,
    report,
    inspect,
    play,
    export,
    compare,
    gradflow,
    corpora,
    bench,
):
    app.command()(command)


@app.callback()
def _options(
    *,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        from chargen import __version__

        typer.echo(f"chargen {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line and exit: 0 when all went well, 1 on an error, 2 on wrong usage, 130 on Ctrl-C."""
    bound_waiting()
    try:
        _run()
    except SystemExit as end:
        if os.environ.get("WORLD_SIZE", "1") == "1":
            raise
        # One of several processes leaves at once. While Python is taken down, a thread of torch's that still lets go of
        # a tensor aborts the process, which then seems to have failed.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 0)


def _run() -> NoReturn:
    _prepare_streams()
    try:
        code = app(prog_name="chargen", standalone_mode=False)  # the name that completion is for
        if code == INTERRUPTED:
            _leave_interrupted()
        sys.exit(code)
    except ChargenError as error:
        code = 2 if isinstance(error, ConfigError) and not isinstance(error, MismatchError) else 1
        _fail(str(error), code=code)
    except _UsageError as error:
        if error.format_message().strip():  # otherwise it is the help, which has been shown
            _fail(_wrong_usage(error), code=2)
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        _leave_interrupted()
    except MemoryError as error:
        _fail(f"there is not enough memory: {error}")
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        _fail("there is not enough memory; lower --batch-size, --bptt or --hidden-size, or free some")
    except OSError as error:
        with contextlib.suppress(OSError):  # keep the interpreter from failing again on its last flush
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _fail(f"cannot write {error.filename or 'the output'}: {error.strerror or error}")


def _wrong_usage(error: Any) -> str:
    """What was wrong about the words that were typed, with which value, and where to look for what is right."""
    typed = getattr(error, "option_name", None)
    if typed and error.ctx:  # typer suggests names of about the same length alone
        names = [name for parameter in error.ctx.command.params for name in parameter.opts]
        error.possibilities = [name for name in names if name.startswith(typed)] or error.possibilities
    message: str = error.format_message()
    details = getattr(error.__cause__, "errors", None)  # pydantic's, which have the value
    if details is not None:
        return f"{message.partition(',')[0]}, not {details()[0]['input']!r}"
    says_what_may_be = isinstance(error, typer.BadParameter) and error.message  # that an argument is missing says none
    is_suggested = getattr(error, "possibilities", None) or message.endswith("?")
    if says_what_may_be or is_suggested or not error.ctx:
        return message
    return f"{message.removesuffix('.')}; see {error.ctx.command_path} --help"


def _leave_interrupted() -> NoReturn:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    end_line()
    sys.exit(INTERRUPTED)


def _prepare_streams() -> None:
    """Have stdout and stderr take any text: UTF-8 into a file or a pipe; a terminal shows what it lacks escaped.

    Stderr takes it even where it is gone; that the result cannot be written to stdout is an error.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed, as some schedulers leave them
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # until the process ends
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")
    if not isinstance(sys.stderr, Screen):
        sys.stderr = cast("TextIO", Screen(sys.stderr))


def _fail(message: str, *, code: int = 1) -> NoReturn:
    line = visible(" ".join(message.split()))
    sys.stderr.write(wrapped(f"error: {line}") + "\n")
    sys.exit(code)
