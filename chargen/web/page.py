"""A model as one HTML page: weights, vocabulary and an engine of its own, with nothing to load from anywhere.

The page is ``page.html`` with everything put in: the style, the scripts, a JSON header with all that is not a weight,
and the weights in base64. Its policy lets nothing run but these scripts, known by their hashes, and lets nothing load.
"""

import base64
import dataclasses
import html
import json
import math
import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen.config import CELLS, ModelConfig, SamplerConfig
from chargen.errors import CheckpointError, MismatchError
from chargen.inference.neurons import NamedUnit
from chargen.inference.score import ESCAPE
from chargen.store.checkpoint import Checkpoint
from chargen.text.prompt import ALIKE
from chargen.text.vocab import CODE_POINTS
from chargen.web.document import asset, source
from chargen.web.wasm import assemble

MAX_BYTES: Final = 200_000_000
"""Of a page: what a browser on a phone still opens."""
_SCRIPTS: Final = (
    "network.js",
    "sampler.js",
    "vocab.js",
    "model.js",
    "view.js",
    "write.js",
    "read.js",
    "neurons.js",
    "page.js",
)


def page(
    checkpoint: Checkpoint, *, name: str, int8: bool = False, units: Sequence[NamedUnit] = (), example: str = ""
) -> bytes:
    """The page of a model; the same arguments give the same bytes.

    Args:
        checkpoint: The model; of a bidirectional one the page has the forward half.
        name: What the page calls it.
        int8: A byte for each weight of a matrix instead of two.
        units: What the tour through the neurons shows, in this order.
        example: The text that there is to read at first.

    Raises:
        MismatchError: the page would be too large for a browser, or its engine lacks the model's cell.
        CheckpointError: a weight is too large for float16.
    """
    check_model(checkpoint, int8=int8)
    forward = dataclasses.replace(checkpoint.model, bidirectional=False).weight_shapes()
    tensors, data = pack({name: checkpoint.weights[name] for name in forward}, int8=int8)
    header = _header(checkpoint, tensors, name, units, example)
    scripts = [asset(script) for script in _SCRIPTS]
    style = asset("page.css")
    parts = {
        "policy": _policy(scripts, style),
        "title": html.escape(f"chargen: {name}"),
        "style": style,
        "header": json.dumps(header, allow_nan=False).replace("<", "\\u003c"),  # so that no text in it ends it
        "weights": base64.b64encode(data).decode(),
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    text = re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], asset("page.html"))
    return text.encode("utf-8", "replace")


def check_model(checkpoint: Checkpoint, *, int8: bool) -> None:
    """Raise a MismatchError, with what to do, if the page's engine lacks the cell or a browser opens no such page."""
    cell = checkpoint.model.cell
    if f"\n  {cell}({{" not in asset("network.js"):
        raise MismatchError(f"the page's engine has no {cell} cell; write with this model on the command line instead")
    shapes = dataclasses.replace(checkpoint.model, bidirectional=False).weight_shapes()
    small = sum(math.prod(shape) for shape in shapes.values()) * 4 // 3  # base64 of a byte for each weight
    size = small if int8 else 2 * small
    if size <= MAX_BYTES:
        return
    advice = f"--int8 makes it {small / 1e6:,.0f} MB" if small <= MAX_BYTES else "train a smaller model"
    raise MismatchError(
        f"the page would take {size / 1e6:,.0f} MB, more than the {MAX_BYTES / 1e6:,.0f} MB that a browser opens; "
        f"{advice}"
    )


def pack(weights: dict[str, NDArray[np.float32]], *, int8: bool = False) -> tuple[list[dict[str, Any]], bytes]:
    """Weights as float16, little-endian; with ``int8`` matrices as bytes behind one float32 scale for each row.

    Returns:
        Where each tensor lies in the bytes: its name, shape, format and first byte; and the bytes.

    Raises:
        CheckpointError: a weight is too large for float16.
    """
    tensors, parts, start = [], [], 0
    for name, weight in weights.items():
        as_bytes = int8 and weight.ndim == 2
        data = _rows_of_bytes(weight) if as_bytes else _halves(name, weight)
        shape = list(weight.shape)
        tensors.append({"name": name, "shape": shape, "format": "int8" if as_bytes else "float16", "start": start})
        parts.append(data)
        start += len(data)
    return tensors, b"".join(parts)


def _rows_of_bytes(weight: NDArray[np.float32]) -> bytes:
    """Each row as whole multiples of a 127th of its largest value, with that 127th; all scales stand first."""
    scales = np.abs(weight).max(axis=1, keepdims=True) / np.float32(127)
    steps = np.rint(weight / np.where(scales > 0, scales, 1)).astype(np.int8)
    data: bytes = scales.astype("<f4").tobytes() + steps.tobytes()
    return data


def _halves(name: str, weight: NDArray[np.float32]) -> bytes:
    with np.errstate(over="ignore"):
        halves = weight.astype("<f2")
    if not np.isfinite(halves).all():
        advice = "give --int8" if weight.ndim == 2 else "train the model again"
        raise CheckpointError(
            f"{name} holds {np.abs(weight).max():.3g}, too large for a page's float16 weights; {advice}"
        )
    data: bytes = halves.tobytes()
    return data


def architecture(model: ModelConfig) -> dict[str, Any]:
    """What the page's engine knows of a network: its settings, and of its cell all but the equations."""
    cell = CELLS[model.cell]
    facts = {"state_parts": cell.state_parts, "peepholes": len(cell.peepholes), "reset_after": cell.reset_after}
    return dataclasses.asdict(model) | facts


def _header(
    checkpoint: Checkpoint, tensors: list[dict[str, Any]], name: str, units: Sequence[NamedUnit], example: str
) -> dict[str, Any]:
    """What the page's scripts know beside the weights."""
    vocab = checkpoint.vocab
    return {
        "name": name,
        "model": architecture(checkpoint.model),
        "parameters": checkpoint.model.parameters,
        "val_bpc": checkpoint.val_bpc,
        "test_bpc": checkpoint.test_bpc,
        "vocab": {"characters": vocab.characters, "unknown": vocab.unknown_id is not None, "end": vocab.end},
        "alike": ALIKE,
        "code_points": CODE_POINTS,
        "escape": ESCAPE,
        "sampler": dataclasses.asdict(SamplerConfig()),
        "kernel": base64.b64encode(assemble(asset("kernel.wat"))).decode(),
        "tensors": tensors,
        "units": [_unit(unit) for unit in units],
        "example": example,
    }


def _unit(unit: NamedUnit) -> dict[str, Any]:
    auc = None if math.isnan(unit.auc) else unit.auc  # JSON has no nan
    return {**dataclasses.asdict(unit), "auc": auc}


def _policy(scripts: Sequence[str], style: str) -> str:
    """A content security policy under which these scripts and this style work, WebAssembly too, and nothing else."""
    hashes = " ".join(map(source, scripts))
    return (
        f"default-src 'none'; script-src {hashes} 'wasm-unsafe-eval'; style-src {source(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
