"""A model as an ONNX graph, for any runtime that reads ONNX; it needs the package ``onnx``.

B batch, T time, V vocab, L layers, H hidden, S parts of the state (2 for h and c, 1 for h alone). The layers are ONNX's
own recurrent operators; of a bidirectional model the graph is the forward half, which alone can predict what comes.
"""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from chargen.config import CELLS
from chargen.errors import MismatchError
from chargen.inference.generate import start_id
from chargen.store.checkpoint import Checkpoint

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

MAX_BYTES: Final = 2_000_000_000
"""Of an ONNX file: its format, Protocol Buffers, ends at 2 GiB."""
OPSET: Final = 18
IR_VERSION: Final = 8
"""The versions that came together, in 2022: runtimes that are newer read them too."""

_OPERATORS: Final = {
    ("i", "f", "g", "o"): ("LSTM", ("i", "o", "f", "g")),
    ("r", "z", "n"): ("GRU", ("z", "r", "n")),
    ("h",): ("RNN", ("h",)),
}
"""By a cell's gates: ONNX's operator, and its order of them."""
_PEEPHOLES: Final = ("i", "o", "f")
"""ONNX's order of the gates that see the cell state."""


def onnx_model(checkpoint: Checkpoint, name: str) -> bytes:
    """The graph as the bytes of an ONNX file.

    Its inputs are ``ids`` (B, T), int64, and ``state`` (S, L, B, H), zeros at the beginning of a text; its outputs
    ``logits`` (B, T, V) after each character and ``new_state``. The metadata entry ``chargen`` is a JSON object:
    ``characters``, whose places are their ids, ``unknown_id``, which is null or stands for all others and is not to be
    drawn, and ``start_id``, which stands before a text's first character.

    Raises:
        MismatchError: the package ``onnx`` is missing, ONNX has no such cell, or the model is too large for the format.
    """
    config = checkpoint.model
    if CELLS[config.cell].gates not in _OPERATORS:
        raise MismatchError(
            f"ONNX has no operator for the {config.cell} cell; write with this model on the command line instead"
        )
    size = 4 * config.parameters
    if size > MAX_BYTES:
        raise MismatchError(
            f"the model takes {size / 1e9:.1f} GB, more than the {MAX_BYTES / 1e9:.0f} GB of an ONNX file"
        )
    try:
        from onnx import TensorProto, checker, helper
    except ImportError as error:
        raise MismatchError(
            f"ONNX files need a package that is missing ({error}): pip install 'chargen[onnx]'"
        ) from error

    graph, floats = _Graph(checkpoint), TensorProto.FLOAT
    state: list[int | str | None] = [config.state_parts, config.num_layers, "batch", config.hidden_size]
    described = helper.make_tensor_value_info
    inputs = [described("ids", TensorProto.INT64, ["batch", "time"]), described("state", floats, state)]
    logits = described("logits", floats, ["batch", "time", config.vocab_size])
    outputs = [logits, described("new_state", floats, state)]
    model = helper.make_model(
        helper.make_graph(graph.nodes, name, inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="chargen",
    )
    vocab = checkpoint.vocab
    about = {"characters": vocab.characters, "unknown_id": vocab.unknown_id, "start_id": start_id(vocab)}
    helper.set_model_props(model, {"chargen": json.dumps(about)})
    checker.check_model(model)
    return bytes(model.SerializeToString())


class _Graph:
    """The nodes and constants of a checkpoint's graph.

    Attributes:
        nodes: In an order in which each finds its inputs made.
        constants: Weights, and the axes that operators need.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._weights, self._config = checkpoint.weights, checkpoint.model
        config = self._config
        for axis in (0, 1):
            self._constant(f"axis_{axis}", np.array([axis]))
        characters = self._characters()
        states = [
            self._split(self._node("Squeeze", [part, "axis_0"], f"{part}_layers"), config.num_layers)
            for part in self._split("state", config.state_parts)
        ]
        outputs: list[str] = []
        ends: list[tuple[str, ...]] = []
        for layer in range(config.num_layers):
            inputs = [*outputs[-1:], *([characters] if layer == 0 or config.skip else [])]
            x = self._node("Concat", inputs, f"input_{layer}", axis=2)
            output, *end = self._layer(layer, x, [part[layer] for part in states])
            outputs.append(output)
            ends.append(tuple(end))
        self._read_out(outputs if config.skip else outputs[-1:])
        parts = [self._node("Concat", part, f"end_{at}", axis=0) for at, part in enumerate(zip(*ends, strict=True))]
        stacked = [self._node("Unsqueeze", [part, "axis_0"], f"{part}_part") for part in parts]
        self._node("Concat", stacked, "new_state", axis=0)

    def _characters(self) -> str:
        """What the layers see of the characters, (T, B, E): embeddings, or vectors of which one entry is 1."""
        by_time = self._node("Transpose", ["ids"], "ids_by_time", perm=[1, 0])
        if not self._config.one_hot:
            return self._node("Gather", [self._weight("embedding.weight"), by_time], "characters")
        depth = self._constant("vocab_size", np.array([self._config.vocab_size]))
        values = self._constant("off_on", np.array([0, 1], np.float32))
        return self._node("OneHot", [by_time, depth, values], "characters")

    def _layer(self, layer: int, x: str, state: Sequence[str]) -> Iterator[str]:
        """The output (T, B, H) of a layer, and its state (1, B, H) after the last character, part by part."""
        cell, prefix = CELLS[self._config.cell], f"layers.{layer}"
        operator, order = _OPERATORS[cell.gates]
        names = {name: f"{prefix}.{name}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        gates = {name: _in_order(self._weights[full], cell.gates, order) for name, full in names.items()}
        bias = np.concatenate([gates["bias_ih"], gates["bias_hh"]])
        inputs = [
            x,
            self._constant(names["weight_ih"], gates["weight_ih"][None]),
            self._constant(names["weight_hh"], gates["weight_hh"][None]),
            self._constant(f"{prefix}.bias", bias[None]),
            "",  # all sequences have the same length
            *state,
        ]
        options: dict[str, Any] = {"hidden_size": self._config.hidden_size}
        if cell.peepholes:
            weight = self._weights[f"{prefix}.weight_peephole"].reshape(-1)
            peepholes = _in_order(weight, cell.peepholes, _PEEPHOLES)
            inputs.append(self._constant(f"{prefix}.weight_peephole", peepholes[None]))
        if cell.reset_after:
            options["linear_before_reset"] = 1
        ends = [f"{prefix}.end_{at}" for at in range(len(state))]
        output = self._node(operator, inputs, f"{prefix}.directions", *ends, **options)
        yield self._node("Squeeze", [output, "axis_1"], f"{prefix}.output")
        yield from ends

    def _read_out(self, outputs: Sequence[str]) -> None:
        features = self._node("Concat", outputs, "features", axis=2)
        by_text = self._node("Transpose", [features], "features_by_text", perm=[1, 0, 2])
        weight = self._constant("readout.weight", np.ascontiguousarray(self._weights["readout.weight"].T))
        self._node("Add", [self._node("MatMul", [by_text, weight], "scores"), self._weight("readout.bias")], "logits")

    def _split(self, array: str, parts: int) -> list[str]:
        """An array cut into pieces along its first axis, which stays."""
        names = [f"{array}_{at}" for at in range(parts)]
        self._node("Split", [array], *names, axis=0, num_outputs=parts)
        return names

    def _weight(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def _node(self, operator: str, inputs: Sequence[str], *outputs: str, **attributes: Any) -> str:
        """Add a node; the name of its first output."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs[0]


def _in_order(weight: NDArray[np.float32], gates: Sequence[str], order: Sequence[str]) -> NDArray[np.float32]:
    """``weight``, whose blocks of rows are those of ``gates``, with the gates in another order."""
    blocks = np.split(weight, len(gates))
    return np.concatenate([blocks[gates.index(gate)] for gate in order])
