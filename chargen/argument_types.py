"""Arguments held to the types that a function declares, with one clear error instead of whatever fails later."""

import functools
import inspect
import os
import reprlib
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np

from chargen.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")

_KINDS: Final[dict[object, tuple[Any, str]]] = {
    str: (str, "a string"),
    bool: ((bool, np.bool_), "true or false"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    Path: (os.PathLike, "a path"),
    Callable: (Callable, "a function"),
    Sequence: (Iterable, "a list"),
    np.ndarray: (np.ndarray, "an array"),
    types.NoneType: (types.NoneType, "None"),
}
"""What stands for a declared type, and what a person calls it: NumPy's numbers are numbers, an array is a list."""


def checks_types(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function refuse arguments that are of other types than it declares.

    Raises:
        ConfigError: in the function, where one is.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def called(*values: P.args, **keywords: P.kwargs) -> R:
        for name, value in signature.bind(*values, **keywords).arguments.items():
            parameter = signature.parameters[name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                check_type(name, value, Sequence[parameter.annotation])  # type: ignore[name-defined]  # known by then
            elif parameter.kind is not parameter.VAR_KEYWORD and parameter.annotation is not parameter.empty:
                check_type(name, value, parameter.annotation)
        return function(*values, **keywords)

    return called


def check_type(name: str, value: object, declared: Any) -> None:
    """Refuse a value of the argument ``name`` that is not of the type ``declared``.

    Of a list each entry is looked at, of other iterables none. A class may be given by its name.

    Raises:
        ConfigError: it is not; the message says what is expected.
    """
    kinds = typing.get_args(declared) if isinstance(declared, types.UnionType) else (declared,)
    fitting = [kind for kind in kinds if _fits(value, kind)]
    if not fitting:
        plain = [typing.get_origin(kind) or kind for kind in kinds]
        *others, last = (_KINDS[kind][1] if kind in _KINDS else getattr(kind, "__name__", kind) for kind in plain)
        expected = f"{', '.join(others)} or {last}" if others else last
        raise ConfigError(f"{name} must be {expected}, not {reprlib.repr(value)}")
    if typing.get_origin(fitting[0]) is Sequence and isinstance(value, list | tuple):
        for place, entry in enumerate(value):
            check_type(f"{name}[{place}]", entry, typing.get_args(fitting[0])[0])


def _fits(value: object, kind: Any) -> bool:
    """Whether a value is of one type; true and false are no numbers, and a string is no list."""
    plain = typing.get_origin(kind) or kind
    if isinstance(plain, str):  # a class that is imported by type checkers alone
        return any(base.__name__ == plain for base in type(value).__mro__)
    if isinstance(value, bool) and plain in (int, float):
        return False
    if isinstance(value, str | bytes) and plain is Sequence:
        return False
    return isinstance(value, _KINDS.get(plain, (plain,))[0])
