"""A model as an ONNX graph, run by onnxruntime."""

import builtins
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
import samples
from conftest import Command

from chargen.config import CELLS, Cell
from chargen.errors import MismatchError
from chargen.inference.numpy_network import Network
from chargen.store.checkpoint import Checkpoint, save
from chargen.web import onnx_graph
from chargen.web.onnx_graph import onnx_model


def session(model: bytes) -> Any:
    """The model, ready to run on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def assert_same(checkpoint: Checkpoint) -> None:
    """Fail unless onnxruntime gives the logits and the state of ``Network``, whatever state it starts from."""
    reader = Network(checkpoint.model, checkpoint.weights).reader(3)
    model = session(onnx_model(checkpoint, "name"))
    generator = np.random.default_rng(0)
    ids = generator.integers(0, checkpoint.model.vocab_size, (3, 7))
    given = np.ascontiguousarray(reader.state)
    for part in (ids[:, :4], ids[:, 4:]):
        logits, given = model.run(["logits", "new_state"], {"ids": part, "state": given})
        np.testing.assert_allclose(logits, reader.run(part.T).transpose(1, 0, 2), atol=1e-5)
        np.testing.assert_allclose(given, reader.state, atol=1e-5)


@pytest.mark.parametrize(
    ("cell", "skip", "one_hot"), [*itertools.product(samples.PORTED, (True, False), (True, False))]
)
def test_the_graph_gives_the_networks_logits(cell: str, skip: bool, one_hot: bool) -> None:
    """For every cell, with skip connections and without, one-hot and embedded, as deep and as odd as may be."""
    for layers in (1, 2, 3):
        assert_same(samples.checkpoint(cell=cell, skip=skip, one_hot=one_hot, num_layers=layers, hidden_size=7))


def test_of_a_bidirectional_model_it_is_the_forward_half() -> None:
    """Which predicts a character from those before it, as the generator does."""
    assert_same(samples.checkpoint(bidirectional=True))


def test_the_vocabulary_is_in_the_metadata() -> None:
    """Characters by their ids, the unknown id, and the one that stands before a text."""
    for unknown in (True, False):
        model = session(onnx_model(samples.checkpoint("\n <é", unknown=unknown), "name"))
        about = json.loads(model.get_modelmeta().custom_metadata_map["chargen"])
        assert about == {"characters": "\n <é", "unknown_id": 4 if unknown else None, "start_id": 0}
        assert model.get_modelmeta().producer_name == "chargen"


def test_the_same_model_gives_the_same_bytes() -> None:
    """So a file can be compared."""
    assert onnx_model(samples.checkpoint(), "name") == onnx_model(samples.checkpoint(), "name")


def test_a_cell_that_onnx_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its gates, of which no operator has these."""
    monkeypatch.setitem(CELLS, "minimal", Cell(gates=("f", "n"), state_parts=1))
    model = samples.checkpoint(cell="rnn")
    object.__setattr__(model.model, "cell", "minimal")
    with pytest.raises(MismatchError, match="ONNX has no operator for the minimal cell"):
        onnx_model(model, "name")


def test_a_model_that_the_format_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is built."""
    monkeypatch.setattr(onnx_graph, "MAX_BYTES", 1000)
    with pytest.raises(MismatchError, match="more than the"):
        onnx_model(samples.checkpoint(), "name")


def test_export_writes_the_file(chargen: Command, folder: Path) -> None:
    """Its path is printed; a page can be written at once."""
    save(folder / "model.safetensors", samples.checkpoint())
    done = chargen("export", "model.safetensors", "out.onnx", "--html", "page.html", "--no-example", "-q")
    assert (done.code, done.out, done.err) == (0, "page.html\nout.onnx\n", "")
    assert session((folder / "out.onnx").read_bytes()).get_inputs()[0].name == "ids"
    assert (folder / "page.html").exists()
    result = chargen("export", "model.safetensors", "out.txt")
    assert (result.code, "out.txt" in result.error) == (2, True)


def test_without_the_package_it_says_what_to_install(
    chargen: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one line; nothing is written."""
    save(folder / "model.safetensors", samples.checkpoint())
    imported = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "onnx":
            raise ImportError("No module named 'onnx'")
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install 'chargen[onnx]'" in chargen("export", "model.safetensors", "out.onnx").error
    assert not (folder / "out.onnx").exists()
