"""``chargen sample --state`` and ``--save-state``."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import samples
from conftest import Command

from chargen.store.checkpoint import save


@pytest.fixture(autouse=True)
def checkpoints(folder: Path) -> None:
    """``model.safetensors`` and, of another cell, ``gru.safetensors``, in the working directory."""
    save(folder / "model.safetensors", samples.checkpoint())
    save(folder / "gru.safetensors", samples.checkpoint(cell="gru"))


def sample(chargen: Command, *arguments: object, model: str = "model.safetensors") -> dict[str, Any]:
    """The only text and what is told of it."""
    found = json.loads(chargen("sample", model, "--json", *arguments).out)
    (text,) = found["samples"]
    return {**found["settings"], **text}


def test_a_text_goes_on_as_if_it_had_never_stopped(chargen: Command) -> None:
    """In three sittings, the settings typed once, the text is that of one sitting, random numbers and all."""
    settings = ["--seed", "5", "-t", "1.1", "--repetition-penalty", "1.2", "--penalty-window", "9", "-p", "ab"]
    whole = sample(chargen, *settings, "-n", "300")
    parts = [sample(chargen, *settings, "-n", "100", "--save-state", "s")]
    parts += [sample(chargen, "-n", "100", "--state", "s", "--save-state", "s") for _ in range(2)]
    assert "".join(part["text"] for part in parts) == whole["text"]
    assert [(part["seed"], part["temperature"], part["state"]) for part in parts] == [
        (5, 1.1, None),
        (5, 1.1, "s"),
        (5, 1.1, "s"),
    ]


def test_text_is_streamed_from_a_state(chargen: Command) -> None:
    """Without --json too, behind the text so far, of which nothing is repeated; no seed is drawn or told."""
    chargen("sample", "model.safetensors", "-p", "ab", "-n", "20", "--seed", "1", "--save-state", "s")
    result = chargen("sample", "model.safetensors", "-n", "20", "--state", "s")
    assert result.out.removesuffix("\n") == sample(chargen, "-n", "20", "--state", "s")["text"].removesuffix("\n")
    assert result.err == ""


def test_a_prompt_is_read_behind_the_state(chargen: Command) -> None:
    """What is said in between belongs to the text."""
    greedy = ["-t", "0", "-n", "30"]
    head = sample(chargen, "-p", "ab", "-t", "0", "-n", "10", "--save-state", "s")["text"]
    assert (
        sample(chargen, *greedy, "--state", "s", "-p", "dé")["text"]
        == sample(chargen, *greedy, "-p", "ab" + head + "dé")["text"]
    )


def test_new_settings_and_seeds_replace_the_old(chargen: Command) -> None:
    """Each option given stands; without a new seed, several texts have the old one and those after it."""
    sample(chargen, "-n", "10", "--seed", "3", "-t", "0.5", "--top-k", "4", "--save-state", "s")
    other = sample(chargen, "-n", "10", "--state", "s", "--seed", "9", "-t", "2")
    assert (other["seed"], other["temperature"], other["top_k"]) == (9, 2, 4)
    several = chargen("sample", "model.safetensors", "-n", "5", "--state", "s", "--num-samples", "2", "--json")
    assert [text["seed"] for text in json.loads(several.out)["samples"]] == [3, 4]


def test_the_state_of_a_prompt_alone_can_be_kept(chargen: Command) -> None:
    """With -n 0 a text is read now and continued later."""
    sample(chargen, "-p", "abcd", "-n", "0", "--seed", "7", "--save-state", "s")
    assert (
        sample(chargen, "--state", "s", "-n", "30")["text"]
        == sample(chargen, "-p", "abcd", "-n", "30", "--seed", "7")["text"]
    )


def test_a_text_starts_from_a_vector(chargen: Command, folder: Path) -> None:
    """A GRU's vectors of all layers are its whole state: what follows is what follows the text they were made of."""
    chargen("encode", "gru.safetensors", "-t", "abca", "--layer", "all", "-o", "v.npy")
    more = ["-n", "30", "-t", "0"]
    from_vector = sample(chargen, *more, "-p", "b", "--state", "v.npy", model="gru.safetensors")["text"]
    assert from_vector == sample(chargen, *more, "-p", "abcab", model="gru.safetensors")["text"]
    chargen("encode", "gru.safetensors", "-t", "abca", "-o", "top.npy")
    np.save(folder / "bare.npy", np.load(folder / "top.npy")[0])
    texts = [
        sample(chargen, *more, "-p", "b", "--state", vector, model="gru.safetensors")["text"]
        for vector in ("top.npy", "bare.npy")
    ]
    assert texts[0] == texts[1]


def test_a_vector_of_another_shape_is_refused(chargen: Command, folder: Path) -> None:
    """Several texts' vectors, another size or values that are not finite end in an error."""
    for array, words in (
        (np.zeros((2, 4)), "is 2 texts"),
        (np.zeros(5), r"shape (5,) does not fit"),
        (np.zeros((1, 3, 4)), "does not fit"),
        (np.array("ab"), "not one of numbers"),
        (np.full(4, np.nan), "not finite"),
        (np.full(4, 1e39), "too large for float32"),
    ):
        np.save(folder / "v.npy", array)
        assert words in chargen("sample", "model.safetensors", "--state", "v.npy").error


def test_states_that_do_not_fit_are_refused(chargen: Command, folder: Path) -> None:
    """Another model's, a damaged one, and none at all."""
    sample(chargen, "-n", "5", "--save-state", "s")
    assert "another model (cell 'lstm'" in chargen("sample", "gru.safetensors", "--state", "s").error
    (folder / "s").write_bytes((folder / "s").read_bytes()[:-9])
    assert "s is damaged" in chargen("sample", "model.safetensors", "--state", "s").error
    assert "cannot read missing" in chargen("sample", "model.safetensors", "--state", "missing").error


def test_a_state_is_that_of_one_text(chargen: Command, folder: Path) -> None:
    """Several samples and the interactive mode have none to keep."""
    command = ["sample", "model.safetensors"]
    assert "--num-samples 2" in chargen(*command, "--num-samples", "2", "--save-state", "s").error
    for option in ("--state", "--save-state"):
        assert "--interactive keeps its own text" in chargen(*command, "--interactive", option, "s").error
    assert not (folder / "s").exists()


@pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="the system has no such device")
def test_a_device_takes_a_state(chargen: Command) -> None:
    """What knows no positions is written into as any file is."""
    assert chargen("sample", "model.safetensors", "-n", "5", "--save-state", "/dev/null").code == 0
