"""The library: train a model, load one, and tell texts apart with several."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chargen.inference.classify import Verdict
from chargen.inference.classify import classify as classify_by
from chargen.model import Model
from chargen.store import lookup

if TYPE_CHECKING:
    from chargen.training.events import Event, Finished
    from chargen.training.trainer import Trainer


def train(
    *sources: str | Path,
    on_event: "Callable[[Event], None] | None" = None,
    encoding: str = "utf-8",
    min_count: int = 1,
    glob: str | None = None,
    **options: Any,
) -> "Finished":
    """Train a model, as ``chargen train`` does, and return where it is and how good it is.

    Args:
        sources: A built-in corpus, files or folders; without any, Alice. A ``Path`` is never a built-in.
        on_event: Called with each event of the training.
        encoding: Of the text.
        min_count: Characters rarer than this share one unknown id.
        glob: Which files of a folder to read.
        options: ``run``, ``preset``, ``init_from``, ``overwrite``, ``root`` and every setting of ``ModelConfig``
            and ``TrainConfig``.

    Raises:
        ChargenError: the text, a setting or the run is not usable, or the training broke down.
    """
    from chargen.text.corpus import Texts
    from chargen.training import start

    # a bare word may name a built-in, a Path never does
    named = [f"./{each}" if isinstance(each, Path) and each.name == str(each) else str(each) for each in sources]
    texts = Texts(sources=tuple(named), encoding=encoding, min_count=min_count, glob=glob)
    return _last(start.begin(texts, **options), on_event)


def resume(run: str, *, on_event: "Callable[[Event], None] | None" = None, **options: Any) -> "Finished":
    """Go on with a training exactly where it stopped; ``options`` are those of ``training.start.resume``."""
    from chargen.training import start

    return _last(start.resume(run, **options), on_event)


def _last(trainer: "Trainer", on_event: "Callable[[Event], None] | None") -> "Finished":
    from chargen.journal import recorded
    from chargen.training.events import Finished

    for event in recorded(trainer):
        if on_event is not None:
            on_event(event)
        if isinstance(event, Finished):
            return event
    raise AssertionError("a training ends with Finished")


def load(where: str | Path | None = None) -> "Model":
    """The model in a checkpoint.

    Args:
        where: A checkpoint file, a run's folder or name, or ``alice``, the pretrained model where no run has that
            name; None for the newest run and, without any, the pretrained model.

    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    path = lookup.find(where)
    return Model(lookup.load(path), path)


def classify(
    texts: str | Sequence[str], models: "Sequence[Model | str | Path]", *, prior: Sequence[float] | None = None
) -> list[Verdict]:
    """Which of the models each text is likeliest from, and by how much.

    Args:
        texts: Any number, or a single one; together they take much less time than one by one.
        models: Two or more, loaded or as ``load`` finds them.
        prior: A positive number for each model, in proportion to its probability; all equal with None.

    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged.
        ConfigError: there are too few models, two with no character in common, or the prior is not usable.
        TextError: a text is empty, or no model knows any of its characters.
    """
    loaded = [each if isinstance(each, Model) else load(each) for each in models]
    return classify_by(texts, [(model.network, model.vocab) for model in loaded], prior=prior)
