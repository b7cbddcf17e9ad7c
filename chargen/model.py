"""A trained model as the library and the command line use it: it writes text, scores it, and learns from it."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen.config import AdaptConfig, SamplerConfig
from chargen.errors import ConfigError, MismatchError, TextError
from chargen.inference import statefile
from chargen.inference.embeddings import embeddings
from chargen.inference.encode import encode, state_from
from chargen.inference.generate import Ending, Piece, collect, generate, start_id
from chargen.inference.mixture import Mixture
from chargen.inference.ngram import Recollection
from chargen.inference.numpy_network import Network
from chargen.inference.score import Scored, Scorer
from chargen.store.checkpoint import Checkpoint
from chargen.text import prompt as prompts
from chargen.text.prompt import Fitted

if TYPE_CHECKING:
    from chargen.training.dynamic_evaluation import Adapter

PIECE: Final = 2048
"""Characters that are read between two calls of ``progress``."""


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
            options: ``temperature`` and the other settings of ``SamplerConfig``; ``stop`` (a string that ends the text,
                or several), ``until_sentence``, ``state`` (what ``load_state`` gives: the text goes on from there,
                without a seed with the random numbers and settings that it began with).

        Raises:
            TextError: with ``strict``, the prompt has an unknown character.
            ConfigError: a setting is out of its range.
        """
        pieces = self._one(prompt, length=length, seed=seed, strict=strict, **options)
        return collect(pieces)[0].text

    def stream(self, prompt: str = "", **options: Any) -> Iterator[str]:
        """The same text as ``sample``'s with the same options, character by character as it is written."""
        return (character for piece in self._one(prompt, **options) for character in piece.text)

    def _one(self, prompt: str, **options: Any) -> Iterator[Piece]:
        if "num_samples" in options:
            raise ConfigError("sample and stream write one text and take no num_samples; pieces writes several")
        return self.pieces(prompt, **options)

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
        if isinstance(passed.get("stop"), str):
            passed["stop"] = (passed["stop"],)
        state = passed.get("state")
        before = state if isinstance(state, Ending) else None
        sampler = options.pop("sampler", None) or (before.sampler if before else SamplerConfig())
        return generate(
            self.network,
            self.vocab,
            self.vocab.ids_of(fitted.text),
            length=length,
            seed=random_seed() if seed is None and before is None else seed,
            num_samples=num_samples,
            sampler=SamplerConfig.from_dict(dataclasses.asdict(sampler) | options),
            **passed,
        )

    def score(self, text: str, **options: Any) -> Scored:
        """The bits of each character of ``text``; the options are the arguments of ``scorer``.

        Raises:
            TextError: the text is empty.
        """
        if not text:
            raise TextError("there is no text to score")
        return self.scorer(**options).feed(text)

    def scorer(
        self,
        *,
        adapt: bool = False,
        remember: bool = False,
        others: Sequence["Model"] = (),
        before: str = "",
        earlier: str = "",
        progress: Callable[[int], object] = lambda _: None,
        **settings: Any,
    ) -> Scorer:
        """What scores one text piece by piece.

        Args:
            adapt: Let a copy of the weights go on learning from the text, each character scored before it is learnt
                from (Krause et al. 2018); imports torch.
            remember: Predict together with an n-gram memory of what was read (``chargen.inference.ngram``).
            others: Models to predict together with; all read the same, and adapt likewise.
            before: What stands right before the text; read first, and learnt from and remembered too.
            earlier: What stands before that; remembered alone.
            progress: Told now and then how many more characters of ``before`` were read.
            settings: Those of ``AdaptConfig``; only with ``adapt``.

        Raises:
            ConfigError: a setting is unknown, out of its range, or given without ``adapt``, or another model has other
                characters.
        """
        how = AdaptConfig.from_dict(settings)
        if settings and not adapt:
            raise ConfigError(f"{', '.join(settings)} without adapt=True would change nothing")
        for other in others:
            if other.vocab != self.vocab:
                raise MismatchError(f"{other.path} has other characters than {self.path}; they cannot predict together")
        models = (self, *others)
        scorer, *more = (Scorer(each._adapter(how) if adapt else each.network.reader(), self.vocab) for each in models)
        for first in range(0, len(before), PIECE):
            for each in (scorer, *more):
                progress(each.feed(before[first : first + PIECE]).characters)
        if more or remember:  # only now: a text that a network was trained on does not show how far to trust it
            memory = Recollection(self.vocab, earlier + before) if remember else None
            scorer.predictor = Mixture([each.predictor for each in (scorer, *more)], memory)
        return scorer

    def adapted(
        self, text: str, *, progress: Callable[[int], object] = lambda _: None, adapt_decay: float = 0, **settings: Any
    ) -> "Model":
        """The model that this one becomes by reading ``text`` and learning from it; this one stays as it is.

        Args:
            text: What to learn from; what the model does not know is read as in a prompt.
            progress: Told now and then how many more characters were read.
            adapt_decay: As in ``AdaptConfig``; without any, what follows is more in the manner of ``text``.
            settings: The others of ``AdaptConfig``.

        Raises:
            TextError: the text is too short for a single step.
        """
        how = AdaptConfig.from_dict({**settings, "adapt_decay": adapt_decay})
        ids = self.vocab.ids_of(prompts.fit(text, self.vocab).text)
        if len(ids) < how.adapt_every:
            raise TextError(f"{len(ids)} characters are too few to learn from with adapt-every {how.adapt_every}")
        adapter = self._adapter(how)
        read = np.concatenate([[start_id(self.vocab)], ids])
        for first in range(0, len(read), PIECE):
            progress(len(adapter.run(read[first : first + PIECE])))
        learnt = dataclasses.replace(self.checkpoint, weights=adapter.export(), history=(), test_bpc=None, resume=None)
        return Model(learnt, self.path)

    def _adapter(self, how: AdaptConfig) -> "Adapter":
        from chargen.training.dynamic_evaluation import Adapter

        return Adapter(self.checkpoint.model, self.checkpoint.weights, how)

    def encode(self, text: str | Sequence[str], *, mean: bool = False, layer: int | None = -1) -> NDArray[np.float32]:
        """The hidden state after a text as a vector, or several texts' vectors.

        Args:
            text: One or several; what the model does not know is read as in a prompt.
            mean: The mean over all characters instead.
            layer: 0 is the first and -1 the top; None for all.

        Returns:
            Shape (H,) for one text, (N, H) for several; (L, H) and (N, L, H) for all layers.

        Raises:
            MismatchError: there is no such layer.
            TextError: a text has no character that the model can read.
        """
        texts = [text] if isinstance(text, str) else text
        ids = [self.vocab.ids_of(prompts.fit(each, self.vocab).text) for each in texts]
        vectors = encode(self.network, ids, mean=mean, layer=layer)
        return vectors[0] if isinstance(text, str) else vectors

    def embeddings(self) -> NDArray[np.float32]:
        """The learnt embeddings, shape (V, E), in the order of ``vocab``; the reserved unknown id is the last.

        Raises:
            MismatchError: the model feeds one-hot characters.
        """
        return embeddings(self.checkpoint)

    def save_state(self, path: str | Path, ending: Ending) -> None:
        """Keep where a text of this model stopped, which the last of its ``pieces`` tells, in a file.

        Raises:
            RunError: the file cannot be written.
        """
        statefile.save(Path(path), self.checkpoint, ending)

    def load_state(self, path: str | Path) -> Ending | NDArray[np.float32]:
        """The ``state`` for ``sample``: what ``save_state`` kept, or one whose hidden part is a vector of ``encode``.

        A vector's file is a ``.npy`` of shape (H,) or (1, H), for the top layer, or (1, L, H) for all.

        Raises:
            TextError: the file is damaged or something else, or does not belong to this model.
        """
        found = statefile.load(Path(path), self.checkpoint)
        if isinstance(found, Ending):
            return found
        if found.ndim > 1 and len(found) != 1:
            raise TextError(f"{path} has the shape {found.shape}, which is {len(found)} texts; a text starts from one")
        return state_from(self.network, found[0] if found.ndim > 1 else found)


def random_seed() -> int:
    """A seed from the system's randomness, short enough to type again."""
    return int(np.random.default_rng().integers(1 << 32))
