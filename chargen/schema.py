"""What a checkpoint tells in JSON, and how it is read: every key and every value's kind checked.

The file may come from a stranger, and what is read here is shown, formatted and computed with.
"""

import dataclasses
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, TypeGuard, TypeVar, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
Kind = Callable[[object], bool]

LARGEST: Final = (1 << 63) - 1


@dataclass(frozen=True, kw_only=True)
class CorpusInfo:
    """What a model was trained on.

    Attributes:
        name: The corpus's name or file names.
        sha256: Of the normalised text's UTF-8 bytes.
        characters: Length of the whole text.
        train: First and one past the last character of the training split; ``val`` and ``test`` likewise.
    """

    name: str
    sha256: str
    characters: int
    train: tuple[int, int]
    val: tuple[int, int]
    test: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One validation, and the training since the one before. Losses are in bits per character.

    Attributes:
        step: Optimizer steps so far.
        epoch: Passes over the training split so far.
        train_bpc: Mean training loss since the last evaluation, with dropout acting; None before the first step.
        val_bpc: Loss over the whole validation split; None where there is none.
        joint_bpc: The same with each character predicted from both sides; None unless the network is bidirectional.
        logit_scale: The factor on the logits that gives this loss; in all checkpoints but ``last`` the read-out has it.
        learning_rate: The rate at this step.
        grad_norm: Mean global gradient norm, before clipping, since the last evaluation.
        clipped: Share of the steps since the last evaluation at which the gradient was clipped.
        seconds: Training time so far, over all sittings.
        chars_per_second: Training speed since the last evaluation.
    """

    step: int
    epoch: float
    train_bpc: float | None
    val_bpc: float | None
    joint_bpc: float | None
    logit_scale: float
    learning_rate: float
    grad_norm: float
    clipped: float
    seconds: float
    chars_per_second: float


def is_count(value: object) -> TypeGuard[int]:
    """Whether ``value`` is a whole number from 0 that fits 64 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST


def is_number(value: object) -> bool:
    """Whether ``value`` is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def is_flag(value: object) -> bool:
    """Whether ``value`` is true or false."""
    return isinstance(value, bool)


def is_object(value: object) -> bool:
    """Whether ``value`` is a JSON object."""
    return isinstance(value, dict)


def is_text(value: object) -> bool:
    """Whether ``value`` is a string."""
    return isinstance(value, str)


def is_span(value: object) -> bool:
    """Whether ``value`` is two whole numbers, the first not the larger."""
    match value:
        case [start, stop]:
            return is_count(start) and is_count(stop) and start <= stop
    return False


def list_of(kind: Kind) -> Kind:
    """Whether a value is a list or tuple of ``kind``."""
    return lambda value: isinstance(value, list | tuple) and all(map(kind, value))


def or_none(kind: Kind) -> Kind:
    """Whether a value is None or of ``kind``."""
    return lambda value: value is None or kind(value)


_SCALARS: Final[Mapping[Any, Kind]] = {bool: is_flag, int: is_count, float: is_number, str: is_text}


def record(kind: type[T], values: object) -> T:
    """The dataclass ``kind`` with ``values``, the object that JSON keeps of it; its lists become tuples.

    Fields are ``bool``, ``int`` (from 0), ``float``, ``str``, other such dataclasses, tuples of these and ``tuple[int,
    int]``, a span; each may be ``| None``. A key may be missing where its field has a default.

    Raises:
        ValueError: a key is missing or unknown, or a value is not of its field's kind.
    """
    if not isinstance(values, dict):
        raise ValueError(f"its {kind.__name__} is no JSON object")  # noqa: TRY004  # the file's fault, not the caller's
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]  # it is one
    names = {field.name for field in fields}
    required = {field.name for field in fields if field.default is field.default_factory is dataclasses.MISSING}
    if wrong := (required - values.keys()) | (values.keys() - names):
        raise ValueError(f"its {kind.__name__} lacks or adds {sorted(wrong)[:3]}")
    kinds = get_type_hints(kind)
    read = {}
    for name, value in values.items():
        try:
            read[name] = _value(kinds[name], value)
        except _KindError as error:
            raise ValueError(f"its {kind.__name__} has the {name} {value!r}") from error
    return kind(**read)


class _KindError(Exception):
    """A value is not of its field's kind."""


def _value(kind: Any, value: object) -> Any:
    """``value`` as ``kind``, a field's type."""
    kinds = get_args(kind)
    if NoneType in kinds:
        return None if value is None else _value(kinds[kinds[0] is NoneType], value)
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple) or (kinds == (int, int) and not is_span(value)):
            raise _KindError
        of = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
        if len(of) != len(value):
            raise _KindError
        return tuple(map(_value, of, value))
    if dataclasses.is_dataclass(kind):
        return record(cast("type", kind), value)
    if not _SCALARS[kind](value):
        raise _KindError
    return value


def check(name: str, values: object, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """``values``, which must be an object with exactly the keys of ``kinds``, each value of its kind.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(values, dict):
        raise ValueError(f"its {name} is no JSON object")  # noqa: TRY004  # the file's fault, not the caller's
    if values.keys() != kinds.keys():
        raise ValueError(f"its {name} lacks or adds {sorted(values.keys() ^ kinds.keys())[:3]}")
    for key, fits in kinds.items():
        if not fits(values[key]):
            raise ValueError(f"its {name} has the {key} {values[key]!r}")
    return values


_PROGRESS: Final[Mapping[str, Kind]] = {
    "step": is_count,
    "total_steps": is_count,
    "best_step": is_count,
    "best_bpc": or_none(is_number),
    "seconds": is_number,
    "tally": is_object,
    "origin": is_object,
}


def _is_triple(value: object) -> bool:
    match value:
        case [nats, norms, clipped]:
            return is_number(nats) and is_number(norms) and is_number(clipped)
    return False


_TALLY: Final[Mapping[str, Kind]] = {"steps": is_count, "sums": _is_triple}
_ORIGIN: Final[Mapping[str, Kind]] = {
    "sources": list_of(is_text),
    "encoding": is_text,
    "min_count": is_count,
    "glob": or_none(is_text),
}


def check_progress(values: object) -> dict[str, Any]:
    """``values``, which must be a training's progress, as its ``last`` checkpoint keeps it.

    Raises:
        ValueError: it is not.
    """
    progress = check("progress", values, _PROGRESS)
    check("tally", progress["tally"], _TALLY)
    check("origin", progress["origin"], _ORIGIN)
    return progress
