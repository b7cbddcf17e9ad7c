"""State files: exact, tied to their model, and refused when anything is wrong with them."""

import dataclasses
import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import samples

from chargen.config import CELLS, SamplerConfig
from chargen.errors import RunError, TextError
from chargen.inference.generate import Ending, collect, generate
from chargen.inference.numpy_network import Network
from chargen.inference.statefile import fingerprint, load, save
from chargen.store.checkpoint import Checkpoint


def ending_of(checkpoint: Checkpoint, **how: Any) -> Ending:
    """Where a short text of this model stopped."""
    network = Network(checkpoint.model, checkpoint.weights)
    (sample,) = collect(generate(network, checkpoint.vocab, [1, 2], length=7, seed=3, **how))
    return sample.ending


def saved(path: Path, checkpoint: Checkpoint, **how: Any) -> Path:
    """A state file of such a text."""
    save(path, checkpoint, ending_of(checkpoint, **how))
    return path


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_read_is_what_was_written(cell: str, tmp_path: Path) -> None:
    """State, last character, random numbers, penalised characters and settings come back bit for bit."""
    checkpoint = samples.checkpoint(cell=cell)
    before = ending_of(checkpoint, sampler=SamplerConfig(repetition_penalty=1.2, top_k=5, penalty_window=4))
    save(tmp_path / "state", checkpoint, before)
    after = load(tmp_path / "state", checkpoint)
    assert isinstance(after, Ending)
    np.testing.assert_array_equal(after.state, before.state)
    np.testing.assert_array_equal(after.recent, before.recent)
    assert len(after.recent) == 4
    assert dataclasses.replace(after, state=before.state, recent=before.recent) == before


def test_a_seed_of_any_size_is_kept(tmp_path: Path) -> None:
    """Also one that no machine word holds."""
    checkpoint = samples.checkpoint()
    save(tmp_path / "state", checkpoint, dataclasses.replace(ending_of(checkpoint), seed=1 << 100))
    after = load(tmp_path / "state", checkpoint)
    assert isinstance(after, Ending)
    assert after.seed == 1 << 100


def test_the_fingerprint_is_that_of_weights_and_vocabulary() -> None:
    """The same model has the same one, whatever its history; another weight, character or shape gives another."""
    one = samples.checkpoint()
    assert fingerprint(one) == fingerprint(dataclasses.replace(samples.checkpoint(), history=(), test_bpc=None))
    weights = {name: weight.copy() for name, weight in one.weights.items()}
    weights["readout.bias"][0] += 1e-6
    others = [
        dataclasses.replace(one, weights=weights),
        samples.checkpoint("\n abcdx"),
        samples.checkpoint("\n abcd", unknown=True),
        samples.checkpoint(skip=False),
        samples.checkpoint(cell="peephole"),
    ]
    assert len({fingerprint(each) for each in [one, *others]}) == 6


@pytest.mark.parametrize("other", [{"cell": "gru"}, {"hidden_size": 5}, {"num_layers": 1}, {"characters": "\n abcdx"}])
def test_the_state_of_another_model_is_refused(other: dict[str, Any], tmp_path: Path) -> None:
    """Another cell, shape or vocabulary is an error that names what the file holds."""
    path = saved(tmp_path / "state", samples.checkpoint(**other))
    with pytest.raises(TextError, match="another model") as caught:
        load(path, samples.checkpoint())
    assert f"cell '{other.get('cell', 'lstm')}'" in str(caught.value)


def test_no_change_of_a_byte_is_taken_for_another_state(tmp_path: Path) -> None:
    """Whichever byte is damaged, the file is refused or, where the byte has no meaning, read as it was."""
    checkpoint = samples.checkpoint(num_layers=1)
    path = saved(tmp_path / "state", checkpoint)
    before = load(path, checkpoint)
    whole = path.read_bytes()
    refused = 0
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        try:
            after = load(path, checkpoint)
        except TextError:
            refused += 1
        else:
            assert str(after) == str(before)
    assert refused > len(whole) / 7 * 0.7


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    """At whatever length."""
    checkpoint = samples.checkpoint(num_layers=1)
    path = saved(tmp_path / "state", checkpoint)
    whole = path.read_bytes()
    for size in range(0, len(whole), 23):
        path.write_bytes(whole[:size])
        with pytest.raises(TextError, match=r"damaged|chargen encode"):
            load(path, checkpoint)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"about": None}, "it holds"),
        ({"about": "[]"}, "no JSON object"),
        ({"about": "{"}, "damaged"),
        ({"about": "[" * 100_000}, "damaged"),
        ({"state": np.zeros((2, 2, 1, 4))}, "finite numbers of float32"),
        ({"state": np.zeros((2, 2, 1, 5), np.float32)}, "finite numbers of float32"),
        ({"state": np.full((2, 2, 1, 4), np.nan, np.float32)}, "finite numbers of float32"),
        ({"recent": np.array([7])}, "from 0 to 6"),
        ({"recent": np.array([-1])}, "from 0 to 6"),
        ({"recent": np.array([[1]])}, "from 0 to 6"),
        ({"recent": np.array([1.5])}, "from 0 to 6"),
        ({"recent": np.array([None])}, "neither a state"),
        ({"format": 2}, "format 2"),
        ({"last": 7}, "from 0 to 6"),
        ({"seed": -1}, "the seed -1"),
        ({"drawn": True}, "the drawn True"),
        ({"sampler": {"temperature": -1}}, "temperature"),
        ({"sampler": {"heat": 1}}, "heat"),
    ],
)
def test_what_does_not_belong_in_a_state_is_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    """A file that is whole but holds something else is an error that says what."""
    checkpoint = samples.checkpoint()
    path = saved(tmp_path / "state", checkpoint)
    with np.load(path) as archive:
        arrays = dict(archive)
    about = json.loads(str(arrays["about"]))
    about |= {name: value for name, value in change.items() if name in about}
    arrays["about"] = np.array(json.dumps(about))
    arrays |= {name: np.array(value) for name, value in change.items() if name in arrays and value is not None}
    kept = {name: array for name, array in arrays.items() if change.get(name, "") is not None}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=True, **kept)
    with pytest.raises(TextError, match=words):
        load(path, checkpoint)


def test_a_vector_is_read_as_it_is(tmp_path: Path) -> None:
    """A .npy file gives its array."""
    np.save(tmp_path / "v.npy", np.arange(4, dtype=np.float32))
    found = load(tmp_path / "v.npy", samples.checkpoint())
    np.testing.assert_array_equal(found, np.arange(4, dtype=np.float32))


def test_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, pickles, arrays of objects, other archives, folders and missing or huge files end in one clear error."""
    checkpoint, path = samples.checkpoint(), tmp_path / "file"
    objects, archive = io.BytesIO(), io.BytesIO()
    np.save(objects, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(archive, x=np.zeros(3))
    brackets = b"\x93NUMPY\x01\x00" + (60_000).to_bytes(2, "little") + b"[" * 60_000
    for data in (b"", b"some text", pickle.dumps([1]), objects.getvalue(), archive.getvalue(), brackets):
        path.write_bytes(data)
        with pytest.raises(TextError, match=r"neither a state|it holds"):
            load(path, checkpoint)
    for wrong in (tmp_path, tmp_path / "missing", tmp_path / "nul\0"):
        with pytest.raises(TextError, match="cannot read"):
            load(wrong, checkpoint)
    monkeypatch.setattr("chargen.inference.statefile.MAX_BYTES", 300)
    with pytest.raises(TextError, match="too large"):
        load(saved(path, checkpoint), checkpoint)
    bomb = io.BytesIO()
    np.savez_compressed(bomb, state=np.zeros(10_000))
    monkeypatch.setattr("chargen.inference.statefile.MAX_BYTES", 2000)
    path.write_bytes(bomb.getvalue())
    with pytest.raises(TextError, match="too large"):
        load(path, checkpoint)


def test_a_state_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """As where the path is a folder; nothing is left beside it."""
    (tmp_path / "state").mkdir()
    with pytest.raises(RunError, match="cannot write"):
        saved(tmp_path / "state", samples.checkpoint())
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
