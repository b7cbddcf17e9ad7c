"""Damage to files: to their bytes, and to what a JSON document in them says."""

import copy
import random
from collections.abc import Callable
from typing import Any, Final

Bytes = Callable[[random.Random, bytearray], bytes]
Random = random.Random

EDGES: Final = [0, 1, 7, 255, 1 << 16, 1 << 24, (1 << 31) - 1, 1 << 32, 1 << 53, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
VALUES: Final[list[Any]] = [
    None, True, False, "", "x", "\ud800", "\0", "9" * 5000, "nan", [], {}, [[]], [None], {"": 0}, -1, 0.5, 1e308,
    1e-320, float("nan"), float("inf"), *EDGES,
]  # fmt: skip


def cut(source: Random, data: bytearray) -> bytes:
    """Cut short at any place."""
    return bytes(data[: source.randrange(len(data))])


def flip(source: Random, data: bytearray) -> bytes:
    """A few bits flipped, anywhere or in the beginning."""
    reach = min(len(data), source.choice([len(data), 8, 400]))
    for _ in range(source.randint(1, 4)):
        data[source.randrange(reach)] ^= 1 << source.randrange(8)
    return bytes(data)


def overwrite(source: Random, data: bytearray) -> bytes:
    """A stretch of noise, zeros or of the file's own bytes."""
    size = source.choice([1, 4, 8, 64, 4096])
    at = source.randrange(len(data))
    other = source.randrange(len(data))
    noise = source.choice([source.randbytes(size), bytes(size), b"\xff" * size, bytes(data[other : other + size])])
    data[at : at + len(noise)] = noise
    return bytes(data)


def shift(source: Random, data: bytearray) -> bytes:
    """Bytes taken out, put in or doubled."""
    at, size = source.randrange(len(data)), source.choice([1, 2, 8, 100])
    if source.random() < 0.5:
        del data[at : at + size]
    else:
        data[at:at] = source.choice([source.randbytes(size), bytes(data[at : at + size])])
    return bytes(data)


DAMAGE: Final[list[Bytes]] = [cut, flip, overwrite, shift]
"""What may happen to any file."""


def spoil(source: Random, content: Any) -> None:
    """Replace, add or take out one value somewhere in a JSON document."""
    place = content
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = source.choice(keys)
        deeper = isinstance(place[key], dict | list) and place[key]
        if not deeper or source.random() < 0.1:
            break
        place = place[key]
    value = copy.deepcopy(source.choice([*VALUES, place[source.choice(keys)]]))
    match source.randrange(4):
        case 0:
            del place[key]
        case 1 if isinstance(place, dict):
            place[source.choice(["step", "x", "vocab", "state.hidden", str(key) * 2])] = value
        case 2 if isinstance(place[key], int | float):
            place[key] += source.choice([1, -1, 0.5, place[key]])
        case _:
            place[key] = value
