"""The start of a training: a trainer for a new run, for one that goes on, or for a fine-tuning of an older model."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen import presets
from chargen.config import BUDGET, ON_RESUME, ModelConfig, TrainConfig
from chargen.errors import ConfigError, CorpusError
from chargen.store import lookup, runs
from chargen.store.checkpoint import Resume, load, save
from chargen.store.runs import Run
from chargen.text.corpus import Corpus, Texts
from chargen.text.sources import can_be_read_again
from chargen.text.split import Split
from chargen.text.text_stream import Progress
from chargen.training import finetune
from chargen.training.automatic import measured_speed, resolve, thread_counts
from chargen.training.distributed import ALONE, World
from chargen.training.finetune import carried_weights, inherited_architecture
from chargen.training.schedule import RESTART_SHARE, Schedule
from chargen.training.trainer import Trainer
from chargen.wording import counted

TINY: Final = 500
"""Characters, some ten lines, below which a text is learnt by heart and no more."""


def begin(
    texts: Texts,
    *,
    run: str | None = None,
    preset: str = "default",
    init_from: str | Path | None = None,
    overwrite: bool = False,
    root: Path = runs.ROOT,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
    world: World = ALONE,
    **settings: Any,
) -> Trainer:
    """A trainer for a new run.

    ``progress`` is told of bytes done and bytes in all while a text is encoded, and ``world`` is the processes that
    share the work. All else is as in ``chargen.api.train``.

    Raises:
        ChargenError: anything about the texts, the settings or the run that prevents a start; nothing is written.
    """
    if run is not None and not overwrite:
        world.led(Run(run, root).refuse_existing)
    parent = None if init_from is None else load(lookup.find(init_from, root=root))
    corpus = _read(texts, progress, world)
    chooses_architecture = bool(settings.keys() & ModelConfig.settings().keys())
    if parent is not None:
        settings = inherited_architecture(parent, settings)
    opening = min(finetune.SAMPLE, corpus.lengths[0] // 2)  # what a short text holds out at its end has no say
    model, train = world.led(
        lambda: presets.choose(
            len(corpus),
            len(corpus.vocab),
            preset=preset,
            fine_tuning=parent is not None,
            familiar=parent is not None and finetune.knows(parent, corpus.vocab.text_of(corpus.ids[:opening])),
            speed=lambda model, train: world.size * measured_speed(model, train, world),
            **settings,
        )
    )
    split = corpus.split(train)
    beginning = split.ids[: min(len(split.train), finetune.COUNTED)]
    weights: dict[str, NDArray[np.float32]] | None = None
    notes: tuple[str, ...] = ()
    short = _too_short(corpus, from_nothing=parent is None and not chooses_architecture)
    if parent is not None:
        weights, notes = carried_weights(parent, model, corpus.vocab, beginning, train.seed)
    elif not (chooses_architecture or short):
        notes = world.led(lambda: _advice(corpus, beginning))
    if run is None and overwrite:
        run = plain_name(corpus.name)
    folder = Run(run, root) if run is not None else world.led(lambda: _free_run(corpus.name, root))
    asked = train.threads
    train, lowered = resolve(train, model, len(split.train), world)
    # without a time budget another number of threads would change the last bits of what was promised exactly
    counts = thread_counts(dataclasses.replace(train, threads=asked), model, world) if train.minutes else ()
    trainer = Trainer(
        corpus,
        split,
        model,
        train,
        folder,
        weights=weights,
        origin=texts,
        notes=(
            *corpus.notes,
            *_like_a_list(corpus, beginning),
            *_not_held_out(corpus, split, train),
            *notes,
            *lowered,
            *short,
        ),
        thread_counts=counts,
        stop=stop,
        world=world,
    )
    world.led(lambda: folder.prepare(overwrite=overwrite))
    return trainer


def resume(
    run: str | Path,
    moved: Mapping[str, Any] | None = None,
    *,
    root: Path = runs.ROOT,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
    world: World = ALONE,
    **settings: Any,
) -> Trainer:
    """A trainer that goes on where ``run`` stopped, exactly, or beyond its end.

    ``moved`` has what is new of where the text is and how it is read, by the names in ``Texts``, and ``settings`` those
    in ``ON_RESUME`` and one in ``BUDGET``. ``world`` need not be of the size that the run had. All else is as in
    ``chargen.api.resume``.

    Raises:
        ConfigError: a setting that cannot change was given, or a budget that is no more than the run had.
        CorpusError: the text is not the one that the run was trained on.
        CheckpointError: the run has no whole ``last`` checkpoint, or a ``best`` that is another run's.
        RunError: there is no such run, or another process is training it.
    """
    fixed = sorted(set(settings) - ON_RESUME - {*BUDGET})
    if fixed:
        raise ConfigError(
            f"{_named(fixed)} cannot change when a run goes on; start a new run, from this one with --init-from"
        )
    folder = lookup.find_run(run, root=root)
    last, resumed, finished = folder.to_resume()
    texts = dataclasses.replace(resumed.origin, **(moved or {}))
    if "sources" not in (moved or {}) and not all(map(can_be_read_again, texts.sources)):
        raise CorpusError(f"this run's text came through a pipe; pipe it in again: chargen train - --resume {run}")
    corpus = _read(texts, progress, world)
    if corpus.sha256 != last.corpus.sha256 or corpus.vocab != last.vocab:
        raise CorpusError(
            f"{corpus.name} ({len(corpus):,} characters) is not the text that run {folder.name!r} was trained on "
            f"({last.corpus.name}, {last.corpus.characters:,} characters); name that text, or start a new run"
        )
    budget = {name: settings[name] for name in BUDGET if name in settings}
    if len(budget) > 1:
        raise ConfigError(f"{_named(budget)} are several budgets; give one of them")
    if budget:
        settings = {"steps": 0, "minutes": 0.0, **settings}  # either would rule over a budget of epochs
    train = dataclasses.replace(last.train, **settings)
    # a run of chargen 0.1 cut several texts as one
    lengths = last.corpus.lengths or (len(corpus),)
    split = corpus.split(train, lengths=lengths)
    train, notes = resolve(train, last.model, len(split.train), world)
    trainer = Trainer(
        corpus,
        split,
        last.model,
        train,
        folder,
        resume=last,
        finished=finished and not budget,
        origin=texts,
        notes=(*corpus.notes, *notes),
        stop=stop,
        world=world,
    )
    if budget:
        trainer.notes += (_plan_more(trainer, resumed, finished=finished),)
    elif finished:
        advice = "to go on beyond its end, give more --epochs, --steps or --minutes than it had"
        trainer.notes += (f"this run is finished, and stays as it is; {advice}",)
    world.led(folder.claim)
    world.led(folder.tidy)
    if budget:  # from now on it goes on so whatever ends this process
        more = dataclasses.replace(
            resumed, total_steps=trainer.schedule.total_steps, restart_step=trainer.schedule.restart_step
        )
        world.led(lambda: save(folder.last, dataclasses.replace(last, train=train, resume=more)))
    return trainer


def _plan_more(trainer: Trainer, resumed: Resume, *, finished: bool) -> str:
    """Plan a resumed training anew by the budget of its settings, and say what its rate will do.

    Raises:
        ConfigError: the budget is no more than the run had.
    """
    step, train, run = resumed.step, trainer.train, trainer.run.name
    schedule = Schedule(train, trainer.windows.per_epoch)
    schedule.total_steps = schedule.planned(step, resumed.seconds)
    if schedule.total_steps <= resumed.total_steps:
        if train.minutes:
            trained = f"has trained for {resumed.seconds / 60:.2g} minutes, which leaves no time of {train.minutes:g}"
            planned = f"is planned for longer than {counted(train.minutes, 'minute')} already"
            raise ConfigError(f"run {run!r} {trained if finished else planned}; give more")
        epochs = "" if train.steps else f", and {train.epochs:g} epochs are {schedule.total_steps:,}"
        done = counted(resumed.total_steps, "step")
        has = "has" if finished else "is planned for"
        raise ConfigError(f"run {run!r} {has} {done} already{epochs}; give more than that")
    schedule.restart_step = step if finished else resumed.restart_step
    trainer.schedule = schedule
    end = f"{counted(train.minutes, 'minute')} in all" if train.minutes else f"step {schedule.total_steps:,}"
    if not finished:
        return f"going on to {end}, which is more than was planned: the learning rate decays more slowly from here"
    return (
        f"going on beyond the end at step {step:,}, to {end}: the learning rate warms up to {RESTART_SHARE:.0%} of its "
        f"peak, {schedule.peak:.2g}, and decays again"
    )


def _advice(corpus: Corpus, beginning: NDArray[np.unsignedinteger]) -> tuple[str, ...]:
    """A note for someone who trains from nothing where the model of English would serve better."""
    path = lookup.bundled().get(lookup.ENGLISH)
    text = corpus.vocab.text_of(beginning[: finetune.SAMPLE])
    if path is None or len(corpus) >= finetune.SHORT or not finetune.knows(load(path), text):
        return ()
    name = lookup.ENGLISH
    return (f"the model {name} knows this text's language; to start from it, for better text: --init-from {name}",)


def _too_short(corpus: Corpus, *, from_nothing: bool) -> tuple[str, ...]:
    """A note on a tiny text; for a model that begins ``from_nothing`` with the advice that would help in English."""
    if len(corpus) >= TINY:
        return ()
    longer, name = "list" if corpus.division else "text", lookup.ENGLISH
    helps = from_nothing and corpus.division is None and name in lookup.bundled()
    advice = f" or, if this is English, start from the model {name}: --init-from {name}" if helps else ""
    return (f"{len(corpus)} characters teach a model little but to repeat them; give it a longer {longer}{advice}",)


def _like_a_list(corpus: Corpus, beginning: NDArray[np.unsignedinteger]) -> tuple[str, ...]:
    """A note on a text whose lines are as short as names, each another, though it is read as one."""
    if corpus.division:
        return ()
    *lines, _ = corpus.vocab.text_of(beginning[: finetune.SAMPLE]).split("\n")
    if len(lines) < 50 or max(map(len, lines)) > 24 or len({*lines}) < 0.9 * len(lines):
        return ()
    return ("each line looks like an item of a list, such as a name; to learn it as one: --lines",)


def _not_held_out(corpus: Corpus, split: Split, train: TrainConfig) -> tuple[str, ...]:
    """A note of what a list has no items for, though some were to be held out."""
    shares = {"validation": (train.val_fraction, split.val), "the test": (train.test_fraction, split.test)}
    lacking = [part for part, (share, places) in shares.items() if share and not places]
    if corpus.division is None or not lacking:
        return ()
    note = f"the list has too few different items to hold out any for {' and '.join(lacking)}"
    return (f"{note}, since equal ones stay together; larger shares may help: --val-fraction, --test-fraction",)


def _free_run(name: str, root: Path) -> Run:
    """The first of ``name``, ``name-2``, ``name-3``, ... that does not exist."""
    plain = plain_name(name)
    number, run = 1, Run(plain, root)
    while run.exists():
        number += 1
        run = Run(f"{plain}-{number}", root)
    return run


def plain_name(name: str) -> str:
    """``name`` with what is awkward in a folder's name replaced."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).strip("-.") or "run"


def _named(settings: Iterable[str]) -> str:
    """The options of settings."""
    return ", ".join("--" + name.replace("_", "-") for name in settings)


def _read(texts: Texts, progress: Progress | None, world: World) -> Corpus:
    """The corpus, read by the first process before the others, who then find a large one in the cache."""
    if world.size > 1 and "-" in texts.sources:
        raise ConfigError("several processes cannot share stdin; save the text to a file and name that")
    read: list[Corpus] = []
    world.led(lambda: read.append(texts.load(progress)))
    return read[0] if read else texts.load(None)
