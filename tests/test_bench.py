"""The measurements of ``chargen bench``: what takes part in them and what becomes of their figures."""

import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from chargen.bench import measure, plain_torch
from chargen.bench.interleaved import Contestant
from chargen.bench.sizes import SIZES, BenchConfig
from chargen.errors import ConfigError
from chargen.text import corpus
from chargen.training.dropout import Masks
from chargen.training.torch_network import StackedRNN

SETTINGS = BenchConfig(batch_size=3, bptt=5, precision="fp32", threads=1, rounds=2, seconds=0.1)


@pytest.fixture
def races(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[Contestant]]:
    """The contestants of each race; their speeds are made up."""
    seen = []

    def race(contestants: Sequence[Contestant], *, rounds: int, seconds: float) -> NDArray[np.float64]:
        seen.append(contestants)
        assert (rounds, seconds) == (2, 0.1)
        return np.array([[300.0, 100.0, 400.0], [900.0, 100.0, 1200.0], [300.0, 300.0, 1200.0]])

    monkeypatch.setattr(measure, "race", race)
    return seen


def test_training_rows_are_medians_of_the_rounds(races: list[Sequence[Contestant]]) -> None:
    """Speeds are medians, and so are ratios, of each round's own ratio rather than of the medians."""
    [row] = measure.training(["1x8"], SETTINGS)
    assert (row.size, row.batch_size, row.bptt, row.precision) == ("1x8", 3, 5, "fp32")
    assert (row.chars_per_second, row.plain_chars_per_second) == (300, 100)
    assert (row.ratio, row.peak_share) == (3, 0.75)
    assert row.gflops == pytest.approx(300 * measure.training_operations(measure.architecture("1x8")) / 1e9)


def test_sampling_rows_are_of_one_text_and_of_many(races: list[Sequence[Contestant]]) -> None:
    """Each size is sampled with one text and with 64; the weights are read once for all texts of a step."""
    rows = list(measure.sampling(["1x8"], SETTINGS))
    assert [(row.size, row.batch, row.ratio, row.bandwidth_share) for row in rows] == [
        ("1x8", 1, 3, 0.75),
        ("1x8", 64, 3, 0.75),
    ]
    read = 4 * (8 * 32 + 8 * 72)
    assert [row.gigabytes_per_second for row in rows] == pytest.approx([300 * read / 1e9, 300 / 64 * read / 1e9])


@pytest.mark.parametrize("kind", ["training", "sampling"])
def test_every_contestant_runs(races: list[Sequence[Contestant]], kind: str) -> None:
    """What is entered in a race can be made as given, and each turn is worth the batch's characters."""
    list(getattr(measure, kind)(["2x8"], SETTINGS))
    for contestants, characters in zip(races, [15] if kind == "training" else [1, 64], strict=True):
        for make, arguments, threads in contestants:
            contestant = make(*arguments)
            assert threads == 1
            assert [next(contestant) for _ in range(3)] == [characters] * 3


def test_both_sides_train_the_same_network() -> None:
    """Ours and the plain network have as many parameters, and ours learns without masks and averages."""
    model = measure.architecture("2x8")
    train = measure.regimen(model, SETTINGS)
    assert sum(weight.numel() for weight in plain_torch.PlainLSTM(model).parameters()) == model.parameters
    masks = Masks.draw(model, train, 3, 0, StackedRNN(model).readout.weight.device)
    assert {masks.inputs, *masks.between, masks.output, *masks.recurrent} == {None}
    assert train.ema_decay == 0


def test_the_plain_loop_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain loop is a real one: after a few steps on a text of two letters its loss has fallen."""
    losses: list[float] = []
    entropy = functional.cross_entropy

    def watched(logits: Tensor, targets: Tensor) -> Tensor:
        loss = entropy(logits, targets)
        losses.append(float(loss.detach()))
        return loss

    monkeypatch.setattr(functional, "cross_entropy", watched)
    model = measure.architecture("1x16")
    loop = plain_torch.plain_training(model, measure.regimen(model, SETTINGS), np.arange(200, dtype=np.uint8) % 2)
    for _ in range(60):
        next(loop)
    assert losses[-1] < 0.5 * losses[0]


def test_operations_count_every_product() -> None:
    """A weight of a matrix costs six operations a character; the embedding is looked up, not multiplied."""
    model = measure.architecture("2x8")
    width, vocab = model.embedding_size, len(corpus.load().vocab)
    assert measure.training_operations(model) == 6 * (32 * (width + 8) + 32 * (8 + 8) + 8 * vocab)
    assert measure.step_products(model, 2) == [(8, 32), (8, 32), (8, 32), (8, vocab)]
    assert measure.step_products(model, 1) == [(8, 32), (16, 32), (8, vocab)]


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


def test_precision_is_checked_before_measuring(races: list[Sequence[Contestant]]) -> None:
    """A precision that does not exist is an error at once."""
    with pytest.raises(ConfigError, match="precision"):
        measure.training(["1x8"], BenchConfig(precision="fp8"))
    assert races == []


def test_the_process_that_samples_has_no_torch() -> None:
    """Our sampler is measured as `chargen sample` runs it: its process imports no torch."""
    code = (
        "import sys; from chargen.bench import measure; "
        "next(measure.chargen_sampling(measure.architecture('1x8'), 2)); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_machine_names_what_the_figures_depend_on() -> None:
    """Processor, cores, threads and versions are told, with the threads that were asked for."""
    facts = measure.machine(SETTINGS)
    assert list(facts) == ["processor", "cores", "threads", "python", "numpy", "torch"]
    assert facts["processor"]
    assert facts["threads"] == 1
    assert facts["numpy"] == np.__version__
