"""WebAssembly's text form to its binary form: as much of it as one function in one module needs.

What is understood: a module that imports a memory and exports one function without result; parameters, locals and the
instructions of ``_INSTRUCTIONS``, unfolded, with labels by number. Anything else is an error, never left out. Source:
the WebAssembly core specification 2.0, chapters 5 (binary) and 6 (text).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

_TYPES: Final = {"i32": b"\x7f", "v128": b"\x7b"}
_INSTRUCTIONS: Final = {
    "loop": b"\x03\x40",  # without parameters and results
    "end": b"\x0b",
    "br_if": b"\x0d",
    "local.get": b"\x20",
    "local.set": b"\x21",
    "local.tee": b"\x22",
    "i32.const": b"\x41",
    "i32.lt_u": b"\x49",
    "i32.add": b"\x6a",
    "i32.shl": b"\x74",
    "v128.load": b"\xfd\x00",
    "v128.load32_splat": b"\xfd\x09",
    "v128.store": b"\xfd\x0b",
    "f32x4.add": b"\xfd\xe4\x01",
    "f32x4.mul": b"\xfd\xe6\x01",
}
_ALIGNMENT: Final = {"v128.load": 4, "v128.load32_splat": 2, "v128.store": 4}
"""The natural one, as an exponent of two."""


def assemble(text: str) -> bytes:
    """The module that ``text`` describes.

    Raises:
        ValueError: ``text`` has something that this assembler does not know.
    """
    match _parsed(text):
        case ["module", ["import", room, memory, ["memory", pages]], ["func", ["export", name], *function]]:
            pass
        case _:
            raise ValueError("a module must import a memory and export a function, and hold nothing else")
    declared = [part for part in function if isinstance(part, list)]
    params = [(label, kind) for role, label, kind in declared if role == "param"]
    local = [(label, kind) for role, label, kind in declared if role == "local"]
    places = {label: place for place, (label, _) in enumerate(params + local)}
    runs = [(kind, len(list(run))) for kind, run in groupby(kind for _, kind in local)]
    code = _vector([_unsigned(count) + _TYPES[kind] for kind, count in runs])
    code += b"".join(_instructions([part for part in function if isinstance(part, str)], places)) + b"\x0b"
    signature = b"\x60" + _vector([_TYPES[kind] for _, kind in params]) + _vector([])
    sections = {
        1: signature,
        2: _name(room) + _name(memory) + b"\x02\x00" + _unsigned(int(pages)),  # a memory with no upper limit
        3: _unsigned(0),  # the function's type
        7: _name(name) + b"\x00" + _unsigned(0),
        10: _sized(code),
    }
    return (
        b"\0asm"
        + (1).to_bytes(4, "little")
        + b"".join(bytes([number]) + _sized(_vector([content])) for number, content in sections.items())
    )


def _parsed(text: str) -> Any:
    """The one expression in brackets, as a list of strings without their quotes and of such lists."""
    stack: list[list[Any]] = [[]]
    for token in re.findall(r'[()]|"[^"]*"|[^\s()"]+', re.sub(r";;.*", "", text)):
        if token == "(":  # noqa: S105
            stack.append([])
        elif token == ")":  # noqa: S105
            inner = stack.pop()
            stack[-1].append(inner)
        else:
            stack[-1].append(token.strip('"'))
    (module,) = stack[0]
    return module


def _instructions(tokens: Sequence[str], places: dict[str, int]) -> Iterator[bytes]:
    rest = iter(tokens)
    for token in rest:
        if token not in _INSTRUCTIONS:
            raise ValueError(f"unknown instruction {token!r}")
        yield _INSTRUCTIONS[token]
        if token.startswith("local."):
            yield _unsigned(places[next(rest)])
        elif token == "i32.const":  # noqa: S105
            yield _signed(int(next(rest)))
        elif token == "br_if":  # noqa: S105
            yield _unsigned(int(next(rest)))
        elif token in _ALIGNMENT:
            yield _unsigned(_ALIGNMENT[token]) + _unsigned(int(next(rest).removeprefix("offset=")))


def _unsigned(value: int, last: int = 0x7F) -> bytes:
    """LEB128: seven bits a byte, the lowest first, the eighth set on all but the last, which is at most ``last``."""
    data = bytearray()
    while value > last:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def _signed(value: int) -> bytes:
    """Signed LEB128 of a number that is not negative: the last byte's sixth bit is its sign and must be clear."""
    return _unsigned(value, 0x3F)


def _sized(data: bytes) -> bytes:
    return _unsigned(len(data)) + data


def _vector(items: Iterable[bytes]) -> bytes:
    parts = list(items)
    return _unsigned(len(parts)) + b"".join(parts)


def _name(text: str) -> bytes:
    return _sized(text.encode())
