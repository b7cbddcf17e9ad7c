"""``chargen bench``."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from chargen.cli import options
from chargen.cli.output import tables
from chargen.cli.output.terminal import print_json
from chargen.config import PRECISIONS

if TYPE_CHECKING:
    from chargen.bench.measure import SamplingRow, TrainingRow

_Row = TypeVar("_Row", bound="TrainingRow | SamplingRow")

_NUMBERS: Final = ("batch x bptt", "texts", "char/s", "plain", "ratio", "GFLOP/s", "of peak", "GB/s", "of bandwidth")
_PLAIN: Final = (
    "plain is the same network written the usual way in PyTorch: nn.LSTM in float32, trained by a textbook loop, "
    "sampled one step a character"
)
_TRAINING: Final = (
    "neither side regularises; peak is the speed of the same matrix products by themselves, in the same precision"
)
_SAMPLING: Final = "bandwidth is the speed at which bare NumPy products of the same sizes read the weights"


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
    from chargen.bench import measure

    given: dict[str, Any] = {
        "batch_size": batch_size,
        "bptt": bptt,
        "precision": precision,
        "threads": threads,
        "rounds": repeats,
        "seconds": seconds,
    }
    settings = measure.Settings(**{name: value for name, value in given.items() if value is not None})
    sizes = size or measure.SIZES
    both = training == sampling
    trained = _measured(measure.training(sizes, settings), _trained, quiet) if training or both else []
    sampled = _measured(measure.sampling(sizes, settings), _sampled, quiet) if sampling or both else []
    facts = measure.machine(settings)
    if as_json:
        rows = {"training": [asdict(row) for row in trained], "sampling": [asdict(row) for row in sampled]}
        print_json(rows | {"machine": facts})
        return
    tables.show([_trained(row) for row in trained], right=_NUMBERS)
    if trained and sampled:
        typer.echo()
    tables.show([_sampled(row) for row in sampled], right=_NUMBERS)
    if not quiet:
        options.note(_PLAIN)
        if trained:
            options.note(_TRAINING)
        if sampled:
            options.note(_SAMPLING)
        options.note(", ".join(f"{name} {value}" for name, value in facts.items()))


def _measured(rows: "Iterator[_Row]", shown: "Callable[[_Row], dict[str, str]]", quiet: bool) -> "list[_Row]":
    """All of ``rows``, each told on stderr as it comes; nothing moves there meanwhile, which would take time away."""
    measured = []
    for row in rows:
        measured.append(row)
        if not quiet:
            options.note(", ".join(f"{name} {value}" for name, value in shown(row).items()))
    return measured


def _trained(row: "TrainingRow") -> dict[str, str]:
    return {
        "train": row.size,
        "batch x bptt": f"{row.batch_size} x {row.bptt}",
        "in": row.precision,
        "char/s": f"{row.chars_per_second:,.0f}",
        "plain": f"{row.plain_chars_per_second:,.0f}",
        "ratio": f"{row.ratio:.2f}",
        "GFLOP/s": f"{row.gflops:,.0f}",
        "of peak": f"{row.peak_share:.0%}",
    }


def _sampled(row: "SamplingRow") -> dict[str, str]:
    return {
        "sample": row.size,
        "texts": str(row.batch),
        "char/s": f"{row.chars_per_second:,.0f}",
        "plain": f"{row.plain_chars_per_second:,.0f}",
        "ratio": f"{row.ratio:.2f}",
        "GB/s": f"{row.gigabytes_per_second:.1f}",
        "of bandwidth": f"{row.bandwidth_share:.0%}",
    }
