"""``chargen encode``."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import samples
from conftest import Command
from networks import random_weights

from chargen.inference.numpy_network import Network
from chargen.store.checkpoint import save


@pytest.fixture
def network(folder: Path) -> Network:
    """The network of ``model.safetensors`` in the working directory, with two layers of four."""
    checkpoint = samples.checkpoint()
    save(folder / "model.safetensors", checkpoint)
    return Network(checkpoint.model, random_weights(checkpoint.model))


def test_vectors_go_to_stdout_as_json(chargen: Command, network: Network) -> None:
    """Without --output; each is what the network's top layer holds after the text."""
    found = json.loads(chargen("encode", "model.safetensors", "-", "-t", "ab", stdin=b"\na").out)
    assert (found["checkpoint"], found["shape"]) == ("model.safetensors", [2, 4])
    assert [each["text"] for each in found["texts"]] == ["stdin", "ab"]
    for each, ids in zip(found["texts"], ([0, 2], [2, 3]), strict=True):
        reader = network.reader()
        reader.prime(np.array(ids))
        np.testing.assert_allclose(each["vector"], reader.state[0, 1, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("more", "shape"), [([], (2, 4)), (["--layer", "0"], (2, 4)), (["--layer", "all"], (2, 2, 4)), (["--mean"], (2, 4))]
)
def test_vectors_go_to_a_file(
    more: list[str], shape: tuple[int, ...], chargen: Command, network: Network, folder: Path
) -> None:
    """With --output as float32, one a text, and nothing on stdout unless --json is given too."""
    command = ["encode", "model.safetensors", "-t", "ab\ndc", "--lines", *more, "--output", "x.npy"]
    assert chargen(*command).out == ""
    found = np.load(folder / "x.npy", allow_pickle=False)
    assert found.shape == shape
    assert found.dtype == np.float32
    printed = json.loads(chargen(*command, "--json").out)
    np.testing.assert_array_equal(np.array([each["vector"] for each in printed["texts"]], np.float32), found)


def test_layers_and_means_differ(chargen: Command, network: Network) -> None:
    """Each option has its own vector."""

    def vector(*more: str) -> Any:
        return json.loads(chargen("encode", "model.safetensors", "-t", "abcd", *more).out)["texts"][0]["vector"]

    seen = [vector(), vector("--layer", "0"), vector("--mean"), vector("--mean", "--layer", "0")]
    assert len({tuple(each) for each in seen}) == 4
    assert vector("--layer", "all") == [seen[1], seen[0]]
    assert vector("--layer", "1") == seen[0]


def test_unknown_characters_are_read_as_in_a_prompt(chargen: Command, network: Network) -> None:
    """They are read as what they look like, with a note; --quiet leaves the note out and --strict refuses them."""
    result = chargen("encode", "model.safetensors", "-t", "àb")
    plain = chargen("encode", "model.safetensors", "-t", "ab")
    assert json.loads(result.out)["texts"][0]["vector"] == json.loads(plain.out)["texts"][0]["vector"]
    assert result.err.startswith("note: àb: 'à'")
    assert chargen("encode", "model.safetensors", "-t", "àb", "--quiet").err == ""
    assert "not in the model's vocabulary" in chargen("encode", "model.safetensors", "-t", "àb", "--strict").error


def test_what_cannot_be_encoded_is_an_error(chargen: Command, network: Network, folder: Path) -> None:
    """A layer that is none, a text without known characters, and a file that cannot be written."""
    assert "not 2" in chargen("encode", "model.safetensors", "-t", "a", "--layer", "2").error
    for layer in ("top", "1.5", "-1"):
        result = chargen("encode", "model.safetensors", "-t", "a", f"--layer={layer}")
        assert (result.code, "--layer" in result.error) == (2, True)
    assert chargen("encode", "model.safetensors").code == 2
    assert "no character that the model can read" in chargen("encode", "model.safetensors", "-q", "-t", "中").error
    (folder / "taken").mkdir()
    assert (
        "--output: taken is a folder; name a file in it"
        in chargen("encode", "model.safetensors", "-t", "a", "--output", "taken").error
    )
