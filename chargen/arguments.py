"""Functions that take their arguments as a dataclass declares them, settings among them, each in one place.

    @dataclass(frozen=True, kw_only=True)
    class SampleArguments(Arguments, SamplerConfig):
        length: int = 500

    @takes(SampleArguments)
    def sample(model: Model, arguments: SampleArguments, settings: Settings) -> str: ...

    sample(model, length=80, temperature=0.7)

To type checkers and editors the function has the signature of the dataclass's constructor, and so it has to whoever
asks a running Python, as notebooks do. A setting that is added to ``SamplerConfig`` is a keyword at once.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

import numpy as np

from chargen.argument_types import check_type
from chargen.config import (
    HELDOUT_CONTEXT,
    ITEMS,
    LENGTH,
    AdaptConfig,
    InfillConfig,
    ModelConfig,
    SamplerConfig,
    TrainConfig,
)
from chargen.inference.generate import State
from chargen.inference.infill import Length
from chargen.inference.text_end import TextEnd
from chargen.setting import Config, refuse_unknown
from chargen.store.runs import ROOT
from chargen.text.corpus import Texts
from chargen.text.prompt import Fitted

if TYPE_CHECKING:
    from chargen.training.events import Event

Source = str | Path
Prompts = str | Fitted | Sequence[str | Fitted]
"""One prompt or several; a prompt may be fitted to the vocabulary already."""
Settings = dict[str, Any]
"""The settings that a caller gave, by name."""

P = ParamSpec("P")
A = TypeVar("A", bound="Arguments")
S = TypeVar("S")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Arguments(Config):
    """The arguments of a function: its own are fields of a subclass, and those of settings are inherited beside it."""

    def __post_init__(self) -> None:
        """Check nothing: only settings that are given are used, by the class that declares and checks them."""


def takes(
    arguments: Callable[P, A], *, advice: Mapping[str, str] | None = None
) -> Callable[[Callable[[S, A, Settings], R]], Callable[Concatenate[S, P], R]]:
    """Have a method, or a function of something, take the fields of ``arguments`` beside that.

    It is called with an instance, and with those settings of it that its caller gave.

    Args:
        arguments: A subclass of ``Arguments``.
        advice: What to say to keywords that it does not take.

    Raises:
        ConfigError: in the function, where it is called with another keyword, the nearest of which the message has, or
            with a value of another type.
    """

    def decorate(function: Callable[[S, A, Settings], R]) -> Callable[Concatenate[S, P], R]:
        signature = _signature(next(iter(inspect.signature(function).parameters.values())), arguments)
        settings = cast("type[Arguments]", arguments).settings()

        @functools.wraps(function)
        def called(subject: S, /, *values: P.args, **keywords: P.kwargs) -> R:
            refuse_unknown(keywords, signature.parameters, advice=advice)
            _, *bound = signature.bind(subject, *values, **keywords).arguments.items()
            given: dict[str, Any] = {name: _plain(value) for name, value in bound}
            for name, value in given.items():
                if name in settings:
                    settings[name].check(name, value)
                else:
                    check_type(name, value, signature.parameters[name].annotation)
            passed = arguments(**given)  # type: ignore[call-arg]  # bound to its signature
            return function(subject, passed, {name: value for name, value in given.items() if name in settings})

        called.__signature__ = signature  # type: ignore[attr-defined]
        return called

    return decorate


def _plain(value: object) -> object:
    """A number of NumPy's as one of Python's, since settings are stored as JSON; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


class OfSources(Protocol[P, R_co]):
    """A function of any number of sources and of the keywords ``P``.

    Type checkers allow no ``*sources`` before these: written out there may be four, and after a star any list of them.
    """

    def __call__(
        self, a: Source = ..., b: Source = ..., c: Source = ..., d: Source = ..., /, *args: P.args, **kwargs: P.kwargs
    ) -> R_co:
        """Call it."""


def takes_sources(
    arguments: Callable[P, A],
) -> Callable[[Callable[[tuple[Source, ...], A, Settings], R]], OfSources[P, R]]:
    """As ``takes``, for a function of sources, which it gets as a tuple."""

    def decorate(function: Callable[[tuple[Source, ...], A, Settings], R]) -> OfSources[P, R]:
        taking: Callable[..., R] = takes(arguments)(function)

        @functools.wraps(function)
        def called(*sources: Source, **keywords: Any) -> R:
            check_type("sources", sources, Sequence[Source])
            return taking(sources, **keywords)

        sources = inspect.Parameter("sources", inspect.Parameter.VAR_POSITIONAL, annotation=Source)
        called.__signature__ = _signature(sources, arguments)  # type: ignore[attr-defined]
        return cast("OfSources[P, R]", called)

    return decorate


def _signature(first: inspect.Parameter, arguments: Callable[..., Arguments]) -> inspect.Signature:
    """``first``, then the function's own arguments, then the settings."""
    declared = inspect.signature(arguments)
    settings = cast("type[Arguments]", arguments).settings()
    return declared.replace(
        parameters=[first, *sorted(declared.parameters.values(), key=lambda parameter: parameter.name in settings)]
    )


@dataclass(frozen=True, kw_only=True)
class TrainArguments(Arguments, Texts, ModelConfig, TrainConfig):
    """The keywords of ``train``: how to read the sources, every setting of a network and of its training, and these."""

    sources: tuple[str, ...] = dataclasses.field(init=False)
    vocab_size: int = dataclasses.field(init=False)  # follows from the text
    run: str | None = None
    preset: str = "default"
    init_from: str | Path | None = None
    overwrite: bool = False
    root: str | Path = ROOT
    progress: bool = False
    on_event: Callable[["Event"], object] | None = None
    stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True, kw_only=True)
class WritingArguments(Arguments, SamplerConfig):
    """The arguments of ``sample``, ``stream`` and ``pieces`` beside the prompt."""

    length: int = LENGTH
    seed: int | None = None
    strict: bool = False
    stop: str | Sequence[str] = ()
    keep_stop: bool = False
    until_sentence: bool = False
    beams: int | None = None
    state: State | None = None
    sampler: SamplerConfig | None = None

    @property
    def end(self) -> TextEnd:
        """What ends a text before its length."""
        stop = (self.stop,) if isinstance(self.stop, str) else self.stop
        return TextEnd(stop, keep_stop=self.keep_stop, until_sentence=self.until_sentence)


@dataclass(frozen=True, kw_only=True)
class SampleArguments(WritingArguments):
    """The arguments of ``sample`` and ``stream``."""

    prompt: str | Fitted = dataclasses.field(default="", kw_only=False)


@dataclass(frozen=True, kw_only=True)
class PiecesArguments(WritingArguments):
    """The arguments of ``pieces``."""

    prompt: Prompts = dataclasses.field(default="", kw_only=False)
    num_samples: int = 1


@dataclass(frozen=True, kw_only=True)
class ItemsArguments(Arguments, SamplerConfig):
    """The arguments of ``items``."""

    count: int = dataclasses.field(default=ITEMS, kw_only=False)
    new: bool = False
    prompt: str | Fitted = ""
    max_length: int | None = None
    seed: int | None = None
    strict: bool = False
    sampler: SamplerConfig | None = None


@dataclass(frozen=True, kw_only=True)
class AdaptedArguments(Arguments, AdaptConfig):
    """The arguments of ``adapted``."""

    text: str = dataclasses.field(kw_only=False)
    progress: Callable[[int], object] = lambda _: None


@dataclass(frozen=True, kw_only=True)
class InfillArguments(Arguments, InfillConfig):
    """The arguments of ``infill``."""

    text: str = dataclasses.field(kw_only=False)
    blank: str | None = None
    length: Length = None


@dataclass(frozen=True, kw_only=True)
class HeldOutArguments(Arguments):
    """The arguments of ``held_out``."""

    split: str = dataclasses.field(kw_only=False)
    sources: Sequence[str | Path] = ()
    encoding: str | None = None
    errors: str | None = None
    context: int = HELDOUT_CONTEXT
    reach: int = 0
