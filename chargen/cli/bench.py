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
    from chargen.bench.measure import Row, SamplingRow, TrainingRow

_Row = TypeVar("_Row", bound="TrainingRow | SamplingRow")

_NUMBERS: Final = ("window", "texts", "threads", "char/s", "spread", "textbook", "competent", "peak")
_RATIOS: Final = (
    "textbook and competent are how many times as fast chargen is as the same network in PyTorch with as many threads: "
    "nn.LSTM in float32, trained by a textbook's loop and sampled by one call a character; and what someone who knows "
    "PyTorch writes, trained in the same precision as chargen with nothing but loss, gradient and fused AdamW, sampled "
    "by LSTMCell under inference_mode"
)
_TRAINING: Final = "chargen trains with its dropout, DropConnect, clipping and averaging; the others without"
_PEAK: Final = "peak is chargen's share of the speed of the bare matrix products"
_SPREAD: Final = "spread is the distance of the quartiles of chargen's rounds, as a share of their median"
_DOUBTFUL: Final = "? is a ratio that the rounds disagree on, or one beside other work"
_BUSY: Final = (
    "other processes took more than a tenth of the processors, so these speeds are not this machine's, and there "
    "are no ratios; run it again when it is quiet"
)


@options.settings(BenchConfig)
def bench(
    *,
    size: Annotated[
        list[str] | None, typer.Option(help=f"Layers x hidden size; repeatable. Without any {', '.join(SIZES)}.")
    ] = None,
    training: Annotated[bool, typer.Option("--training", help="Measure training alone.")] = False,
    sampling: Annotated[bool, typer.Option("--sampling", help="Measure sampling alone.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    **settings: Any,
) -> None:
    """Measure how fast this machine trains and samples, beside two ways to write it in PyTorch."""
    from chargen.bench import measure

    config = BenchConfig(**settings)
    sizes = size or SIZES
    both = training == sampling
    trained = _measured(measure.training(sizes, config), _trained, quiet) if training or both else []
    sampled = _measured(measure.sampling(sizes, config), _sampled, quiet) if sampling or both else []
    facts = measure.machine()
    told = [row.busy for row in [*trained, *sampled] if row.busy is not None]
    busy = any(told) if told else None  # where the system does not tell of others
    if as_json:
        rows = {"training": [asdict(row) for row in trained], "sampling": [asdict(row) for row in sampled]}
        print_json(rows | {"busy": busy, "machine": facts})
    else:
        tables.show([_trained(row) for row in trained], right=_NUMBERS)
        if trained and sampled:
            typer.echo()
        tables.show([_sampled(row) for row in sampled], right=_NUMBERS)
    if not as_json:
        notes = [_RATIOS, *([_TRAINING] if trained else []), _PEAK, _SPREAD]
        doubtful = any(None in (row.ratio, row.competent_ratio) for row in [*trained, *sampled])
        notes += [*([_DOUBTFUL] if doubtful else []), ", ".join(f"{name} {value}" for name, value in facts.items())]
        options.notes(notes, quiet=quiet)
    if busy:
        options.note(_BUSY, quiet=quiet)


def _measured(rows: "Iterator[_Row]", shown: "Callable[[_Row], dict[str, str]]", quiet: bool) -> "list[_Row]":
    """All of ``rows``, each told on stderr as it comes; nothing moves there meanwhile, which would take time away."""
    measured = []
    for row in rows:
        measured.append(row)
        options.note(", ".join(f"{name} {value}" for name, value in shown(row).items()), quiet=quiet)
    return measured


def _trained(row: "TrainingRow") -> dict[str, str]:
    window = {"window": f"{row.batch_size} x {row.bptt}"}
    return {"train": row.size} | window | _speeds(row) | {"peak": _share(row.peak_share)}


def _sampled(row: "SamplingRow") -> dict[str, str]:
    texts = {"texts": str(row.batch)}
    return {"sample": row.size} | texts | _speeds(row) | {"peak": _share(row.bandwidth_share)}


def _speeds(row: "Row") -> dict[str, str]:
    return {
        "threads": str(row.threads),
        "char/s": f"{row.chars_per_second:,.0f}",
        "spread": f"{row.spread:.0%}",
        "textbook": "?" if row.ratio is None else f"{row.ratio:.2f}",
        "competent": "?" if row.competent_ratio is None else f"{row.competent_ratio:.2f}",
    }


def _share(of_products: float | None) -> str:
    return "?" if of_products is None else f"{of_products:.0%}"
