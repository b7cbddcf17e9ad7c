"""A trained model as the library and the command line use it: it writes text, scores it, and learns from it."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from chargen.argument_types import checks_types
from chargen.arguments import (
    AdaptedArguments,
    Arguments,
    HeldOutArguments,
    InfillArguments,
    PiecesArguments,
    Prompts,
    SampleArguments,
    Settings,
    WritingArguments,
    takes,
)
from chargen.config import AdaptConfig, InfillConfig, SamplerConfig
from chargen.errors import ConfigError, MismatchError, TextError
from chargen.inference import statefile
from chargen.inference.beam_search import beam_search
from chargen.inference.encode import encode, state_from
from chargen.inference.generate import Ending, Piece, State, generate, random_seed, start_id
from chargen.inference.infill import Candidate, Infiller
from chargen.inference.mixture import primed
from chargen.inference.score import PIECE, Scored, Scorer
from chargen.item_model import ItemModel
from chargen.store.heldout import HeldOut, held_out
from chargen.text.prompt import Fitted, fit

if TYPE_CHECKING:
    from chargen.training.dynamic_evaluation import Adapter

_ONE_TEXT: Final = {"num_samples": "sample and stream write one text; pieces writes several"}


@dataclass(frozen=True, kw_only=True)
class ScorerArguments(Arguments, AdaptConfig):
    """The arguments of ``scorer``."""

    adapt: bool = False
    remember: bool = False
    others: Sequence["Model"] = ()
    before: str = ""
    earlier: str = ""
    progress: Callable[[int], object] = lambda _: None


@dataclass(frozen=True, kw_only=True)
class ScoreArguments(ScorerArguments):
    """The arguments of ``score``."""

    text: str = dataclasses.field(kw_only=False)


class Model(ItemModel):
    """A trained model: writes and scores text.

    Attributes:
        checkpoint: Everything the checkpoint holds.
        path: The file it came from.
    """

    def __repr__(self) -> str:
        model = self.checkpoint.model
        layers = f"{model.num_layers}x{model.hidden_size} {model.cell}" + ", bidirectional" * model.bidirectional
        return f"<Model of {self.checkpoint.corpus.name}: {layers}, {len(self.vocab)} characters, from {self.path}>"

    @takes(SampleArguments, advice=_ONE_TEXT)
    def sample(self, arguments: SampleArguments, settings: Settings) -> str:
        """New text that continues ``prompt``, without the prompt.

        Keywords:
            prompt: What to continue; a character the model does not know is read as one that it does, or left out.
            length: New characters, at most.
            seed: The same gives the same text; None for a random one.
            strict: Refuse a prompt with unknown characters.
            stop: A string that ends the text and is left out, or several.
            keep_stop: Leave it in.
            until_sentence: End it with its first sentence.
            beams: Search for the likeliest text with so many instead of drawing one (``inference.beam_search``).
            state: What ``load_state`` gives; the text goes on from there, without a seed with the random numbers and
                settings that it began with.
            sampler: All settings of ``SamplerConfig`` at once.
            temperature: This and every other setting of ``SamplerConfig`` change single ones.

        Raises:
            TextError: with ``strict``, the prompt has an unknown character.
            ConfigError: a setting is unknown or out of its range.
        """
        return "".join(piece.text for piece in self._written(arguments.prompt, arguments, settings))

    @takes(SampleArguments, advice=_ONE_TEXT)
    def stream(self, arguments: SampleArguments, settings: Settings) -> Iterator[str]:
        """The same text as ``sample``'s with the same arguments, character by character as it is written."""
        return (letter for piece in self._written(arguments.prompt, arguments, settings) for letter in piece.text)

    @takes(PiecesArguments)
    def pieces(self, arguments: PiecesArguments, settings: Settings) -> Iterator[Piece]:
        """``num_samples`` texts of each prompt in one batch, streamed; the other arguments are those of ``sample``.

        A prompt's text at ``i`` is the one that ``seed + i`` gives alone; those of the first prompt come first.
        """
        return self._written(arguments.prompt, arguments, settings, arguments.num_samples)

    def _written(
        self, prompt: Prompts, arguments: WritingArguments, settings: Settings, num_samples: int = 1
    ) -> Iterator[Piece]:
        texts = [prompt] if isinstance(prompt, str | Fitted) else prompt
        strict, end, state, seed = arguments.strict, arguments.end, arguments.state, arguments.seed
        fitted = [text if isinstance(text, Fitted) else fit(text, self.vocab, strict=strict) for text in texts]
        ids = [self.vocab.ids_of(text.text) for text in fitted]
        if arguments.beams is not None:
            given = [name for name in ("seed", "sampler") if getattr(arguments, name) is not None]
            if chance := [*given, *settings, *["num_samples"] * (num_samples != 1)]:
                raise ConfigError(f"beams find the likeliest text and draw none by chance; leave out {chance[0]}")
            beams, length = arguments.beams, arguments.length
            return beam_search(self.network, self.vocab, *ids, beams=beams, length=length, end=end, state=state)
        before = state if isinstance(state, Ending) else None
        sampler = arguments.sampler or (before.sampler if before else SamplerConfig())
        return generate(
            self.network,
            self.vocab,
            *ids,
            length=arguments.length,
            seed=random_seed() if seed is None and before is None else seed,
            num_samples=num_samples,
            sampler=dataclasses.replace(sampler, **settings),
            end=end,
            state=state,
        )

    @takes(ScorerArguments)
    def scorer(self, arguments: ScorerArguments, settings: Settings) -> Scorer:
        """What scores one text piece by piece.

        Keywords:
            adapt: Let a copy of the weights go on learning from the text, each character scored before it is learnt
                from (Krause et al. 2018); imports torch.
            remember: Predict together with an n-gram model of what was read (``chargen.inference.ngram``).
            others: Models to predict together with; all read the same, and adapt likewise.
            before: What stands right before the text; read first, and learnt from and remembered too.
            earlier: What stands before that; remembered alone.
            progress: Told now and then how many more characters of ``before`` were read.
            adapt_rate: This and every other setting of ``AdaptConfig``; only with ``adapt``.

        Raises:
            ConfigError: a setting is unknown, out of its range, or given without ``adapt``.
            MismatchError: another model has other characters.
        """
        return self._scorer(arguments, settings)

    def _scorer(self, arguments: ScorerArguments, settings: Settings) -> Scorer:
        config = AdaptConfig(**settings)
        if settings and not arguments.adapt:
            raise ConfigError(f"{', '.join(settings)} without adapt=True would change nothing")
        for other in arguments.others:
            if other.vocab != self.vocab:
                raise MismatchError(f"{other.path} has other characters than {self.path}; they cannot predict together")
        models = (self, *arguments.others)
        predictors = [model._adapter(config) if arguments.adapt else model.network.reader() for model in models]
        return primed(
            predictors,
            self.vocab,
            arguments.before,
            earlier=arguments.earlier,
            remember=arguments.remember,
            progress=arguments.progress,
        )

    def _adapter(self, config: AdaptConfig) -> "Adapter":
        """What predicts one text and learns from it."""
        from chargen.training.dynamic_evaluation import Adapter

        return Adapter(self.checkpoint.model, self.checkpoint.weights, config, end=self.vocab.end_id)

    @takes(ScoreArguments)
    def score(self, arguments: ScoreArguments, settings: Settings) -> Scored:
        """The bits of each character of ``text``, as ``as_read`` gives it; the other arguments are those of ``scorer``.

        Raises:
            TextError: the text is empty.
        """
        text = self.as_read(arguments.text)
        if not text:
            raise TextError("there is no text to score")
        return self._scorer(arguments, settings).feed(text)

    @takes(AdaptedArguments)
    def adapted(self, arguments: AdaptedArguments, settings: Settings) -> "Model":
        """The model that this one becomes by reading ``text`` and learning from it; this one stays as it is.

        Keywords:
            text: What to learn from; what the model does not know is read as in a prompt.
            progress: Told now and then how many more characters were read.
            adapt_decay: 0 where it is not given, so that what follows is more in the manner of ``text``.
            adapt_rate: This and the other settings of ``AdaptConfig``.

        Raises:
            ConfigError: a setting is unknown or out of its range.
            TextError: the text is too short for a single step.
        """
        config = AdaptConfig(**{"adapt_decay": 0.0, **settings})
        ids = self.vocab.ids_of(fit(self.as_read(arguments.text), self.vocab).text)
        if len(ids) < config.adapt_every:
            raise TextError(f"{len(ids)} characters are too few to learn from with adapt-every {config.adapt_every}")
        adapter, read = self._adapter(config), np.concatenate([[start_id(self.vocab)], ids])
        for first in range(0, len(read), PIECE):
            arguments.progress(len(adapter.run(read[first : first + PIECE])))
        adapted = dataclasses.replace(self.checkpoint, weights=adapter.export(), history=(), test_bpc=None, resume=None)
        return Model(adapted, self.path)

    @takes(InfillArguments)
    def infill(self, arguments: InfillArguments, settings: Settings) -> list[Candidate]:
        """The likeliest ways to fill the gaps of a text from both sides, the best one first.

        Keywords:
            text: The text; what the model does not know is read as in a prompt.
            blank: The character that marks a missing one; with None the underscore, even where the model knows that.
            length: Size of the gap that a single blank stands for, or several sizes to compare; with None each blank
                is one character.
            candidates: This and every other setting of ``InfillConfig``.

        Raises:
            CheckpointError: the model is not bidirectional.
            ConfigError: a setting is unknown or out of its range, or ``length`` is given with more than one blank.
            MismatchError: ``blank`` is a character that the model knows.
            TextError: nothing is missing, or too much is.
        """
        config = InfillConfig(**settings)
        return self._infiller.blanks(arguments.text, config, blank=arguments.blank, length=arguments.length)

    @cached_property
    def _infiller(self) -> Infiller:
        return Infiller(self.checkpoint.model, self.checkpoint.weights, self.vocab)

    @takes(HeldOutArguments)
    def held_out(self, arguments: HeldOutArguments, _settings: Settings) -> HeldOut:
        """What was held out to validate (``val``) or ``test`` with; the arguments are ``store.heldout.held_out``'s."""
        return held_out(self.checkpoint, self.path, **vars(arguments))

    @checks_types
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
        ids = [self.vocab.ids_of(fit(passage, self.vocab).text) for passage in texts]
        vectors = encode(self.network, ids, mean=mean, layer=layer)
        return vectors[0] if isinstance(text, str) else vectors

    def embeddings(self) -> NDArray[np.float32]:
        """The learnt embeddings, shape (V, E), in the order of ``vocab``; the reserved unknown id is the last.

        Raises:
            MismatchError: the model feeds one-hot characters.
        """
        if self.checkpoint.model.one_hot:
            raise MismatchError("the model reads one-hot characters; it has no embeddings")
        return self.checkpoint.weights["embedding.weight"]

    @checks_types
    def save_state(self, path: str | Path, ending: Ending) -> None:
        """Keep where a text of this model stopped, which the last of its ``pieces`` tells, in a file.

        Raises:
            RunError: the file cannot be written.
        """
        statefile.save(Path(path), self.checkpoint, ending)

    @checks_types
    def load_state(self, path: str | Path) -> State:
        """The ``state`` for ``sample``: what ``save_state`` kept, or one whose hidden part is a vector of ``encode``.

        A vector's file is a ``.npy`` of shape (H,) or (1, H), for the top layer, or (1, L, H) for all.

        Raises:
            TextError: the file is damaged or something else, or does not belong to this model.
        """
        state = statefile.load(Path(path), self.checkpoint)
        return state if isinstance(state, Ending) else state_from(self.network, state)
