"""Comparing cells fairly."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import samples
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import CELLS, CompareConfig, ModelConfig, TrainConfig
from chargen.errors import ConfigError, RunError
from chargen.experiments.compare import Contest, Result, Row, Spread, plan, sized, summarise
from chargen.presets import choose
from chargen.store.checkpoint import load
from chargen.text.corpus import Texts
from chargen.training.start import resume


def planned(text_file: Path, root: Path, *cells: str, **settings: Any) -> list[Contest]:
    """Contests of tiny networks."""
    wanted = {name: value for name, value in tiny.SETTINGS.items() if name != "hidden_size"}
    texts = Texts(sources=(str(text_file),))
    given = {"parameters": 3000, **wanted, **settings}
    config = CompareConfig(**{name: given.pop(name) for name in CompareConfig.settings() if name in given})
    return plan(texts, texts.load(None), cells, config, root=root, **given)


@given(st.sampled_from([*CELLS]), st.integers(1, 3), st.booleans(), st.integers(3000, 10**7))
def test_a_network_comes_as_near_to_the_budget_as_it_can(cell: str, layers: int, skip: bool, budget: int) -> None:
    """No other hidden size gives a number of parameters nearer to the budget."""
    model = ModelConfig(vocab_size=20, cell=cell, num_layers=layers, embedding_size=8, skip=skip)
    found = sized(model, budget)
    assert dataclasses.replace(found, hidden_size=model.hidden_size) == model
    for step in (-1, 1):
        if found.hidden_size + step:
            other = dataclasses.replace(found, hidden_size=found.hidden_size + step)
            assert abs(found.parameters - budget) <= abs(other.parameters - budget)


def test_a_budget_may_be_too_small() -> None:
    """Where the embedding alone takes more, the error says what a single unit costs."""
    model = ModelConfig(vocab_size=50, cell="gru", num_layers=1, embedding_size=8)
    least = dataclasses.replace(model, hidden_size=1).parameters
    assert sized(model, least).hidden_size == 1
    with pytest.raises(ConfigError, match=f"parameters {least - 1} is too few.*gru network has {least}"):
        sized(model, least - 1)


def test_contests_differ_by_cell_and_seed_alone(text_file: Path, tmp_path: Path) -> None:
    """At the same rate all have the same settings; the first seed of every cell comes before the second of any."""
    contests = planned(text_file, tmp_path, "rnn", "lstm", seeds=2, seed=5, same_rate=True)
    assert [(each.model.cell, each.train.seed) for each in contests] == [
        ("rnn", 5),
        ("lstm", 5),
        ("rnn", 6),
        ("lstm", 6),
    ]
    assert len({dataclasses.replace(each.train, seed=1) for each in contests}) == 1
    assert len({dataclasses.replace(each.model, cell="rnn", hidden_size=1) for each in contests}) == 1
    assert all(abs(each.model.parameters / 3000 - 1) < 0.1 for each in contests)
    assert [each.run.name for each in contests] == [
        "compare-tiny-rnn-5",
        "compare-tiny-lstm-5",
        "compare-tiny-rnn-6",
        "compare-tiny-lstm-6",
    ]
    assert not list(tmp_path.iterdir())


def test_each_cell_learns_at_its_own_rate(text_file: Path, tmp_path: Path) -> None:
    """It suits the cell and its size; with ``same_rate`` all have the lowest of these, and one that is given rules."""

    def rates(**settings: Any) -> list[float]:
        contests = planned(text_file, tmp_path, "lstm", "rnn", parameters=50_000, **settings)
        assert len({dataclasses.replace(contest.train, learning_rate=1.0) for contest in contests}) == 1
        return [contest.train.learning_rate for contest in contests]

    texts = Texts(sources=(str(text_file),)).load(None)
    alone = [
        choose(len(texts), len(texts.vocab), cell=contest.model.cell, hidden_size=contest.model.hidden_size)[1]
        for contest in planned(text_file, tmp_path, "lstm", "rnn", parameters=50_000)
    ]
    lstm, rnn = rates()
    assert [lstm, rnn] == [train.learning_rate for train in alone]
    assert rnn < lstm
    assert rates(same_rate=True) == [rnn, rnn]
    assert rates(learning_rate=0.5) == rates(learning_rate=0.5, same_rate=True) == [0.5, 0.5]


def test_all_cells_read_the_same_text_in_the_same_order(text_file: Path, tmp_path: Path) -> None:
    """At each step, every cell with the same seed trains on the same window."""
    first, second, other = (each.trainer() for each in planned(text_file, tmp_path, "rnn", "gru", seeds=2, bptt=7)[:3])
    for step in (0, 3, first.windows.per_epoch + 1):
        assert torch.equal(first.windows.at(step)[0], second.windows.at(step)[0])
    assert not torch.equal(first.windows.at(0)[0], other.windows.at(0)[0])


def test_the_speed_is_measured_once_for_all(text_file: Path, tmp_path: Path) -> None:
    """A time budget's dropout follows from one measurement, so that it is the same for all cells."""
    asked = []

    def speed(model: ModelConfig, _train: TrainConfig) -> float:
        asked.append(model.cell)
        return 1000.0

    contests = planned(text_file, tmp_path, "gru", "rnn", minutes=1, steps=0, speed=speed)
    assert asked == ["gru"]
    assert contests[0].train == dataclasses.replace(contests[1].train, learning_rate=contests[0].train.learning_rate)
    assert contests[0].train.minutes == 1


def test_only_the_budget_ends_a_training(text_file: Path, tmp_path: Path) -> None:
    """There is no early stop and no sample text; a budget of steps is evaluated twenty times where nothing is said."""
    (contest,) = planned(text_file, tmp_path, "rnn", steps=100, preview=50, patience=2)
    assert (contest.train.patience, contest.train.preview, contest.train.eval_every) == (0, 0, 5)
    (contest,) = planned(text_file, tmp_path, "rnn", steps=100, eval_every=30)
    assert contest.train.eval_every == 30


def test_runs_are_numbered_or_refused(text_file: Path, tmp_path: Path) -> None:
    """Without a name a free one is found for all runs together; a name that is taken needs --overwrite."""
    tiny.train(text_file, tmp_path, run="compare-tiny-rnn")
    tiny.train(text_file, tmp_path, run="mine-gru")
    names = [each.run.name for each in planned(text_file, tmp_path, "gru", "rnn")]
    assert names == ["compare-tiny-2-gru", "compare-tiny-2-rnn"]
    with pytest.raises(RunError, match=r"run 'mine-gru' exists.*--overwrite"):
        planned(text_file, tmp_path, "rnn", "gru", name="mine")
    assert (tmp_path / "mine-gru" / "best.safetensors").exists()
    with pytest.raises(RunError, match="run name '' is not a plain folder name"):
        planned(text_file, tmp_path, "rnn", name="")
    names = [each.run.name for each in planned(text_file, tmp_path, "rnn", "gru", name="mine", overwrite=True)]
    assert names == ["mine-rnn", "mine-gru"]


@pytest.mark.parametrize(
    ("cells", "settings", "message"),
    [
        ((), {}, "name at least one cell"),
        (("rnn", "lstm", "rnn"), {}, "cell rnn is named twice"),
        (("rnn", "transformer"), {}, "cell must be one of .*not 'transformer'"),
        (("transformer",), {}, "cell must be one of .*not 'transformer'"),
        (("rnn",), {"seeds": 0}, "seeds must be a whole number of at least 1, not 0"),
        (("rnn",), {"dropout": 2.0}, "dropout must be"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(
    cells: tuple[str, ...], settings: dict[str, Any], message: str, text_file: Path, tmp_path: Path
) -> None:
    """Faults of the comparison are told before anything is trained."""
    with pytest.raises(ConfigError, match=message):
        planned(text_file, tmp_path, *cells, **settings)


def test_a_run_made_meanwhile_is_not_replaced(text_file: Path, tmp_path: Path) -> None:
    """Hours lie between the plan of a long comparison and its last training."""
    for overwrite in (False, True):
        (contest,) = planned(text_file, tmp_path, "rnn", name="mine", overwrite=overwrite)
        if not overwrite:
            [*contest.trainer().events()]
            with pytest.raises(RunError, match="exists"):
                contest.trainer()
    contest.trainer()


def test_a_result_tells_what_the_run_holds(text_file: Path, tmp_path: Path) -> None:
    """Sizes, losses and the learning curve are those of the checkpoints, and the run can go on like any other."""
    (contest,) = planned(text_file, tmp_path, "gru", steps=6, eval_every=2)
    result = contest.result(tiny.finish(contest.trainer()))
    best = load(result.checkpoint)
    assert (result.cell, result.seed, result.parameters) == ("gru", 1, best.model.parameters)
    assert (result.val_bpc, result.test_bpc) == (best.val_bpc, best.test_bpc)
    assert result.val_bpc is not None
    assert (result.steps, result.characters) == (6, 6 * 4 * 10)
    assert [result.characters_at(each) for each in result.history] == [80, 160, 240]
    assert result.chars_per_second in [each.chars_per_second for each in result.history]
    assert tiny.finish(resume(contest.run.name, root=tmp_path)).step == 6


def result(cell: str, **changes: Any) -> Result:
    """A result."""
    values: dict[str, Any] = {
        "cell": cell,
        "seed": 1,
        "hidden_size": 8,
        "parameters": 1000,
        "learning_rate": 0.01,
        "steps": 100,
        "characters": 6400,
        "chars_per_second": 50.0,
        "seconds": 2.0,
        "val_bpc": 2.0,
        "test_bpc": 2.5,
        "checkpoint": Path("best"),
        "history": (samples.evaluation(),),
    }
    return Result(**{**values, **changes})


def test_seeds_are_summarised_by_cell() -> None:
    """A row has the mean over the seeds, and their standard deviation where there are several."""
    rows = summarise(
        [
            result("lstm"),
            result("rnn", val_bpc=3.0),
            result("lstm", seed=2, val_bpc=2.4, test_bpc=None, steps=102, chars_per_second=70.0),
        ]
    )
    several = rows[0].val_bpc
    assert several is not None
    assert (several.mean, several.deviation) == pytest.approx((2.2, 0.08**0.5))
    expected = Row(
        cell="lstm",
        hidden_size=8,
        parameters=1000,
        learning_rate=0.01,
        seeds=2,
        steps=101,
        chars_per_second=60,
        val_bpc=several,
        test_bpc=None,
    )
    assert rows[0] == expected
    assert (rows[1].cell, rows[1].val_bpc) == ("rnn", Spread(mean=3.0, deviation=None))
    assert [str(row.val_bpc) for row in rows] == ["2.200±0.283", "3.000"]
