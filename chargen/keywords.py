"""The settings as keywords of the library's functions, so that a misspelt one is told before it runs and when it does.

Editors and type checkers read code without running it: for them the classes here say the names and types of settings
once more, and a test holds them to those. ``named`` does the same for what asks a running Python, as notebooks do.
"""

import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, TypeVar, cast

from chargen.setting import Config, refuse_unknown

Function = TypeVar("Function", bound=Callable[..., Any])


class ResumeKeywords(TypedDict, total=False):
    """The settings of ``TrainConfig`` that may change when a run goes on."""

    keep: int
    preview: int
    device: str
    precision: str
    threads: int


class TrainKeywords(ResumeKeywords, total=False):
    """The settings of ``ModelConfig``, without what the text determines, and of ``TrainConfig``."""

    cell: str
    num_layers: int
    hidden_size: int
    embedding_size: int
    one_hot: bool
    skip: bool
    bidirectional: bool
    epochs: float
    steps: int
    minutes: float
    batch_size: int
    bptt: int
    learning_rate: float
    warmup: int
    grad_clip: float
    eval_every: int
    patience: int
    dropout: float
    input_dropout: float
    output_dropout: float
    weight_drop: float
    weight_decay: float
    ema_decay: float
    val_fraction: float
    test_fraction: float
    seed: int


class SamplerKeywords(TypedDict, total=False):
    """The settings of ``SamplerConfig``."""

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    penalty_window: int


class AdaptKeywords(TypedDict, total=False):
    """The settings of ``AdaptConfig``."""

    adapt_rate: float
    adapt_every: int
    adapt_decay: float


class InfillKeywords(TypedDict, total=False):
    """The settings of ``InfillConfig``."""

    candidates: int
    chains: int
    sweeps: int
    seed: int


class HeldOutKeywords(TypedDict, total=False):
    """The keywords of ``chargen.store.heldout.held_out``."""

    sources: Sequence[str | Path]
    encoding: str | None
    errors: str | None
    context: int
    reach: int


def named(
    *sources: type[Config] | Callable[..., Any],
    only: Collection[str] | None = None,
    without: Mapping[str, str] | None = None,
) -> Callable[[Function], Function]:
    """Give a function that takes keywords as ``**keywords`` a signature that names each, and refuse all other names.

    Args:
        sources: Whose keywords it takes: settings, of which those without a default are left out, or functions that it
            passes them on to.
        only: Which of them to name; all with None. What is said to the others is the function's.
        without: Which of them it does not take, and what it advises instead.

    Raises:
        ConfigError: in the function, where it is called with another name; the message has the nearest one.
    """
    without = without or {}
    keywords = [keyword for source in sources for keyword in _keywords(source) if keyword.name not in without]

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        parameters = [*signature.parameters.values()]
        if parameters[-1].kind is inspect.Parameter.VAR_KEYWORD:
            del parameters[-1]
        shown = [keyword for keyword in keywords if only is None or keyword.name in only]
        known = {parameter.name for parameter in (*parameters, *keywords)}

        @functools.wraps(function)
        def checked(*arguments: Any, **given: Any) -> Any:
            refuse_unknown(given, known, advice=without)
            return function(*arguments, **given)

        checked.__signature__ = signature.replace(parameters=[*parameters, *shown])  # type: ignore[attr-defined]
        return cast("Function", checked)

    return decorate


def _keywords(source: type[Config] | Callable[..., Any]) -> list[inspect.Parameter]:
    keyword = inspect.Parameter.KEYWORD_ONLY
    if not isinstance(source, type):
        return [parameter for parameter in inspect.signature(source).parameters.values() if parameter.kind is keyword]
    settings = cast("type[Config]", source).settings()
    return [
        inspect.Parameter(name, keyword, default=..., annotation=setting.kind)
        for name, setting in settings.items()
        if hasattr(source, name)
    ]
