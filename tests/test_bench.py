"""The measurements of ``chargen bench``: what takes part in them and what becomes of their figures."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from samples import load_corpus
from torch import Tensor
from torch.nn import functional

from chargen.bench import contestants as entrants
from chargen.bench import measure, plain_torch
from chargen.bench.interleaved import Contestant, Race
from chargen.bench.sizes import SIZES, BenchConfig
from chargen.errors import ConfigError
from chargen.training.dropout import Dropout

SETTINGS = BenchConfig(batch_size=3, bptt=5, precision="fp32", threads=1, rounds=2, seconds=0.1)


RATES = np.array([[300.0, 100.0, 200.0, 400.0], [900.0, 100.0, 900.0, 1200.0], [310.0, 310.0, 200.0, 1200.0]])


class Races:
    """The contestants of each race; their speeds are made up, as is what others do meanwhile."""

    def __init__(self) -> None:
        self.entered: list[Sequence[Contestant]] = []
        self.rates: NDArray[np.float64] = RATES[[0, 0, 0]]
        self.others: float | None = 0.01

    def race(self, contestants: Sequence[Contestant], *, rounds: int, seconds: float) -> Race:
        """Stands for the race."""
        self.entered.append(contestants)
        assert (rounds, seconds) == (2, 0.1)
        return Race(self.rates, self.others)


@pytest.fixture
def races(monkeypatch: pytest.MonkeyPatch) -> Races:
    """Races that nobody runs."""
    races = Races()
    monkeypatch.setattr(measure, "race", races.race)
    return races


def test_training_rows_are_medians_of_the_rounds(races: Races) -> None:
    """Speeds are medians, and so are ratios, of each round's own ratio rather than of the medians."""
    races.rates = np.array([[300.0, 100, 200, 400], [400.0, 125, 270, 500], [300.0, 101, 200, 400]])
    [row] = measure.training(["1x8"], SETTINGS)
    assert (row.size, row.batch_size, row.bptt, row.precision, row.threads) == ("1x8", 3, 5, "fp32", 1)
    assert (row.chars_per_second, row.plain_chars_per_second, row.competent_chars_per_second) == (300, 101, 200)
    assert (row.ratio, row.competent_ratio, row.peak_share) == (3, 1.5, 0.75)
    assert row.spread == pytest.approx((350 - 300) / 300)
    assert row.gflops == pytest.approx(300 * measure.training_operations(measure.architecture("1x8")) / 1e9)


def test_sampling_rows_are_of_one_text_and_of_many(races: Races) -> None:
    """Each size is sampled with one text and with 64; the weights are read once for all texts of a step."""
    rows = list(measure.sampling(["1x8"], SETTINGS))
    assert [(row.size, row.batch, row.ratio, row.competent_ratio, row.bandwidth_share) for row in rows] == [
        ("1x8", 1, 3, 1.5, 0.75),
        ("1x8", 64, 3, 1.5, 0.75),
    ]
    read = 4 * (8 * 32 + 8 * 72)
    assert [row.gigabytes_per_second for row in rows] == pytest.approx([300 * read / 1e9, 300 / 64 * read / 1e9])


def test_a_ratio_that_the_rounds_disagree_on_is_not_given(races: Races) -> None:
    """Where the quartiles of the rounds' ratios lie further apart than a third of the median, there is no ratio."""
    races.rates = RATES
    [row] = measure.training(["1x8"], SETTINGS)
    assert (row.ratio, row.competent_ratio, row.peak_share) == (None, 1.5, 0.75)
    assert row.spread > measure.DOUBTFUL


@pytest.mark.parametrize(
    ("others", "threads", "busy", "ratio"),
    [(None, 2, None, 3), (0.1, 2, False, 3), (0.2, 1, True, None), (0.2, 2, True, None)],
)
def test_other_work_is_told_and_its_ratios_are_not(
    races: Races, others: float | None, threads: int, busy: bool | None, ratio: float | None
) -> None:
    """A row tells that others took over a tenth of the processors; then it has no ratio that they may have spoilt."""
    races.others = others
    settings = BenchConfig(batch_size=3, bptt=5, precision="fp32", threads=threads, rounds=2, seconds=0.1)
    [row] = measure.training(["1x8"], settings)
    assert (row.busy, row.ratio) == (busy, ratio)
    shares = (row.ratio, row.competent_ratio, row.peak_share)
    assert shares == ((None, None, None) if busy else (3, 1.5, 0.75))
    assert [row.busy for row in measure.sampling(["1x8"], settings)] == [busy] * 2


@pytest.mark.parametrize("kind", ["training", "sampling"])
def test_every_contestant_runs(races: Races, kind: str) -> None:
    """What is entered in a race can be made as given, and each turn is worth the batch's characters."""
    list(getattr(measure, kind)(["2x8"], SETTINGS))
    for contestants, characters in zip(races.entered, [15] if kind == "training" else [1, 64], strict=True):
        for make, arguments, threads in contestants:
            contestant = make(*arguments)
            assert threads == 1
            assert [next(contestant) for _ in range(3)] == [characters] * 3


def test_all_train_the_same_network_and_chargen_with_everything_on() -> None:
    """Ours and PyTorch's network have as many parameters; ours learns with masks, clipping and averages besides."""
    model = measure.architecture("2x8")
    train = measure.regimen(model, SETTINGS)
    assert sum(weight.numel() for weight in plain_torch.PlainLSTM(model).parameters()) == model.parameters
    masks = Dropout(model, train, torch.device("cpu")).masks(0)
    assert None not in (masks.inputs, masks.output, *masks.recurrent)
    assert train.ema_decay > 0
    assert train.grad_clip > 0


@pytest.mark.parametrize("loop", [plain_torch.textbook_training, plain_torch.competent_training])
def test_the_loops_learn(monkeypatch: pytest.MonkeyPatch, loop: Callable[..., Iterator[int]]) -> None:
    """The loops that chargen is measured against are real: after some steps on a text of two letters the loss fell."""
    losses: list[float] = []
    entropy = functional.cross_entropy

    def watched(logits: Tensor, targets: Tensor) -> Tensor:
        loss = entropy(logits, targets)
        losses.append(float(loss.detach()))
        return loss

    monkeypatch.setattr(functional, "cross_entropy", watched)
    model = measure.architecture("1x16")
    steps = loop(model, measure.regimen(model, SETTINGS), np.arange(200, dtype=np.uint8) % 2)
    for _ in range(60):
        next(steps)
    assert losses[-1] < 0.5 * losses[0]


def test_operations_count_every_product() -> None:
    """A weight of a matrix costs six operations a character; the embedding is looked up, not multiplied."""
    model = measure.architecture("2x8")
    width, vocab = model.embedding_size, len(load_corpus().vocab)
    assert measure.training_operations(model) == 6 * (32 * (width + 8) + 32 * (8 + 8) + 8 * vocab)
    assert entrants.step_products(model, 2) == [(8, 32), (8, 32), (8, 32), (8, vocab)]
    assert entrants.step_products(model, 1) == [(8, 32), (16, 32), (8, vocab)]


def test_char_rnns_batch_is_the_default_for_small_sizes() -> None:
    """Up to hidden size 128 the batch is 50 x 50, above it 64 x 128, unless it is given."""
    sizes = [measure.regimen(measure.architecture(size), BenchConfig()) for size in SIZES]
    assert [(train.batch_size, train.bptt) for train in sizes] == [(50, 50), (64, 128), (64, 128)]


@pytest.mark.parametrize("size", ["", "512", "2x", "x512", "2x5x1", "-2x8", "2x0", "0x8", "two"])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    """A size that is not layers x hidden size is an error that shows it, before anything is measured."""
    with pytest.raises(ConfigError, match=r"size|num-layers"):
        measure.training([size], SETTINGS)
    with pytest.raises(ConfigError, match=r"size|num-layers"):
        measure.sampling(["2x8", size], SETTINGS)


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"seconds": 0}, {"seconds": float("nan")}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    """There is at least one round, and a turn takes some time."""
    with pytest.raises(ConfigError, match=r"repeats|seconds"):
        BenchConfig(**wrong)  # type: ignore[arg-type]  # one of two fields, each of its own type


def test_precision_is_checked_before_measuring(races: Races) -> None:
    """A precision that does not exist is an error at once."""
    with pytest.raises(ConfigError, match="precision"):
        measure.training(["1x8"], BenchConfig(precision="fp8"))
    assert races.entered == []


def test_the_process_that_samples_has_no_torch() -> None:
    """Our sampler is measured as `chargen sample` runs it: its process imports no torch."""
    code = (
        "import sys; from chargen.bench import contestants, measure; "
        "next(contestants.chargen_sampling(measure.architecture('1x8'), 2)); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_machine_names_what_the_figures_depend_on() -> None:
    """Processor, cores and versions are told; the threads are each row's."""
    facts = measure.machine()
    assert list(facts) == ["processor", "cores", "python", "numpy", "torch"]
    assert facts["processor"]
    assert facts["numpy"] == np.__version__
