"""``chargen bench``."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from chargen.cli import options
from chargen.config import PRECISIONS

if TYPE_CHECKING:
    from rich.table import Table

    from chargen.bench import SamplingRow, TrainingRow

_Row = TypeVar("_Row", bound="TrainingRow | SamplingRow")

_PLAIN: Final = """\
plain: the same network written the usual way in PyTorch: nn.LSTM in float32,
trained by a textbook loop, sampled one step a character."""
_TRAINING: Final = """\
Neither side regularises. Peak: the speed of the same matrix products by
themselves, in the same precision."""
_SAMPLING: Final = """\
Bandwidth: the speed at which bare NumPy products of the same sizes read the
weights."""


def _option(text: str, **more: Any) -> Any:
    return typer.Option(help=text, show_default=False, **more)


def bench(
    *,
    size: Annotated[
        list[str] | None, _option("Layers x hidden size; repeatable. Without any 2x128, 2x512 and 1x1024.")
    ] = None,
    batch_size: Annotated[int | None, _option("Of training; without it 50 up to hidden size 128, 64 above.")] = None,
    bptt: Annotated[int | None, _option("Of training; without it 50 up to hidden size 128, 128 above.")] = None,
    precision: Annotated[str | None, _option(f"Of our training: one of {', '.join(PRECISIONS)}.")] = None,
    threads: Annotated[int | None, _option("CPU threads of each contestant; without it as training chooses.")] = None,
    repeats: Annotated[int | None, _option("Rounds in which the contestants take turns; without it 5.")] = None,
    seconds: Annotated[float | None, _option("Length of a turn, at least; without it 1.")] = None,
    training: Annotated[bool, typer.Option("--training", help="Measure training alone.")] = False,
    sampling: Annotated[bool, typer.Option("--sampling", help="Measure sampling alone.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure how fast this machine trains and samples, beside the plain way in PyTorch."""
    from chargen import bench

    given: dict[str, Any] = {
        "batch_size": batch_size,
        "bptt": bptt,
        "precision": precision,
        "threads": threads,
        "rounds": repeats,
        "seconds": seconds,
    }
    settings = bench.Settings(**{name: value for name, value in given.items() if value is not None})
    sizes = size or bench.SIZES
    both = training == sampling
    trained = _measured("training", bench.training(sizes, settings), quiet) if training or both else []
    sampled = _measured("sampling", bench.sampling(sizes, settings), quiet) if sampling or both else []
    facts = bench.machine(settings)
    if as_json:
        rows = {"training": [asdict(row) for row in trained], "sampling": [asdict(row) for row in sampled]}
        typer.echo(json.dumps(rows | {"machine": facts}))
        return
    console = options.stdout()
    if trained:
        console.print(_trained(trained))
    if sampled:
        console.print(_sampled(sampled))
    for text in (_PLAIN, _TRAINING if trained else None, _SAMPLING if sampled else None):
        if text:
            console.print(text)
    console.print(
        f"{facts['processor']}, {facts['threads']} of {facts['cores']} cores; torch {facts['torch']}, "
        f"NumPy {facts['numpy']}, Python {facts['python']}"
    )


def _measured(what: str, rows: "Iterator[_Row]", quiet: bool) -> "list[_Row]":
    """All of ``rows``; a terminal is told how far the measurement is."""
    if quiet:
        return list(rows)
    measured = []
    with options.stderr().status(f"measuring {what}") as status:
        for row in rows:
            measured.append(row)
            status.update(f"measuring {what}: {row.size} done")
    return measured


def _trained(rows: "list[TrainingRow]") -> "Table":
    table = _table("training", "size", "batch x bptt", "", "char/s", "plain", "ratio", "GFLOP/s", "of peak")
    for row in rows:
        table.add_row(
            row.size,
            f"{row.batch_size} x {row.bptt}",
            row.precision,
            f"{row.chars_per_second:,.0f}",
            f"{row.plain_chars_per_second:,.0f}",
            f"{row.ratio:.2f}",
            f"{row.gflops:,.0f}",
            f"{row.peak_share:.0%}",
        )
    return table


def _sampled(rows: "list[SamplingRow]") -> "Table":
    table = _table("sampling", "size", "texts", "char/s", "plain", "ratio", "GB/s", "of bandwidth")
    for row in rows:
        table.add_row(
            row.size,
            str(row.batch),
            f"{row.chars_per_second:,.0f}",
            f"{row.plain_chars_per_second:,.0f}",
            f"{row.ratio:.2f}",
            f"{row.gigabytes_per_second:.1f}",
            f"{row.bandwidth_share:.0%}",
        )
    return table


def _table(title: str, *names: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for name in names:
        table.add_column(name, justify="left" if name == "size" else "right", no_wrap=True)
    return table
