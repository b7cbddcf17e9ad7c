"""The report of trainings as one HTML document: figures, curves, samples and settings."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from chargen.curves import Curve, Plot
from chargen.store import samples
from chargen.store.checkpoint import Checkpoint, Evaluation
from chargen.store.lookup import load
from chargen.store.runs import BEST, LAST, SAMPLES
from chargen.store.samples import Sample
from chargen.web.document import document, escaped, table
from chargen.web.svg import chart

RELOAD_SECONDS: Final = 15
SHOWN: Final = 8
"""How many of a training's samples the report shows, spread over it."""


@dataclass(frozen=True)
class Training:
    """What a report tells of one training: its latest checkpoint, but for the weights, and what it left beside it."""

    name: str
    checkpoint: Checkpoint
    test_bpc: float | None = None
    samples: Sequence[Sample] = ()

    @property
    def history(self) -> tuple[Evaluation, ...]:
        """All evaluations."""
        return self.checkpoint.history

    @property
    def steps(self) -> int:
        """Optimizer steps up to the last evaluation."""
        return self.history[-1].step if self.history else 0

    @property
    def total_steps(self) -> int:
        """Optimizer steps in all, as they are planned."""
        return self.checkpoint.resume.total_steps if self.checkpoint.resume else self.steps

    @property
    def best(self) -> Evaluation | None:
        """The evaluation of the best checkpoint; a model without a run's state is that checkpoint."""
        step = self.checkpoint.resume.best_step if self.checkpoint.resume else self.steps
        return next((evaluation for evaluation in self.history if evaluation.step == step), None)

    @property
    def speed(self) -> float:
        """Characters a second over the whole training; 0 before the first evaluation."""
        train = self.checkpoint.train
        seconds = self.history[-1].seconds if self.history else 0.0
        return self.steps * train.batch_size * train.bptt / seconds if seconds else 0.0


def read(path: Path, name: str) -> Training:
    """The training that left the checkpoint ``path``, by all that its run's folder holds, and what to call it.

    Raises:
        CheckpointError: a checkpoint is damaged.
        RunError: the samples cannot be read.
    """
    checkpoint = load(path)
    if path.name not in (BEST, LAST):
        return Training(name, checkpoint, checkpoint.test_bpc)
    best, last = path.with_name(BEST), path.with_name(LAST)
    test_bpc = load(best).test_bpc if best.is_file() else None
    return Training(name, load(last) if last.is_file() else checkpoint, test_bpc, samples.read(path.with_name(SAMPLES)))


def report(trainings: Sequence[Training], *, running: bool = False) -> bytes:
    """The document of one training, or of several laid over each other.

    Of a training that is ``running`` it says so and when it was written, and reloads itself.
    """
    first, title = trainings[0], ", ".join(training.name for training in trainings)
    parts = [f"<h1>{escaped(title)}</h1>"]
    if running:
        written = f"{datetime.now(UTC).astimezone():%Y-%m-%d %H:%M:%S}"
        parts.append(
            f"<p>step {first.steps:,} of {first.total_steps:,}, written at {written}; "
            "this page follows the training, and stands still if that was killed</p>"
        )
    parts += [
        _figures(first) if len(trainings) == 1 else table(_figures_of(trainings)),
        f'<div class="charts">{"".join(_charts(trainings))}</div>',
        *_samples(trainings),
        *_settings(trainings),
    ]
    return document(title, "\n".join(parts), reload_seconds=RELOAD_SECONDS if running else None)


def _facts(training: Training) -> Iterator[tuple[str, str]]:
    """The figures of a training, each with what it is."""
    best, history = training.best, training.history
    if best is not None and best.val_bpc is not None:
        yield f"{best.val_bpc:.3f}", "validation, bits per character"
    if best is not None and best.joint_bpc is not None:
        yield f"{best.joint_bpc:.3f}", "validation from both sides"
    if training.test_bpc is not None:
        yield f"{training.test_bpc:.3f}", "test, bits per character"
    if best is not None:
        yield f"{best.step:,}", f"best step of {training.total_steps:,}"
    if history:
        yield _duration(history[-1].seconds), f"{training.speed:,.0f} characters/s"
    yield f"{training.checkpoint.model.parameters:,}", "parameters"


def _figures(training: Training) -> str:
    entries = (f"<li><b>{value}</b><span>{name}</span></li>" for value, name in _facts(training))
    return f'<ul class="figures">{"".join(entries)}</ul>'


def _figures_of(trainings: Sequence[Training]) -> list[list[str]]:
    """The same as the rows of a table, under a head, one for each training."""

    def bits(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    rows = [["run", "validation", "test", "best step", "steps", "time", "characters/s", "parameters"]]
    for training in trainings:
        best, history = training.best, training.history
        rows.append(
            [
                training.name,
                bits(best.val_bpc if best else None),
                bits(training.test_bpc),
                f"{best.step:,}" if best else "",
                f"{training.total_steps:,}",
                _duration(history[-1].seconds) if history else "",
                f"{training.speed:,.0f}",
                f"{training.checkpoint.model.parameters:,}",
            ]
        )
    return rows


def _charts(trainings: Sequence[Training]) -> Iterator[str]:
    """The curves: one colour for each training or, of a single one, for each curve."""
    single = len(trainings) == 1
    curves = []
    for training in trainings:
        for name, field in (("train", "train_bpc"), ("validation", "val_bpc"), ("both sides", "joint_bpc")):
            curve = _curve(name if single else training.name, training, field)
            if curve.x:
                curves.append(dataclasses.replace(curve, dashed=name == "train" and not single))
    best = trainings[0].best if single else None
    learning = Plot(
        title="Learning curves",
        x_label="step",
        y_label="bits per character" + ("" if single else "; dashed: train"),
        curves=curves,
    )
    yield chart(learning, places={"best": best.step} if best else {})
    limits = {training.checkpoint.train.grad_clip for training in trainings}
    for title, unit, field in (
        ("Gradient norm", "mean, before clipping", "grad_norm"),
        ("Learning rate", "at each evaluation", "learning_rate"),
        ("Speed", "characters a second", "chars_per_second"),
    ):
        is_norm = title == "Gradient norm"
        named = [_curve(title.lower() if single else training.name, training, field) for training in trainings]
        plot = Plot(title=title, x_label="step", y_label=unit, curves=named, log_y=is_norm)
        yield chart(plot, heights={f"clipped at {limit:g}": limit for limit in sorted(limits) if limit and is_norm})


def _curve(label: str, training: Training, field: str) -> Curve:
    """A field of the evaluations, where it was measured, by their steps."""
    points = [(evaluation.step, getattr(evaluation, field)) for evaluation in training.history]
    measured = [(step, y) for step, y in points if y is not None]
    return Curve(label, [step for step, _ in measured], [y for _, y in measured])


def _samples(trainings: Sequence[Training]) -> Iterator[str]:
    """Samples along one training, or the last one of each of several."""
    single = len(trainings) == 1
    shown = [
        (f"step {sample.step:,}" if single else f"{training.name}, step {sample.step:,}", sample.text)
        for training in trainings
        for sample in (_spread(training.samples) if single else training.samples[-1:])
    ]
    if shown:
        yield f"<h2>{'Samples along the training' if single else 'Last samples'}</h2>"
    for name, text in shown:
        yield f"<h3>{escaped(name)}</h3><pre>{escaped(text)}</pre>"


def _spread(samples: Sequence[Sample]) -> Sequence[Sample]:
    """At most ``SHOWN`` samples at equal distances, the first and the last among them."""
    if len(samples) <= SHOWN:
        return samples
    return [samples[round(at * (len(samples) - 1) / (SHOWN - 1))] for at in range(SHOWN)]


def _settings(trainings: Sequence[Training]) -> Iterator[str]:
    """The settings of one training, or those in which several differ."""
    every = [_settings_of(training.checkpoint) for training in trainings]
    if len(every) == 1:
        entries = (f"<li><span>{name}</span> {escaped(value)}</li>" for name, value in every[0].items())
        yield f'<h2>Settings</h2><ul class="settings">{"".join(entries)}</ul>'
        return
    names = [name for name in every[0] if len({settings[name] for settings in every}) > 1]
    head = ["setting", *(training.name for training in trainings)]
    yield "<h2>Settings that differ</h2>"
    yield (
        table([head, *([name, *(settings[name] for settings in every)] for name in names)]) if names else "<p>none</p>"
    )


def _settings_of(checkpoint: Checkpoint) -> dict[str, str]:
    """All settings by their names, as they are read."""
    corpus = checkpoint.corpus
    values: dict[str, Any] = {
        "corpus": f"{corpus.name}, {corpus.characters:,} characters",
        **dataclasses.asdict(checkpoint.model),
        **dataclasses.asdict(checkpoint.train),
    }
    return {name.replace("_", " "): str(value) for name, value in values.items()}


def _duration(seconds: float) -> str:
    """A time in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
