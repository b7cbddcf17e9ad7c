"""``chargen export``."""

from pathlib import Path
from typing import Annotated

import typer

from chargen.atomic import replacing
from chargen.cli import options
from chargen.threads import use_threads

Int8 = Annotated[
    bool,
    typer.Option(
        "--int8", help="A byte for each weight: half the size, and hardly worse (alice by 0.001 bits a character)."
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
    checkpoint: options.Checkpoint,
    output: Annotated[
        Path | None, typer.Argument(metavar="FILE.onnx", help="Write an ONNX graph here, for other programs.")
    ] = None,
    *,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page for any browser here.")] = None,
    int8: Int8 = False,
    example: Example = True,
    quiet: options.Quiet = False,
) -> None:
    """Write a model as a page for the browser, or as a file for other programs.

    The page writes, reads and shows its neurons, offline and without a server. The ONNX graph takes ids and a state and
    gives logits and a state; its metadata has the vocabulary. Paths are printed.
    """
    if html is None and output is None:
        raise typer.BadParameter("say what to make: --html and a file, or a file.onnx", param_hint="--html")
    if output is not None and output.suffix != ".onnx":
        raise typer.BadParameter(f"{output} does not end with .onnx", param_hint="FILE.onnx")
    use_threads(0, single=True)
    from chargen.store import lookup

    path = options.checkpoint_file(checkpoint, quiet=quiet)
    if html is not None:
        write_page(path, html, int8=int8, example=example, quiet=quiet)
    if output is not None:
        from chargen.web.onnx_graph import onnx_model

        graph = onnx_model(lookup.load(path), lookup.name_of(path))
        with replacing(output) as file:
            file.write(graph)
        typer.echo(str(output))


def write_page(checkpoint: Path, output: Path, *, int8: bool, example: bool, quiet: bool) -> None:
    """Write a model's page, print its path, and tell its size and what text is in it."""
    from chargen.store import lookup
    from chargen.web.export import html

    page = html(lookup.load(checkpoint), checkpoint, int8=int8, example=example)
    with replacing(output) as file:
        file.write(page.data)
    typer.echo(str(output))
    options.note(f"the page takes {len(page.data) / 1e6:.1f} MB", quiet=quiet)
    if page.example:
        shown = f"{page.example:,} characters of {page.source}"
        options.note(f"it begins with {shown} as an example; --no-example leaves them out", quiet=quiet)
