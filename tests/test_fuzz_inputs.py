"""Damaged state files, vectors and cache entries: refused, made anew, or used rightly; never a traceback.

``CHARGEN_FUZZ=10000``, which tries ten thousand checkpoints, tries a thousand of each of these.
"""

import dataclasses
import hashlib
import io
import json
import os
import random
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import samples
from damage import DAMAGE, EDGES, VALUES, Random, spoil
from numpy.typing import NDArray
from samples import load_corpus

from chargen.errors import CorpusError, TextError
from chargen.inference.generate import Ending, collect
from chargen.model import Model
from chargen.text import cache, corpus, id_file

ROUNDS: Final = max(60, int(os.environ.get("CHARGEN_FUZZ", "0")) // 10)
TEXT: Final = "a large text, that of this test\n" * 40
CRAFTED: Final = [float("nan"), float("-inf"), 1e39, 3e38, -1e-45]


def spoil_array(source: Random, array: NDArray[Any]) -> NDArray[Any]:
    """The array with another shape, type or value."""
    match source.randrange(4):
        case 0:
            return array.reshape(source.choice([(-1,), (1, *array.shape), array.shape[::-1]]))
        case 1:
            return array.astype(np.dtype(source.choice(["f2", "f8", "i4", "u1", "?", "U3", "c8"])))
        case 2:
            return array[..., : source.randrange(2)]
    changed: NDArray[Any] = array.astype(source.choice([array.dtype, np.dtype("f8")]))
    if changed.size:
        value = np.array(source.choice([*CRAFTED, *EDGES[:6]]))
        with np.errstate(all="ignore"):
            changed.reshape(-1)[source.randrange(changed.size)] = value.astype(changed.dtype)
    return changed


def forged_state(source: Random, whole: bytes) -> bytes:
    """A state file of whole archive members, one or more of which say something else."""
    arrays = dict(np.load(io.BytesIO(whole)))
    if source.random() < 0.5:
        about = json.loads(str(arrays["about"]))
        for _ in range(source.randint(1, 3)):
            spoil(source, about)
        arrays["about"] = np.array(json.dumps(about))
    else:
        name = source.choice(["state", "recent"])
        arrays[name] = spoil_array(source, arrays[name])
    data = io.BytesIO()
    np.savez(data, **arrays)
    return data.getvalue()


def forged_vector(source: Random, whole: bytes) -> bytes:
    """A vector's file whose header or array is another."""
    if source.random() < 0.5:
        data = io.BytesIO()
        np.save(data, spoil_array(source, np.load(io.BytesIO(whole))))
        return data.getvalue()
    end = whole.index(b"\n") + 1
    word = source.choice(
        [b"{", b"(", b"-", b"[" * 5000, b"'", b"9" * 30, b"True", json.dumps(source.choice(VALUES)).encode()]
    )
    at = source.randrange(10, end)
    header = (whole[10:at] + word + whole[at + source.randrange(10) : end])[: (1 << 16) - 1]
    return whole[:8] + len(header).to_bytes(2, "little") + header + whole[end:]


def damaged(source: Random, whole: bytes) -> bytes:
    """The file with any damage to its bytes."""
    return source.choice(DAMAGE)(source, bytearray(whole))


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A model that writes."""
    return Model(samples.checkpoint(), tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of zipfile, where a name stands twice
def test_no_damage_to_a_state_goes_unnoticed(model: Model, tmp_path: Path) -> None:
    """It is refused or still the same; a forged one that makes sense is gone on with."""
    source = random.Random(3)  # noqa: S311  # damage, not secrets
    path = tmp_path / "state"
    pieces = model.pieces("ab", length=9, seed=1, repetition_penalty=1.2, penalty_window=4)
    original = collect(pieces)[0].ending
    model.save_state(path, original)
    whole = path.read_bytes()
    refused = 0
    for _ in range(ROUNDS):
        forged = source.random() < 0.5
        path.write_bytes((forged_state if forged else damaged)(source, whole))
        try:
            found = model.load_state(path)
        except TextError:
            refused += 1
            continue
        assert isinstance(found, Ending)
        if not forged:
            assert_equal(found, original)
        assert len(collect(model.pieces(length=3, state=found))[0].text) == 3
    assert ROUNDS // 3 < refused < ROUNDS


def assert_equal(one: Ending, other: Ending) -> None:
    """Fail unless both are the same ending."""
    np.testing.assert_array_equal(one.state, other.state)
    np.testing.assert_array_equal(one.recent, other.recent)
    assert dataclasses.replace(one, state=other.state, recent=other.recent) == other


def test_no_vector_breaks_the_model(model: Model, tmp_path: Path) -> None:
    """Whatever its file holds, it is refused, or text begins from finite numbers."""
    source = random.Random(4)  # noqa: S311  # damage, not secrets
    path = tmp_path / "vector.npy"
    np.save(path, model.encode("abcd"))
    whole = path.read_bytes()
    used = 0
    for _ in range(ROUNDS):
        path.write_bytes(source.choice([damaged, forged_vector])(source, whole))
        try:
            state = model.load_state(path)
        except TextError:
            continue
        assert isinstance(state, np.ndarray)
        assert np.isfinite(state).all()
        assert len(collect(model.pieces(length=3, state=state, seed=1))[0].text) == 3
        used += 1
    assert 0 < used < ROUNDS


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A text that counts as large, in a file."""
    monkeypatch.setenv("CHARGEN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(corpus, "IN_MEMORY", 0)
    monkeypatch.setattr(id_file, "BLOCK", 256)
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def test_no_damage_to_the_cache_goes_unnoticed(text: Path) -> None:
    """Whatever happens to an entry or a link, the ids are those of the text, as often as they are read."""
    source = random.Random(5)  # noqa: S311  # damage, not secrets
    load_corpus([text])
    files = list(cache.folder().iterdir())
    whole = {path: path.read_bytes() for path in files}
    for _ in range(ROUNDS):
        for path in source.sample(files, source.randint(1, 2)):
            path.write_bytes(damaged(source, whole[path]))
        for _ in range(2):
            loaded = load_corpus([text])
            assert loaded.vocab.text_of(loaded.ids[:]) == TEXT
        cache.entries()


def forged_entry(source: Random, whole: bytes) -> bytes:
    """An entry whose header says something else, with the digest that it then needs."""
    magic, _, line, ids = whole.split(b"\n", 3)
    header = json.loads(line)
    for _ in range(source.randint(1, 3)):
        spoil(source, header)
    line = json.dumps(header).encode() + b"\n"
    return b"\n".join([magic, hashlib.sha256(line).hexdigest().encode(), line + ids])


def test_no_forged_entry_breaks_a_training(text: Path) -> None:
    """One whose digest is right is refused, or its ids are those of its vocabulary."""
    source = random.Random(6)  # noqa: S311  # damage, not secrets
    load_corpus([text])
    [entry] = cache.entries()
    whole = entry.path.read_bytes()
    for _ in range(ROUNDS):
        entry.path.write_bytes(forged_entry(source, whole))
        cache.entries()
        try:
            loaded = load_corpus([text])
            assert loaded.ids[:].max() < len(loaded.vocab)
        except CorpusError:
            continue
        assert len(loaded.vocab.text_of(loaded.ids[:])) == len(TEXT)
