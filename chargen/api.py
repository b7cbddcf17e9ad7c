"""The library: train a model, load one, write and score text with it."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen import prompt as prompts
from chargen import runs
from chargen.checkpoint import Checkpoint
from chargen.checkpoint import load as load_checkpoint
from chargen.config import SamplerConfig
from chargen.inference.generate import Piece, collect, generate
from chargen.inference.network import Network
from chargen.inference.score import Scored, score
from chargen.prompt import Fitted

if TYPE_CHECKING:
    from chargen.training.events import Event, Finished


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
        sources: A built-in corpus, files or folders; without any, Alice.
        on_event: Called with each event of the training.
        encoding: Of the text.
        min_count: Characters rarer than this share one unknown id.
        glob: Which files of a folder to read.
        options: ``run``, ``preset``, ``init_from``, ``overwrite``, ``root`` and every setting of ``ModelConfig``
            and ``TrainConfig``.

    Raises:
        ChargenError: the text, a setting or the run is not usable, or the training broke down.
    """
    from chargen.training import session

    texts = session.Texts(sources=tuple(map(str, sources)), encoding=encoding, min_count=min_count, glob=glob)
    return _last(session.begin(texts, **options).events(), on_event)


def resume(run: str, *, on_event: "Callable[[Event], None] | None" = None, **options: Any) -> "Finished":
    """Go on with a training exactly where it stopped; ``options`` are those of ``session.resume``."""
    from chargen.training import session

    return _last(session.resume(run, **options).events(), on_event)


def _last(events: "Iterator[Event]", on_event: "Callable[[Event], None] | None") -> "Finished":
    from chargen.training.events import Finished

    for event in events:
        if on_event is not None:
            on_event(event)
        if isinstance(event, Finished):
            return event
    raise AssertionError("a training ends with Finished")


def load(where: str | Path | None = None) -> "Model":
    """The model in a checkpoint.

    Args:
        where: A checkpoint file, a run's folder or name; None for the newest run and, without any, the pretrained
            Alice.

    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    path = runs.find(where)
    return Model(load_checkpoint(path), path)


class Model:
    """A trained model: writes and scores text.

    Attributes:
        checkpoint: Everything the checkpoint holds.
        path: The file it came from.
    """

    def __init__(self, checkpoint: Checkpoint, path: Path) -> None:
        self.checkpoint = checkpoint
        self.path = path
        self.vocab = checkpoint.vocab
        self.network = Network(checkpoint.model, checkpoint.weights)

    def sample(
        self, prompt: str = "", *, length: int = 500, seed: int | None = None, strict: bool = False, **options: Any
    ) -> str:
        """New text that continues ``prompt``, without the prompt.

        Args:
            prompt: What to continue; a character the model does not know is read as one that it does, or left out.
            length: New characters, at most.
            seed: The same seed gives the same text; None for a random one.
            strict: Refuse a prompt with unknown characters instead.
            options: ``temperature`` and the other settings of ``SamplerConfig``; ``stop`` (strings that end the
                text), ``until_sentence``, ``state``.

        Raises:
            TextError: with ``strict``, the prompt has an unknown character.
            ConfigError: a setting is out of its range.
        """
        pieces = self.pieces(prompt, length=length, seed=seed, strict=strict, **options)
        return collect(pieces)[0].text

    def stream(self, prompt: str = "", **options: Any) -> Iterator[str]:
        """The same text as ``sample``'s with the same options, character by character as it is written."""
        for piece in self.pieces(prompt, **options):
            yield from piece.text

    def pieces(
        self,
        prompt: str | Fitted = "",
        *,
        length: int = 500,
        seed: int | None = None,
        num_samples: int = 1,
        strict: bool = False,
        **options: Any,
    ) -> Iterator[Piece]:
        """Several texts in one batch, streamed; the arguments are those of ``sample`` and ``generate``.

        ``sampler`` takes a whole ``SamplerConfig`` in the place of its single settings.
        """
        fitted = prompt if isinstance(prompt, Fitted) else prompts.fit(prompt, self.vocab, strict=strict)
        passed = {name: options.pop(name) for name in ("stop", "until_sentence", "state") if name in options}
        sampler = options.pop("sampler", None) or SamplerConfig()
        return generate(
            self.network,
            self.vocab,
            self.vocab.encode(fitted.text),
            length=length,
            seed=random_seed() if seed is None else seed,
            num_samples=num_samples,
            sampler=SamplerConfig.from_dict(dataclasses.asdict(sampler) | options),
            **passed,
        )

    def score(self, text: str) -> Scored:
        """The bits of each character of ``text``.

        Raises:
            TextError: the text is empty.
        """
        return score(self.network, self.vocab, text)


def random_seed() -> int:
    """A seed from the system's randomness, short enough to type again."""
    return int(np.random.default_rng().integers(1 << 32))
