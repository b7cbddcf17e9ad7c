"""``chargen embeddings``."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import samples
from conftest import Command

from chargen.store.checkpoint import save

CHARACTERS = "\n abc\u0301"
VECTORS = np.array(
    [[0, 0, 1], [0, 1, 1], [1, 0, 0], [5, 1, 0], [0, 1, 0], [-1, 0, 0], [2, 0, 0]], np.float32
)  # the last is that of the unknown id


@pytest.fixture(autouse=True)
def checkpoint(folder: Path) -> None:
    """``model.safetensors`` in the working directory."""
    made = samples.checkpoint(CHARACTERS, unknown=True)
    save(
        folder / "model.safetensors",
        dataclasses.replace(made, weights={**made.weights, "embedding.weight": VECTORS}),
    )


def test_each_character_is_shown_with_its_neighbours(chargen: Command) -> None:
    """The nearest by cosine first; all characters can be seen, and the unknown id is nobody's neighbour."""
    rows = [line.split("\t") for line in chargen("embeddings", "model.safetensors", "-k", "2").out.splitlines()]
    assert rows[0] == ["character", "1", "2"]
    assert [row[0] for row in rows[1:]] == [r"\n", "' '", "a", "b", "c", "\u25cc\u0301"]
    assert rows[1][1:] == ["' ' 0.71", "a 0.00"]
    assert rows[3][1:] == ["b 0.98", r"\n 0.00"]


def test_single_characters_can_be_chosen(chargen: Command) -> None:
    """Given --character, these alone are shown, in that order; a newline may be written as an escape."""
    out = chargen("embeddings", "model.safetensors", "-k", "1", "-c", "b", "-c", r"\n").out
    assert out.splitlines() == ["character\t1", "b\ta 0.98", r"\n" + "\t' ' 0.71"]
    wrong = chargen("embeddings", "model.safetensors", "-c", "ab")
    assert (wrong.code, "one character" in wrong.error) == (2, True)
    assert "'z' is not in the model's vocabulary" in chargen("embeddings", "model.safetensors", "-c", "z").error


def test_json_has_vectors_and_cosines(chargen: Command) -> None:
    """As numbers, with the characters as they are."""
    found = json.loads(chargen("embeddings", "model.safetensors", "-k", "1", "--json").out)
    assert found["shape"] == [7, 3]
    assert [each["character"] for each in found["characters"]] == list(CHARACTERS)
    assert [each["vector"] for each in found["characters"]] == VECTORS[:-1].tolist()
    (nearest,) = found["characters"][2]["neighbours"]
    assert (nearest["character"], nearest["cosine"]) == ("b", pytest.approx(5 / 26**0.5))


def test_all_embeddings_go_to_a_file(chargen: Command, folder: Path) -> None:
    """With --output, in the order of the vocabulary, the unknown id's last, whatever is shown; stdout stays empty."""
    assert chargen("embeddings", "model.safetensors", "-c", "a", "--output", "x.npy").out == ""
    found = np.load(folder / "x.npy", allow_pickle=False)
    np.testing.assert_array_equal(found, VECTORS)
    assert found.dtype == np.float32


def test_a_model_without_embeddings_is_an_error(chargen: Command, folder: Path) -> None:
    """A one-hot model has none; and no neighbours is no request."""
    save(folder / "hot.safetensors", samples.checkpoint(one_hot=True))
    assert "it has no embeddings" in chargen("embeddings", "hot.safetensors").error
    assert "neighbours must be" in chargen("embeddings", "model.safetensors", "-k", "0").error
