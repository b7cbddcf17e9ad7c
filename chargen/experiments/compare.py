"""A comparison of cells: as many parameters each, the same text in the same order, the same time or steps.

Each cell learns at the rate that suits it: at one rate for all it is the rate that decides which cell is ahead.
"""

import dataclasses
import itertools
import statistics
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chargen import presets
from chargen.config import CELLS, CompareConfig, ModelConfig, TrainConfig
from chargen.errors import ConfigError, MismatchError, RunError
from chargen.store import runs
from chargen.store.checkpoint import Evaluation
from chargen.store.runs import Run
from chargen.text.corpus import Corpus, Texts
from chargen.text.split import Split
from chargen.training.automatic import resolve
from chargen.training.events import Finished
from chargen.training.start import plain_name
from chargen.training.trainer import Trainer

POINTS: Final = 20  # of a learning curve, where the budget is one of steps


@dataclass(frozen=True, kw_only=True)
class Result:
    """One training's outcome; losses, in bits per character, are those of the best checkpoint.

    Attributes:
        characters: Characters read in training.
        chars_per_second: Speed of training by itself: the median over the stretches between two validations.
        seconds: Time in all, with validations and test.
        history: Every validation.
    """

    cell: str
    seed: int
    hidden_size: int
    parameters: int
    learning_rate: float
    steps: int
    characters: int
    chars_per_second: float
    seconds: float
    val_bpc: float | None
    test_bpc: float | None
    checkpoint: Path
    history: tuple[Evaluation, ...]

    def characters_at(self, evaluation: Evaluation) -> int:
        """Characters that had been read at one evaluation of the history."""
        return self.characters * evaluation.step // self.steps


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One training that is to be held: a cell with a seed.

    Attributes:
        model: Architecture, of the size that the parameter budget allows.
        train: Settings, resolved; they differ from the other contests' by the seed, by the learning rate, and by
            threads where sizes do.
        notes: What was lowered for a small text.
        overwrite: Replace a run that is there by then.
    """

    texts: Texts
    corpus: Corpus
    split: Split
    model: ModelConfig
    train: TrainConfig
    notes: tuple[str, ...]
    run: Run
    overwrite: bool

    def trainer(self, stop: Callable[[], bool] = lambda: False) -> Trainer:
        """The trainer of this contest; a time budget begins to run here."""
        trainer = Trainer(
            self.corpus, self.split, self.model, self.train, self.run, origin=self.texts, notes=self.notes, stop=stop
        )
        self.run.prepare(overwrite=self.overwrite)
        return trainer

    def result(self, finished: Finished) -> Result:
        """What came of it, once ``trainer().events()`` has ended."""
        return Result(
            cell=self.model.cell,
            seed=self.train.seed,
            hidden_size=self.model.hidden_size,
            parameters=self.model.parameters,
            learning_rate=self.train.learning_rate,
            steps=finished.step,
            characters=finished.step * self.train.batch_size * self.train.bptt,
            chars_per_second=statistics.median(evaluation.chars_per_second for evaluation in finished.evaluations),
            seconds=finished.seconds,
            val_bpc=finished.val_bpc,
            test_bpc=finished.test_bpc,
            checkpoint=finished.best,
            history=finished.evaluations,
        )


def plan(
    texts: Texts,
    corpus: Corpus,
    cells: Sequence[str],
    config: CompareConfig,
    *,
    name: str | None = None,
    overwrite: bool = False,
    root: Path = runs.ROOT,
    speed: presets.Speed | None = None,
    **settings: Any,
) -> list[Contest]:
    """The trainings to hold, every cell with the first seed first, then every cell with the next one.

    Nothing is written yet. Each will be a run like any other, ``name-CELL`` or, of several seeds, ``name-CELL-SEED``.

    Args:
        texts: Where the text comes from.
        corpus: The text.
        cells: Which cells.
        config: The budget of parameters, to which each hidden size comes as near as it can; how many seeds, from
            ``settings``' ``seed`` on; whether all cells learn at the rate of the one that bears least. Without that
            each has the rate that suits it and its hidden size, unless ``settings`` have a ``learning_rate`` for all.
        name: What the runs' names begin with; without one, ``compare-`` and the corpus's name, numbered where such runs
            exist.
        overwrite: Replace runs of the same names.
        root: The folder of all runs.
        speed: How to measure the speed here, from which a time budget's dropout follows, for all cells the same.
        settings: Settings by their names in ``ModelConfig`` and ``TrainConfig``.

    Raises:
        ConfigError: a setting is out of its range, or the budget is too small for a network.
        RunError: a run of such a name exists, or the name is not a plain folder name.
    """
    if not cells:
        raise ConfigError(f"name at least one cell to compare: {', '.join(CELLS)}")
    twice = sorted({cell for cell in cells if cells.count(cell) > 1})
    if twice:
        raise ConfigError(f"cell {twice[0]} is named twice; several seeds of a cell come with --seeds")
    model, train = presets.choose(len(corpus), len(corpus.vocab), speed=speed, cell=cells[0], **settings)
    models = [sized(dataclasses.replace(model, cell=cell), config.parameters) for cell in cells]
    width, rates = model.hidden_size, [train.learning_rate] * len(models)
    if "learning_rate" not in settings:
        rates = [presets.learning_rate(model, width) for model in models]
    if config.same_rate:
        rates = [min(rates)] * len(models)
    if train.steps and not train.eval_every:
        train = dataclasses.replace(train, eval_every=max(1, train.steps // POINTS))
    # the budget alone ends a training, and no sample text takes of its time
    train = dataclasses.replace(train, patience=0, preview=0)
    split = corpus.split(train)
    resolved = [
        (model, *resolve(dataclasses.replace(train, learning_rate=rate), model, len(split.train)))
        for model, rate in zip(models, rates, strict=True)
    ]
    splits = dict.fromkeys(range(train.seed, train.seed + config.seeds), split)
    if corpus.division is not None:  # a list's order, and so what it holds out, is the seed's
        splits |= {seed: corpus.split(dataclasses.replace(train, seed=seed)) for seed in [*splits][1:]}
    contests = [(seed, *settled) for seed in splits for settled in resolved]
    names = [model.cell if config.seeds == 1 else f"{model.cell}-{seed}" for seed, model, _, _ in contests]
    folders = _runs(name, corpus.name, names, root, overwrite=overwrite)
    return [
        Contest(
            texts=texts,
            corpus=corpus,
            split=splits[seed],
            model=model,
            train=dataclasses.replace(train, seed=seed),
            notes=notes,
            run=run,
            overwrite=overwrite and name is not None,
        )
        for (seed, model, train, notes), run in zip(contests, folders, strict=True)
    ]


def sized(model: ModelConfig, parameters: int) -> ModelConfig:
    """``model`` with the hidden size that brings its parameters nearest to ``parameters``.

    Raises:
        MismatchError: even a single unit takes more.
    """

    def count(hidden_size: int) -> int:
        return dataclasses.replace(model, hidden_size=hidden_size).parameters

    if count(1) > parameters:
        raise MismatchError(
            f"parameters {parameters} is too few: with a single unit in each layer the {model.cell} network has "
            f"{count(1)}; raise it, or lower --embedding-size"
        )
    sizes = range(1, 1 << 16)
    above = sizes[min(bisect_left(sizes, parameters, key=count), len(sizes) - 1)]
    nearest = min((max(1, above - 1), above), key=lambda size: abs(count(size) - parameters))
    return dataclasses.replace(model, hidden_size=nearest)


def _runs(name: str | None, corpus: str, contests: Sequence[str], root: Path, *, overwrite: bool) -> list[Run]:
    """A run for each contest; without a name, of the first free base ``compare-CORPUS``, ``compare-CORPUS-2``, ..."""
    if name is not None:
        Run(name, root)  # refuses what is no name
    plain = plain_name(f"compare-{corpus}")
    free = (plain if number == 1 else f"{plain}-{number}" for number in itertools.count(1))
    existing: list[str] = []
    for base in free if name is None else [name]:
        folders = [Run(f"{base}-{contest}", root) for contest in contests]
        existing = [run.name for run in folders if run.exists()]
        if not existing or (overwrite and name is not None):
            return folders
    raise RunError(f"run {existing[0]!r} exists in {root}: replace it with --overwrite, or choose another --run name")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Several seeds' mean and standard deviation (of a sample, so None for a single one)."""

    mean: float
    deviation: float | None

    def __str__(self) -> str:
        """As in ``2.041±0.013``."""
        return f"{self.mean:.3f}" + ("" if self.deviation is None else f"±{self.deviation:.3f}")


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one cell achieved, over all its seeds."""

    cell: str
    hidden_size: int
    parameters: int
    learning_rate: float
    seeds: int
    steps: float
    chars_per_second: float
    val_bpc: Spread | None
    test_bpc: Spread | None


def summarise(results: Iterable[Result]) -> list[Row]:
    """One row for each cell, in the order of their first results; steps and speed are means."""
    by_cell: dict[str, list[Result]] = {}
    for result in results:
        by_cell.setdefault(result.cell, []).append(result)
    return [
        Row(
            cell=cell,
            hidden_size=seeds[0].hidden_size,
            parameters=seeds[0].parameters,
            learning_rate=seeds[0].learning_rate,
            seeds=len(seeds),
            steps=statistics.fmean(result.steps for result in seeds),
            chars_per_second=statistics.fmean(result.chars_per_second for result in seeds),
            val_bpc=_spread([result.val_bpc for result in seeds]),
            test_bpc=_spread([result.test_bpc for result in seeds]),
        )
        for cell, seeds in by_cell.items()
    ]


def _spread(values: Sequence[float | None]) -> Spread | None:
    """None where a value was not measured."""
    measured = [value for value in values if value is not None]
    if len(measured) < len(values):
        return None
    deviation = statistics.stdev(measured) if len(measured) > 1 else None
    return Spread(mean=statistics.fmean(measured), deviation=deviation)
