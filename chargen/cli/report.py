"""``chargen report``."""

from pathlib import Path
from typing import Annotated

import typer

from chargen.atomic import replacing
from chargen.cli import completion, options
from chargen.cli.output.browser import open_in_browser


def report(
    run: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN...",
            help="Runs' names or folders, or checkpoint files; without any, the newest run or else alice.",
            autocompletion=completion.models,
        ),
    ] = None,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where to write; without it, report.html in the folder of the run or, of several, in this one.",
        ),
    ] = None,
    opened: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a report of a training as one HTML page: figures, learning curves, samples and settings.

    Several runs are laid over each other, with the settings in which they differ. Every training keeps such a report
    in its run's folder, report.html, and rewrites it at each evaluation. The page's path is printed.
    """
    from chargen.store.lookup import names_of
    from chargen.store.runs import BEST, LAST, REPORT
    from chargen.web.report import read
    from chargen.web.report import report as document

    named: list[str | None] = [*run] if run else [None]
    paths = list(dict.fromkeys(options.checkpoint_file(name, quiet=quiet) for name in named))
    trainings = [read(path, name) for path, name in zip(paths, names_of(paths), strict=True)]
    is_run = len(paths) == 1 and paths[0].name in (BEST, LAST)
    page = output or (paths[0].with_name(REPORT) if is_run else Path(REPORT))
    with replacing(page) as file:
        file.write(document(trainings))
    typer.echo(str(page))
    if opened:
        open_in_browser(page)
