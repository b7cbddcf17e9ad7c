"""How tensors lie in a safetensors file, so that it can be written from where they are.

The library's own writer for an open file puts the whole file together in memory first, twice.
"""

import json
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray


def layout(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> tuple[bytes, tuple[NDArray[Any], ...]]:
    """What such a file consists of, in its order.

    As the format has it (https://huggingface.co/docs/safetensors): the size of a JSON document in 8 bytes, the
    document, padded with spaces to a multiple of 8, and the tensors without gaps, those with the widest entries first,
    so that all are aligned. All of it is little-endian.

    Args:
        tensors: Arrays of integers or floats, in C order.
        metadata: Entries of the header.

    Returns:
        The header with its size, and the arrays, which on a little-endian machine are those of ``tensors``.
    """
    entries: dict[str, Any] = {"__metadata__": metadata}
    names = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    end = 0
    for name in names:
        tensor = tensors[name]
        begin, end = end, end + tensor.nbytes
        kind = f"{tensor.dtype.kind.upper()}{8 * tensor.itemsize}"  # as in F32 and U64
        entries[name] = {"dtype": kind, "shape": tensor.shape, "data_offsets": (begin, end)}
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    arrays = (tensors[name].astype(tensors[name].dtype.newbyteorder("<"), copy=False) for name in names)
    return len(header).to_bytes(8, "little") + header, tuple(arrays)
