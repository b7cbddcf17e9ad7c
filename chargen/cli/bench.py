"""``chargen bench``: the speed of training and of sampling on this machine."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from chargen.bench.sizes import SIZES, BenchConfig
from chargen.cli import options
from chargen.cli.output import tables
from chargen.cli.output.terminal import print_json

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


@options.settings(BenchConfig)
def bench(
    *,
    size: Annotated[
        list[str] | None,
        typer.Option(help=f"Layers x hidden size; repeatable. Without any {', '.join(SIZES)}.", show_default=False),
    ] = None,
    training: Annotated[bool, typer.Option("--training", help="Measure training alone.")] = False,
    sampling: Annotated[bool, typer.Option("--sampling", help="Measure sampling alone.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    **settings: Any,
) -> None:
    """Measure how fast this machine trains and samples, beside the plain way in PyTorch."""
    from chargen.bench import measure

    config = BenchConfig(**settings)
    sizes = size or SIZES
    both = training == sampling
    trained = _measured(measure.training(sizes, config), _trained, quiet) if training or both else []
    sampled = _measured(measure.sampling(sizes, config), _sampled, quiet) if sampling or both else []
    facts = measure.machine(config)
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
