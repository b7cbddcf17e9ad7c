"""The library: train a model, load one, and tell texts apart with several."""

import contextlib
import inspect
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

from chargen.argument_types import checks_types
from chargen.arguments import Settings, Source, TrainArguments, takes_sources
from chargen.config import ModelConfig, TrainConfig
from chargen.errors import ChargenError
from chargen.inference.classify import Verdict, verdicts
from chargen.model import Model
from chargen.setting import refuse_unknown
from chargen.store import lookup
from chargen.store.runs import ROOT
from chargen.text.corpus import Texts

if TYPE_CHECKING:
    from chargen.training.events import Event, Finished
    from chargen.training.trainer import Trainer


@contextlib.contextmanager
def _python_names() -> Iterator[None]:
    """Have errors name arguments as Python does, ``batch_size`` for ``--batch-size``; whole commands stay."""
    try:
        yield
    except ChargenError as error:
        message, *command = re.split(r"(?=\bchargen [a-z]+ )", str(error), maxsplit=1)
        named = re.sub(r"(?<!\S)--([a-z-]+)", lambda option: option[1].replace("-", "_"), message)
        error.args = (named + "".join(command),)
        raise


@takes_sources(TrainArguments)
@_python_names()
def train(sources: tuple[Source, ...], arguments: TrainArguments, settings: Settings) -> "Finished":
    """Train a model, as ``chargen train`` does, and return where it is and how good it is.

    A first Ctrl-C, or the stop button of a notebook, has everything saved before it is raised as KeyboardInterrupt; so
    has an exception from ``on_event``. ``resume`` then goes on with the run.

    Keywords:
        sources: A built-in corpus, files or folders; without any, Alice. A ``Path`` is never a built-in.
        run: The run's name; without one, the text's name, numbered where that run exists.
        preset: ``quick``, ``default`` or ``best``: how much to spend where no setting says it.
        init_from: A checkpoint whose weights to start from: a file, a run's folder or a run's name.
        overwrite: Replace a run of the same name.
        root: The folder of all runs.
        encoding: Of the text.
        errors: What becomes of bytes that do not decode: ``strict`` refuses them, ``replace`` reads U+FFFD.
        min_count: Characters rarer than this share one unknown id.
        printable: Give every printable ASCII character an id, also those that the text lacks.
        glob: Which files of a folder to read.
        lines: Learn a list, each line of which is an item.
        separator: Learn a list, whose items a line that equals this divides.
        files: Learn a list, each file of which is an item.
        progress: Draw a bar, in a notebook as a widget and elsewhere on stderr.
        on_event: Called with each event of the training, as ``chargen.training.events`` has them.
        stop: Asked before each step; once it says True, everything is saved and the training ends.
        hidden_size: And every other setting of ``ModelConfig`` and ``TrainConfig``; those that are not given suit the
            text's size.

    Raises:
        ChargenError: the text, a setting or the run is not usable, or the training broke down.
    """
    from chargen.training import start

    reading = {field.name: getattr(arguments, field.name) for field in fields(Texts) if field.name != "sources"}
    request = _StopRequest()
    trainer = start.begin(
        Texts(sources=_named(sources), **reading),
        run=arguments.run,
        preset=arguments.preset,
        init_from=arguments.init_from,
        overwrite=arguments.overwrite,
        root=Path(arguments.root),
        stop=lambda: request.made or arguments.stop(),
        **settings,
    )
    return _finish(trainer, arguments.on_event, request, progress=arguments.progress)


@checks_types
@_python_names()
def resume(
    run: str | Path,
    *sources: str | Path,
    root: str | Path = ROOT,
    encoding: str | None = None,
    errors: str | None = None,
    min_count: int | None = None,
    glob: str | None = None,
    progress: bool = False,
    on_event: Callable[["Event"], object] | None = None,
    stop: Callable[[], bool] = lambda: False,
    device: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    preview: int | None = None,
    keep: int | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    **others: Never,
) -> "Finished":
    """Go on with a training exactly where it stopped, or beyond its end.

    A finished run goes on with more epochs, steps or minutes than it had; without, it stays as it is and gives the
    result that it had.

    Args:
        run: The run's name, its folder, or a checkpoint in that.
        sources: Where its text is now, if that has moved.
        root: The folder of all runs.
        encoding: Of the text, where that is another now.
        errors: As the run has it without.
        min_count: As the run has it without.
        glob: As the run has it without.
        progress: As in ``train``.
        on_event: As in ``train``.
        stop: As in ``train``.
        device: Where to train; this and those below as the run has them without.
        precision: Of the matrix products.
        threads: CPU threads.
        preview: Characters of sample text after each validation.
        keep: Periodic checkpoints to keep.
        epochs: Passes over the text, those that the run has done among them.
        steps: Optimizer steps, likewise; instead of epochs.
        minutes: Minutes of training, likewise; instead of epochs.
        others: There are none; what cannot change and what is misspelt is told.

    Raises:
        ChargenError: there is no such run, its files are damaged, the text is another, a setting cannot change, or the
            training broke down.
    """
    from chargen.training import start

    refuse_unknown(others, {*inspect.signature(resume).parameters, *ModelConfig.settings(), *TrainConfig.settings()})
    changeable = {"device": device, "precision": precision, "threads": threads, "preview": preview, "keep": keep}
    changed = _given(**changeable, epochs=epochs, steps=steps, minutes=minutes)
    named = _named(sources) or None
    moved = _given(sources=named, encoding=encoding, errors=errors, min_count=min_count, glob=glob)
    request = _StopRequest()
    trainer = start.resume(run, moved, root=Path(root), stop=lambda: request.made or stop(), **changed, **others)
    return _finish(trainer, on_event, request, progress=progress)


def _given(**values: object) -> dict[str, Any]:
    """Those of the values that are given."""
    return {name: value for name, value in values.items() if value is not None}


def _named(sources: Sequence[str | Path]) -> tuple[str, ...]:
    """The sources as the command line would name them: a bare word may be a built-in, which a ``Path`` never is."""
    return tuple(
        f"./{source}" if isinstance(source, Path) and source.name == str(source) else str(source) for source in sources
    )


@dataclass
class _StopRequest:
    """Whether a training is to stop, since Ctrl-C came or a callback failed; no lock, which a signal might wait for."""

    made: bool = False


def _finish(
    trainer: "Trainer", on_event: "Callable[[Event], object] | None", request: _StopRequest, *, progress: bool
) -> "Finished":
    """Train to the end, tell of it, and leave a run that goes on whatever ends it."""
    from chargen.journal import recorded
    from chargen.progress import training_bar
    from chargen.training.events import Finished

    result: Event | None = None
    with (
        contextlib.closing(recorded(trainer)) as events,
        training_bar(shown=progress) as draw,
        _interrupts(request),
    ):
        for event in events:
            result = event
            try:
                draw(event)
                if on_event is not None:
                    on_event(event)
            except BaseException:
                request.made = True
                for _ in events:  # which saves everything and ends
                    pass
                raise
    if not isinstance(result, Finished):
        raise AssertionError("a training ends with Finished")  # noqa: TRY004  # whatever its type
    return result


@contextlib.contextmanager
def _interrupts(request: _StopRequest) -> Iterator[None]:
    """Have a first Ctrl-C only ask a training to stop, and raise KeyboardInterrupt at the end; a second one breaks off.

    Where something else than Python's own handler takes Ctrl-C, and outside of the main thread, nothing changes.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    interrupted = False

    def ask(_number: int, _frame: object) -> None:
        nonlocal interrupted
        if interrupted:
            raise KeyboardInterrupt
        interrupted = request.made = True

    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupted:
        raise KeyboardInterrupt


@checks_types
def load(where: str | Path | None = None) -> Model:
    """The model in a checkpoint.

    Args:
        where: A checkpoint file, a run's folder or name, or ``alice``, the pretrained model where no run has that
            name; None for the newest run and, without any, the pretrained model.

    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    path = lookup.find(where)
    return Model(lookup.load(path), path)


@checks_types
def classify(
    texts: str | Sequence[str], models: Sequence[Model | str | Path], *, prior: Sequence[float] | None = None
) -> list[Verdict]:
    """Which of the models each text is likeliest from, and by how much.

    Args:
        texts: Any number, or a single one; together they take much less time than one by one.
        models: Two or more, loaded or as ``load`` finds them.
        prior: A positive number for each model, in proportion to its probability; all equal with None.

    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged.
        ConfigError: there are too few models, or the prior is not usable.
        MismatchError: two models have no character in common.
        TextError: a text is empty, or no model knows any of its characters.
    """
    loaded = [model if isinstance(model, Model) else load(model) for model in models]
    return verdicts(
        texts,
        [(model.network, model.vocab) for model in loaded],
        prior=prior,
        validation=[model.checkpoint.val_bpc for model in loaded],
    )
