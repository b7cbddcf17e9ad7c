"""The checkpoint file: what is written is read, and nothing else is."""

import dataclasses
import functools
import io
import itertools
import json
import operator
import pickle
import re
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as serialise
from safetensors.numpy import save_file
from samples import (
    Tensors,
    assert_equal,
    checkpoint,
    evaluation,
    of_a_list,
    put_together,
    taken_apart,
    with_digests,
    without_arrays,
)

from chargen.config import CELLS
from chargen.errors import CheckpointError
from chargen.inference.generate import collect
from chargen.model import Model
from chargen.store.checkpoint import MAX_HEADER, load, save

RESUME: Any = without_arrays(checkpoint()).resume


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a whole checkpoint."""
    file = tmp_path / "last.safetensors"
    save(file, checkpoint())
    return file


def refused(path: Path, *, with_state: bool = True) -> str:
    """Why the file is not loaded, in one line that names it."""
    with pytest.raises(CheckpointError) as caught:
        load(path, with_state=with_state)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < 400 + len(str(path))
    return message


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("one_hot", [True, False])
def test_a_checkpoint_is_read_as_it_was_written(cell: str, one_hot: bool, tmp_path: Path) -> None:
    """Weights, state, settings, vocabulary, corpus, history and progress all come back, bit for bit."""
    written = checkpoint(cell=cell, one_hot=one_hot, unknown=one_hot)
    save(tmp_path / "file", written)
    assert_equal(load(tmp_path / "file", with_state=True), written)


def test_a_checkpoint_is_read_where_files_cannot_be_mapped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some network file systems, simulated here: then a copy is read, which does not stay."""
    opening, opened = safetensors.safe_open, list[Path]()

    def refusing(file: str | Path, framework: str) -> Any:
        opened.append(Path(file))
        if file == path:
            raise OSError("No such device (os error 19)")
        return opening(file, framework=framework)

    monkeypatch.setattr(safetensors, "safe_open", refusing)
    assert_equal(load(path, with_state=True), checkpoint())
    assert opened[0] == path
    assert not opened[1].parent.exists()


@pytest.mark.parametrize("half", [False, True])
def test_a_model_of_a_list_keeps_what_it_was_trained_on(half: bool, tmp_path: Path) -> None:
    """How the list was divided, how many items there are and the hashes of those learnt, also in an export."""
    written = of_a_list(checkpoint())
    save(tmp_path / "file", written, half=half)
    read = load(tmp_path / "file", with_state=True)
    assert read.corpus.items == written.corpus.items
    np.testing.assert_array_equal(read.seen, written.seen)


@pytest.mark.parametrize(
    ("seen", "items", "why"),
    [
        (np.array([5, 3], np.uint64), {}, "items.seen is not in order"),
        (np.array([3, 3], np.uint64), {}, "items.seen is not in order"),
        (np.array([3.0]), {}, "items.seen has type F64"),
        (np.array([[3]], np.uint64), {}, r"items.seen has type U64 and shape \(1, 1\)"),
        (None, {}, "a list without that"),
        (np.array([3], np.uint64), None, "items.seen without a list"),
        (np.array([3], np.uint64), {"train": 0}, "no items to train on"),
        (np.array([3], np.uint64), {"train": -1}, "has the train -1"),
        (np.array([3], np.uint64), {"longest": 1.5}, "has the longest 1.5"),
        (np.array([3], np.uint64), {"division": {"kind": "words", "separator": None}}, "divided by 'words'"),
        (np.array([3], np.uint64), {"division": {"kind": "lines", "separator": "*"}}, "its separator is '\\*'"),
        (np.array([3], np.uint64), {"division": {"kind": "files", "separator": None}}, "lacks the end mark"),
        (np.array([3], np.uint64), {"more": 1}, "lacks or adds"),
    ],
)
def test_a_list_that_is_not_consistent_is_refused(seen: Any, items: Any, why: str, tmp_path: Path) -> None:
    """Hashes and what is said of the list are checked one by one and against each other."""
    save(tmp_path / "file", of_a_list(checkpoint()))
    document, tensors = taken_apart(tmp_path / "file")
    tensors.pop("items.seen")
    if seen is not None:
        tensors["items.seen"] = seen
    document["corpus"]["items"] = None if items is None else document["corpus"]["items"] | items
    put_together(tmp_path / "file", with_digests(document, tensors), tensors)
    assert re.search(why, refused(tmp_path / "file"))


def test_what_resuming_needs_is_read_on_demand_only(path: Path) -> None:
    """Without asking for the state, the weights come alone."""
    assert_equal(load(path), dataclasses.replace(checkpoint(), resume=RESUME))


def test_half_precision_takes_half_the_space(path: Path, tmp_path: Path) -> None:
    """Weights kept as float16 are rounded once and come back as float32."""
    big = dataclasses.replace(checkpoint(hidden_size=64), resume=None)
    save(tmp_path / "full", big)
    save(tmp_path / "half", big, half=True)
    sizes = [(tmp_path / name).stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    for name, weight in load(tmp_path / "half").weights.items():
        assert weight.dtype == np.float32
        np.testing.assert_array_equal(weight, big.weights[name].astype(np.float16))


def test_a_vocabulary_of_every_character_fits(tmp_path: Path) -> None:
    """All of Unicode in one vocabulary is written and read."""
    every = "".join(map(chr, itertools.chain(range(0xD800), range(0xE000, 0x110000))))
    written = checkpoint(every, num_layers=1, hidden_size=1, embedding_size=1)
    save(tmp_path / "file", written)
    assert load(tmp_path / "file").vocab == written.vocab


def test_a_header_that_begins_like_a_pickle_is_still_a_checkpoint(tmp_path: Path) -> None:
    """The first bytes are the header's size, which may be those of a pickle by chance."""
    file, whole = tmp_path / "file", checkpoint()

    def header(name: str) -> int:
        save(file, dataclasses.replace(whole, corpus=dataclasses.replace(whole.corpus, name=name)))
        return int.from_bytes(file.read_bytes()[:8], "little")

    for start in (b"\x80\x02", b"\x80\x04"):
        size = int.from_bytes(start, "little") + 0x10000
        name = "x" * (size - header(""))
        assert header(name) == size
        assert file.read_bytes().startswith(start)
        assert load(file).corpus.name == name


def test_a_file_cut_short_anywhere_is_refused(path: Path, tmp_path: Path) -> None:
    """Every beginning of a checkpoint short of the whole is an error."""
    data = path.read_bytes()
    cut = tmp_path / "cut"
    for size in [*range(24), *range(24, len(data), 41), len(data) - 1]:
        cut.write_bytes(data[:size])
        refused(cut)


def test_a_file_that_grew_is_refused(path: Path) -> None:
    """Bytes after the end are an error too."""
    path.write_bytes(path.read_bytes() + b"\0")
    refused(path)


@given(at=st.integers(0, 1 << 20), bit=st.integers(0, 7))
@settings(max_examples=150)
def test_no_flipped_bit_goes_unnoticed(at: int, bit: int, path: Path, tmp_path: Path) -> None:
    """A single bit that changed is an error, or one that means nothing."""
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1 << bit
    damaged = tmp_path / "damaged"
    damaged.write_bytes(data)
    try:
        found = load(damaged, with_state=True)
    except CheckpointError:
        return
    assert_equal(found, checkpoint())


def test_another_programs_safetensors_is_named_as_such(tmp_path: Path) -> None:
    """A file of tensors without chargen's settings is not taken for a damaged one."""
    for metadata in (None, {"format": "pt"}):
        save_file({"weight": np.ones(3, np.float32)}, tmp_path / "file", metadata)
        assert "safetensors file of another program" in refused(tmp_path / "file")


class Harmful:
    """What must never run."""

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return (exec, ("raise SystemExit('unpickled')",))


def test_a_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    """Torch's files, old and new, and bare pickles: an error that says so, and no code of theirs runs."""
    file = tmp_path / "file"
    for zipped in (True, False):
        buffer = io.BytesIO()
        torch.save({"weight": torch.ones(3), "x": Harmful()}, buffer, _use_new_zipfile_serialization=zipped)
        file.write_bytes(buffer.getvalue())
        assert "is a pickle" in refused(file)
    for protocol in range(2, 6):
        contents: tuple[object, ...] = (b"", Harmful(), list(range(100_000)))
        for content in contents:
            file.write_bytes(pickle.dumps(content, protocol) + bytes(8))
            assert "is a pickle" in refused(file)
    for protocol in (0, 1):
        file.write_bytes(pickle.dumps(Harmful(), protocol))
        refused(file)


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\0" * 100, b"Alice was beginning to get very tired", b"{}" * 50])
def test_what_is_no_safetensors_file_is_refused(content: bytes, tmp_path: Path) -> None:
    """Empty files, zeros and text are errors."""
    (tmp_path / "file").write_bytes(content)
    refused(tmp_path / "file")


def test_files_that_cannot_be_read_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """A missing file, a folder, a name too long, or no permission."""
    assert "No such file" in refused(tmp_path / "missing")
    assert "is a folder" in refused(tmp_path)
    assert "name too long" in refused(tmp_path / ("x" * 300))

    def forbidden(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    assert "Permission denied" in refused(path)


def test_another_format_is_named(path: Path, tmp_path: Path) -> None:
    """A newer file says its format and what this chargen reads; nonsense for a format likewise."""
    document, tensors = taken_apart(path)
    for version, shown in ((2, "2"), ("one", "'one'"), (None, "None"), ([1] * 500, "[1, 1, 1")):
        put_together(path, {**document, "format": version}, tensors)
        assert f"has checkpoint format {shown}" in refused(path)
        assert "reads format 1" in refused(path)


def claiming(size: int, entries: dict[str, Any]) -> bytes:
    """A safetensors file whose header claims ``size`` bytes, or its own size for 0."""
    header = json.dumps(entries).encode()
    return struct.pack("<Q", size or len(header)) + header + b"\0" * 64


@pytest.mark.parametrize(
    "content",
    [
        claiming(MAX_HEADER + 1, {}) + b" " * (MAX_HEADER + 8),
        claiming(1 << 40, {}),
        claiming((1 << 64) - 1, {}),
        claiming(0, {"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}),
        claiming(0, {"w": {"dtype": "F32", "shape": [1 << 62, 1 << 62], "data_offsets": [0, 64]}}),
        claiming(0, {"w": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}}),
        claiming(0, {"w": {"dtype": "F32", "shape": [4], "data_offsets": [64, 0]}}),
        claiming(0, {"w": {"dtype": "F99", "shape": [16], "data_offsets": [0, 64]}}),
        claiming(0, {"w": 3, "__metadata__": {"chargen": "{}"}}),
    ],
    ids=["over", "tera", "most", "tensor", "overflow", "negative", "backward", "type", "number"],
)
def test_sizes_that_cannot_be_are_refused(content: bytes, tmp_path: Path) -> None:
    """A header or a tensor that claims more than the file has, or nonsense, is an error before memory is taken."""
    (tmp_path / "file").write_bytes(content)
    refused(tmp_path / "file")


def test_settings_that_would_fill_the_memory_are_refused(path: Path) -> None:
    """Millions of values, or lists and objects a hundred thousand deep, are not taken in."""
    _, tensors = taken_apart(path)
    deep, nested = "[" * 200_000 + "]" * 200_000, '{"a":' * 100_000 + "1" + "}" * 100_000
    for text, words in (
        ("[" + "[]," * 3_000_000 + "[]]", "too many values"),
        (deep, "recursion"),
        (nested, "recursion"),
    ):
        put_together(path, text, tensors)
        assert words in refused(path)


def test_settings_must_be_the_json_they_claim(path: Path) -> None:
    """No JSON, no object, not UTF-8, numbers that are not finite, or a checksum that differs."""
    document, tensors = taken_apart(path)
    text = json.dumps(document)
    for wrong in ("", "nonsense", text[:-1], text.replace("2.25", "NaN"), text.replace("2.25", "1e999"), "[1]", "null"):
        put_together(path, wrong, tensors)
        assert "not a consistent chargen checkpoint" in refused(path)
    put_together(path, document, tensors, sha256="0" * 64)
    assert "do not match their checksum" in refused(path)
    put_together(path, document, tensors)
    path.write_bytes(path.read_bytes().replace(b"some", b"so\xff\xfe"))
    refused(path)


def test_a_key_that_stands_twice_is_refused(path: Path) -> None:
    """Which of its two values counts is no one's to guess: in the settings, and in the list of tensors."""
    document, tensors = taken_apart(path)
    text = json.dumps(document)
    put_together(path, text.replace('"seed": 7', '"seed": 6, "seed": 7'), tensors)
    assert "has the key 'seed' twice" in refused(path)
    put_together(path, document, tensors)
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + size]
    header = header[:1] + b'"__metadata__":{"sha256":"0"},' + header[1:]
    path.write_bytes(struct.pack("<Q", len(header)) + header + data[8 + size :])
    assert "has the key '__metadata__' twice" in refused(path)


def renamed(tensors: Tensors) -> None:
    """The same tensors, one under another name."""
    tensors["readout.wait"] = tensors.pop("readout.weight")


def without_one(tensors: Tensors) -> None:
    """One tensor less."""
    del tensors["layers.1.bias_hh"]


def with_one_more(tensors: Tensors) -> None:
    """One tensor more."""
    tensors["extra"] = np.ones(3, np.float32)


def transposed(tensors: Tensors) -> None:
    """As many values in another shape."""
    tensors["layers.0.weight_ih"] = np.ascontiguousarray(tensors["layers.0.weight_ih"].T)


def empty(tensors: Tensors) -> None:
    """No values at all."""
    tensors["readout.bias"] = np.empty(0, np.float32)


def doubled(tensors: Tensors) -> None:
    """Another type."""
    tensors["readout.bias"] = tensors["readout.bias"].astype(np.float64)


def whole(tensors: Tensors) -> None:
    """Whole numbers."""
    tensors["embedding.weight"] = tensors["embedding.weight"].astype(np.int32)


def not_a_number(tensors: Tensors) -> None:
    """A weight that is not a number."""
    tensors["layers.0.weight_hh"][2, 1] = np.nan


def infinite(tensors: Tensors) -> None:
    """A bias that is infinite, in half precision."""
    tensors["readout.bias"] = np.full_like(tensors["readout.bias"], -np.inf, dtype=np.float16)


def infinite_state(tensors: Tensors) -> None:
    """A carried state that is infinite."""
    tensors["state.hidden"][:] = np.inf


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (renamed, "weights are not those of its model"),
        (without_one, "weights are not those of its model"),
        (with_one_more, "weights are not those of its model"),
        (transposed, "layers.0.weight_ih has shape"),
        (empty, "readout.bias has shape (0,), its model needs (7,)"),
        (doubled, "readout.bias has type F64"),
        (whole, "embedding.weight has type I32"),
        (not_a_number, "layers.0.weight_hh holds values that are not finite"),
        (infinite, "readout.bias holds values that are not finite"),
        (infinite_state, "state.hidden holds values that are not finite"),
    ],
)
def test_tensors_that_do_not_fit_the_model_are_refused(
    change: Callable[[Tensors], None], words: str, path: Path
) -> None:
    """Names, shapes, types and values are held against the model's settings, though every checksum is right."""
    document, tensors = taken_apart(path)
    change(tensors)
    put_together(path, with_digests(document, tensors), tensors)
    assert words in refused(path)


def test_types_that_numpy_lacks_are_refused(path: Path) -> None:
    """A state of bfloat16 is an error like any other."""
    data = path.read_bytes().replace(b'"dtype":"I64","shape":[3]', b'"dtype":"BF16","shape":[12]')
    size = int.from_bytes(data[:8], "little")
    path.write_bytes(struct.pack("<Q", size + 2) + data[8:])
    refused(path)


def test_a_tensor_that_changed_is_refused(path: Path) -> None:
    """A checksum for each tensor tells which is damaged, and one for every tensor there is."""
    document, tensors = taken_apart(path)
    tensors["layers.1.bias_ih"][0] += 1
    put_together(path, document, tensors)
    assert "layers.1.bias_ih does not match its checksum" in refused(path)
    document["tensors"]["ghost"] = "0" * 64
    put_together(path, document, tensors)
    assert "tensors and checksums differ: ['ghost']" in refused(path)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"characters": "\n abcd", "unknown": False}, "its vocabulary has 6 ids, its model 7"),
        ({"characters": "\n abcdé", "unknown": True}, "its vocabulary has 8 ids, its model 7"),
        ({"characters": "\n abcdd", "unknown": False}, "a character stands twice"),
        ({"characters": "\n abcd\ud800", "unknown": False}, "lone surrogate"),
        ({"characters": ["\n", " ", "a", "b", "c", "d", "é"], "unknown": False}, "characters"),
        ({"characters": "\n abcd", "unknown": 1}, "unknown"),
        ({"characters": "\n abcdé"}, "unknown"),
        (None, "vocab"),
    ],
)
def test_a_vocabulary_that_does_not_fit_is_refused(values: object, words: str, path: Path) -> None:
    """Its size must be the model's, each character stand once and be one."""
    document, tensors = taken_apart(path)
    put_together(path, {**document, "vocab": values}, tensors)
    assert words in refused(path)


def places(value: Any, at: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a JSON document that is found at ``at``."""
    yield at
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*at, key))


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["\ud800", 1 << 70]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(data=st.data())
@settings(max_examples=250)
def test_any_value_anywhere_is_refused_or_makes_sense(data: st.DataObject, path: Path, tmp_path: Path) -> None:
    """Whatever stands in the place of any setting, with its checksum right, is an error or a model that works."""
    document, tensors = taken_apart(path)
    root: Any = {"document": document}
    *way, last = data.draw(st.sampled_from(list(places(document, ("document",)))))
    holder = functools.reduce(operator.getitem, way, root)
    holder[last] = data.draw(ANYTHING)
    changed = put_together(tmp_path / "changed", root["document"], tensors)
    try:
        found = load(changed, with_state=True)
    except CheckpointError:
        return
    assert_works(found, tmp_path)


def assert_works(found: Any, folder: Path) -> None:
    """Fail unless the checkpoint writes text, is written again, and shows what it is."""
    from chargen.cli.inspect import _everything, _show

    model = Model(found, folder / "changed")
    assert len(collect(model.pieces("a", length=5, seed=1))[0].text) == 5
    save(folder / "again", found)
    assert_equal(load(folder / "again", with_state=True), found)
    json.dumps(_everything(found), allow_nan=False)
    _show("changed", found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": {"readout.bias": np.array([np.nan] * 7, np.float32)}}, "readout.bias holds values"),
        ({"resume": dataclasses.replace(RESUME, tensors={"hidden": np.array([np.inf])})}, "state.hidden holds values"),
        ({"history": (evaluation(5, val_bpc=float("nan")),)}, "not JSON compliant"),
        ({"resume": dataclasses.replace(RESUME, seconds=float("inf"))}, "not JSON compliant"),
        ({"corpus": dataclasses.replace(checkpoint().corpus, name="x" * MAX_HEADER)}, "a header of"),
    ],
    ids=["weights", "state", "history", "resume", "size"],
)
def test_a_good_file_is_never_replaced_by_one_that_would_not_load(
    change: dict[str, Any], words: str, path: Path
) -> None:
    """Numbers that are not finite, or too much of a header: an error, and the old file stays."""
    before = path.read_bytes()
    current = checkpoint()
    parts: Any = {
        name: ({**getattr(current, name), **part} if isinstance(part, dict) else part) for name, part in change.items()
    }
    with pytest.raises(CheckpointError, match=words):
        save(path, dataclasses.replace(current, **parts))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("half", [False, True])
def test_a_file_is_what_the_formats_own_library_writes(half: bool, tmp_path: Path) -> None:
    """Byte for byte, the library's order of the two entries of the metadata aside, which is a random one."""
    written = of_a_list(checkpoint("\n abcdé🙂"))
    save(tmp_path / "file", written, half=half)
    data = (tmp_path / "file").read_bytes()
    size = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + size])["__metadata__"]
    _, tensors = taken_apart(tmp_path / "file")
    entries = [f'"{name}":{json.dumps(text)}'.encode() for name, text in metadata.items()]
    theirs = serialise(tensors, metadata)
    assert data in (theirs, theirs.replace(b",".join(reversed(entries)), b",".join(entries)))


def test_writing_a_checkpoint_takes_no_copy_of_it(tmp_path: Path) -> None:
    """Tensors go to the file from where they are, with a training's state as without."""
    written = checkpoint(hidden_size=256)
    state = {"hidden": np.ones((2, 2, 2, 256), np.float32), **{f"weight.{k}": v for k, v in written.weights.items()}}
    written = dataclasses.replace(written, resume=dataclasses.replace(RESUME, tensors=state))
    save(tmp_path / "file", written)
    tracemalloc.start()
    save(tmp_path / "file", written)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.1 * (tmp_path / "file").stat().st_size
