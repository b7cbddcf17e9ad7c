"""``chargen export``."""

from pathlib import Path
from typing import Annotated

import typer

from chargen.cli import options
from chargen.threads import use_threads

Int8 = Annotated[
    bool,
    typer.Option(
        "--int8", help="A byte for each weight: half the size, and hardly worse (alice by 0.0001 bits a character)."
    ),
]
Example = Annotated[
    bool,
    typer.Option(
        "--example/--no-example",
        help="Begin with a piece of the text that the training held out, or else of a built-in corpus.",
    ),
]


def export(
    checkpoint: Annotated[str, typer.Argument(help="A checkpoint file, a run's folder or name.", show_default=False)],
    *,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page for any browser here.", show_default=False)
    ] = None,
    int8: Int8 = False,
    example: Example = True,
    quiet: options.Quiet = False,
) -> None:
    """Write a model as one HTML page that writes, reads and shows its neurons, offline and without a server."""
    if html is None:
        raise typer.BadParameter("say what to make: --html and a file", param_hint="--html")
    use_threads(0, single=True)
    from chargen.store import lookup

    write_page(lookup.find(checkpoint), html, int8=int8, example=example, quiet=quiet)


def write_page(checkpoint: Path, output: Path, *, int8: bool, example: bool, quiet: bool) -> None:
    """Write a model's page, print its path, and tell its size and what text is in it."""
    from chargen.atomic import replacing
    from chargen.store import lookup
    from chargen.web.export import html

    page = html(lookup.load(checkpoint), checkpoint, int8=int8, example=example)
    with replacing(output) as file:
        file.write(page.data)
    typer.echo(str(output))
    if quiet:
        return
    options.note(f"the page takes {len(page.data) / 1e6:.1f} MB")
    if page.example:
        options.note(
            f"it begins with {page.example:,} characters of {page.source} as an example; --no-example leaves them out"
        )
