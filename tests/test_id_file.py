"""Files of ids: what was written is read, and nothing else."""

import hashlib
import json
import mmap
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from chargen.errors import CorpusError
from chargen.text import id_file
from chargen.text.corpus import Corpus
from chargen.text.id_file import Header, MappedIds, id_type
from chargen.text.vocab import Vocab

IDS = np.arange(1000, dtype=np.uint16) * 7 % 300
HEADER = Header("tale", "".join(map(chr, range(1000, 1300))), False, "5ha256", 1, 0, (len(IDS),))
BLOCK = 64
"""Bytes, so that the thousand ids take 32 blocks."""


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(id_file, "BLOCK", BLOCK)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of the thousand ids."""
    path = tmp_path / "ids"
    write(path)
    return path


def write(path: Path, ids: NDArray[Any] = IDS) -> None:
    """Write the file, its ids in chunks of a hundred."""
    with path.open("wb") as file:
        id_file.write(file, HEADER, np.array_split(ids, 10))


def unwanted() -> None:
    """Fails where a file is written anew that is whole."""
    pytest.fail("it is whole")


def forged(path: Path, **fields: object) -> None:
    """Change fields of the header, and its digest with them."""
    magic, _, line, ids = path.read_bytes().split(b"\n", 3)
    line = json.dumps(json.loads(line) | fields).encode() + b"\n"
    path.write_bytes(b"\n".join([magic, hashlib.sha256(line).hexdigest().encode(), line + ids]))


def test_ids_are_read_where_they_lie(path: Path) -> None:
    """In slices and at any places, from an offset that is a multiple of 64; what is read cannot be written to."""
    ids = MappedIds(path, unwanted)
    places = np.array([[3, 999], [500, 3]])
    assert len(ids) == 1000
    np.testing.assert_array_equal(ids[places], IDS[places])
    for where in (slice(10, 20), slice(None), slice(990, None), slice(5, 5), slice(-3, 2000)):
        np.testing.assert_array_equal(ids[where], IDS[where])
    assert not ids[:5].flags.writeable
    assert (path.stat().st_size - IDS.nbytes) % 64 == 0
    ids.release()
    np.testing.assert_array_equal(ids[:], IDS)


def test_ids_are_read_where_the_system_maps_no_files(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then they are read into memory, and a note says so."""

    class Refusing(mmap.mmap):
        def __new__(cls, *_arguments: object, **_more: object) -> Self:
            raise OSError(19, "No such device")

    assert MappedIds(path, unwanted).mapped
    monkeypatch.setattr("mmap.mmap", Refusing)
    ids = MappedIds(path, unwanted)
    assert not ids.mapped
    np.testing.assert_array_equal(ids[:], IDS)
    corpus = Corpus("tale", ids, HEADER.vocab, "", 0, (len(IDS),))
    assert "cannot be memory-mapped, so the text is held in memory" in corpus.notes[0]


def test_every_change_is_noticed(path: Path) -> None:
    """One byte other than it was, wherever it stands: the file is refused, or made anew when the ids are read."""
    whole = path.read_bytes()
    remade = []

    def remake() -> None:
        remade.append(1)
        path.write_bytes(whole)

    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            ids = MappedIds(path, remake)
        except ValueError:
            continue
        np.testing.assert_array_equal(ids[:], IDS)
    assert len(remade) == IDS.nbytes


def test_a_block_is_checked_when_it_is_first_read(path: Path) -> None:
    """Until then what is in it costs nothing and does no harm."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    ids = MappedIds(path, unwanted)
    np.testing.assert_array_equal(ids[:900], IDS[:900])
    np.testing.assert_array_equal(ids[np.arange(900)], IDS[:900])
    with pytest.raises(pytest.fail.Exception):
        ids[999:]


def test_a_file_that_stays_damaged_is_an_error(path: Path) -> None:
    """Made anew in vain, or gone: one line each."""
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"\1")
    with pytest.raises(CorpusError, match="damaged, also after"):
        MappedIds(path, lambda: None)[:]
    with pytest.raises(CorpusError, match="vanished"):
        MappedIds(path, path.unlink)[:]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("characters", "aa"),
        ("characters", 3),
        ("characters", "ab"),
        ("length", "7"),
        ("length", 999),
        ("length", -1),
        ("reserved", None),
        ("name", 1),
        ("name", [[]]),
        ("min_count", 1.5),
        ("digests", ""),
        ("digests", [1]),
        ("digests", []),
        ("more", 1),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(path: Path, field: str, value: object) -> None:
    """A field of a wrong kind or at odds with the file, though its digest is right."""
    forged(path, **{field: value})
    with pytest.raises(ValueError, match=r"[hH]eader|vocabulary"):
        MappedIds(path, unwanted)


def test_a_header_of_brackets_is_refused(path: Path) -> None:
    """Two hundred thousand of them, with the digest that they need."""
    line = b"[" * 200_000 + b"\n"
    path.write_bytes(b"chargen ids 2\n" + hashlib.sha256(line).hexdigest().encode() + b"\n" + line)
    with pytest.raises(ValueError, match="brackets"):
        MappedIds(path, unwanted)


def test_ids_beyond_the_vocabulary_are_damage(path: Path) -> None:
    """Even if every digest is right."""
    write(path, np.full_like(IDS, 300))
    with pytest.raises(pytest.fail.Exception):
        MappedIds(path, unwanted)[:]


@pytest.mark.parametrize(("size", "dtype"), [(2, "u1"), (256, "u1"), (257, "u2"), (65536, "u2"), (65537, "u4")])
def test_ids_take_the_smallest_type(size: int, dtype: str) -> None:
    """The largest id decides how many bytes an id takes."""
    characters = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x20000)][:size]))
    assert id_type(Vocab(characters)) == np.dtype(dtype)
