"""Frozen records read from JSON that a stranger may have written, type by type: every key and every value is checked.

What is read here is shown, formatted and computed with.
"""

import dataclasses
import json
import sys
from collections.abc import Mapping
from types import NoneType
from typing import Any, Final, NewType, TypeVar, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
Whole = NewType("Whole", int)
"""The type of a field that is a whole number from 0 of any size."""

LARGEST: Final = (1 << 63) - 1
MAX_VALUES: Final = 1 << 18  # lists and objects in a document; parsed, they take some hundred bytes each


def parse(text: str) -> Any:
    """What a JSON document says: its numbers are finite, each key stands once in its object, and it fits in memory.

    Raises:
        ValueError: it is no such document.
        RecursionError: its lists and objects lie too deep in each other.
    """
    if text.count("[") + text.count("{") > MAX_VALUES:
        raise ValueError("its JSON holds too many values")
    return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_each_key_once)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"its JSON holds {name}")


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"its JSON has the key {key!r} twice")
        values[key] = value
    return values


def record(kind: type[T], values: object, name: str = "") -> T:
    """The dataclass ``kind`` with ``values``, the object that JSON keeps of it; lists become tuples.

    Its fields are ``bool``, ``int`` (from 0, of 64 bits), ``Whole``, ``float`` (finite), ``str``, other such
    dataclasses, tuples and mappings of these, and ``tuple[int, int]``, a span; each may be ``| None``. A key may be
    missing where its field has a default, so that what was written before the field was there is still read.

    Args:
        kind: A dataclass.
        values: What ``parse`` gave.
        name: What an error calls it; the class's name without one. A record within it is called by its field's name.

    Raises:
        ValueError: a key is missing or unknown, or a value is not of its field's kind.
    """
    name = name or kind.__name__
    if not isinstance(values, dict):
        raise ValueError(f"its {name} is no JSON object")  # noqa: TRY004  # the file's fault, not the caller's
    fields = [field for field in dataclasses.fields(kind) if not field.metadata.get(_BESIDE)]  # type: ignore[arg-type]
    known = {field.name for field in fields}
    required = {field.name for field in fields if field.default is field.default_factory is dataclasses.MISSING}
    if wrong := (required - values.keys()) | (values.keys() - known):
        raise ValueError(f"its {name} lacks or adds {sorted(wrong)[:3]}")
    kinds = get_type_hints(kind)
    read = {}
    for key, value in values.items():
        try:
            read[key] = _value(kinds[key], value, key)
        except _KindError as error:
            raise ValueError(f"its {name} has the {key} {value!r}") from error
    return kind(**read)


def document(values: object) -> Any:
    """The JSON document that ``record`` reads ``values``, a record, from."""
    if dataclasses.is_dataclass(values):
        fields = [field for field in dataclasses.fields(values) if not field.metadata.get(_BESIDE)]
        return {field.name: document(getattr(values, field.name)) for field in fields}
    if isinstance(values, tuple):
        return [document(value) for value in values]
    return values


_BESIDE: Final = "beside"


def beside() -> Any:
    """A record's field that lies beside the JSON document, as arrays do; empty where only that was read."""
    return dataclasses.field(default_factory=dict, metadata={_BESIDE: True})


class _KindError(Exception):
    """A value is not of its field's kind."""


def _value(kind: Any, value: object, name: str) -> Any:
    """``value`` as ``kind``, the type of the field ``name``."""
    kinds = get_args(kind)
    if NoneType in kinds:
        return None if value is None else _value(kinds[kinds[0] is NoneType], value, name)
    if dataclasses.is_dataclass(kind):
        return record(cast("type", kind), value, name)
    if get_origin(kind) is Mapping:
        if not isinstance(value, dict):
            raise _KindError
        return {key: _value(kinds[1], entry, name) for key, entry in value.items()}
    if get_origin(kind) is tuple:
        return _tuple(kinds, value, name)
    if not _is_scalar(kind, value):
        raise _KindError
    return value


def _tuple(kinds: tuple[Any, ...], values: object, name: str) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple):
        raise _KindError
    is_span = kinds == (int, int)
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(values)
    if len(kinds) != len(values):
        raise _KindError
    read = tuple(_value(kind, value, name) for kind, value in zip(kinds, values, strict=True))
    if is_span and read[0] > read[1]:
        raise _KindError
    return read


def _is_scalar(kind: Any, value: Any) -> bool:
    """Whether ``value`` is of a field's type ``kind``; true and false are no numbers here, as they are in Python."""
    if kind in (bool, str):
        return type(value) is kind
    if kind is float:
        return type(value) in (int, float) and abs(value) <= sys.float_info.max
    return type(value) is int and value >= 0 and (kind is Whole or value <= LARGEST)
