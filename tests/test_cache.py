"""Encoded corpora on disk."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from chargen.errors import CorpusError
from chargen.text import cache
from chargen.text.vocab import Vocab

IDS = np.array([0, 1, 2, 2, 1, 0, 0], dtype=np.uint8)
HEADER = cache.Header("tale", Vocab("aé", unknown=True), "5ha256", 2, len(IDS))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, not yet made."""
    monkeypatch.setenv("CHARGEN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def save(entry: str = "key") -> Path:
    """The file of an entry of seven ids, just written."""
    cache.save(entry, HEADER, [IDS[:3], IDS[3:]])
    return cache.folder() / f"{entry}.ids"


def test_what_was_saved_is_loaded() -> None:
    """Ids, vocabulary, hash and count of unknowns come back; the ids are mapped, not writable."""
    save()
    hit = cache.load("key")
    assert hit is not None
    assert hit.ids.tolist() == IDS.tolist()
    assert (hit.vocab, hit.sha256, hit.unknown) == (HEADER.vocab, HEADER.sha256, HEADER.unknown)
    assert not hit.ids.flags.writeable


def test_what_is_not_there_is_none() -> None:
    """A missing entry and a missing link are no errors, without a cache folder too."""
    assert cache.load("key") is None
    assert cache.load(None) is None
    assert cache.follow("link") is None
    assert cache.entries() == []
    assert cache.clear() == 0


def test_an_entry_of_any_other_size_is_damaged() -> None:
    """An entry cut at any place, or with bytes behind it, is not loaded."""
    path = save()
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert cache.load("key") is None
    path.write_bytes(whole + b"\0")
    assert cache.load("key") is None
    path.write_bytes(whole)
    assert cache.load("key") is not None


@pytest.mark.parametrize(
    ("field", "value"), [("vocab", "aa"), ("vocab", 3), ("length", "7"), ("length", 8), ("reserved", None), ("name", 1)]
)
def test_a_header_that_makes_no_sense_is_damaged(field: str, value: object) -> None:
    """A header with a field of a wrong kind, or at odds with the file, is not loaded."""
    path = save()
    magic, line, ids = path.read_bytes().split(b"\n", 2)
    path.write_bytes(b"\n".join([magic, json.dumps(json.loads(line) | {field: value}).encode(), ids]))
    assert cache.load("key") is None


@pytest.mark.parametrize("line", [b"chargen ids\n{", b"chargen ids\n[]\n", b"other\n{}\n", b"chargen ids\n\xff\n", b""])
def test_another_file_is_no_entry(folder: Path, line: bytes) -> None:
    """What is not an entry is not loaded, and is listed as damaged."""
    folder.mkdir()
    (folder / "key.ids").write_bytes(line)
    assert cache.load("key") is None
    assert [entry.name for entry in cache.entries()] == ["(damaged)"]


def test_an_entry_is_whole_or_not_there(folder: Path) -> None:
    """When writing fails in the middle, nothing is left behind and the old entry stands."""

    def failing() -> Iterator[NDArray[np.unsignedinteger]]:
        yield IDS
        raise CorpusError("the text ends in the middle")

    before = save().read_bytes()
    for entry in ("key", "other"):
        with pytest.raises(CorpusError, match="in the middle"):
            cache.save(entry, HEADER, failing())
    assert [path.name for path in folder.iterdir()] == ["key.ids"]
    assert (folder / "key.ids").read_bytes() == before


def test_links_lead_to_entries() -> None:
    """A link gives the key that it was pointed to last."""
    cache.point("link", "one")
    cache.point("link", "two")
    assert cache.follow("link") == "two"


def test_ids_are_aligned_for_every_type(folder: Path) -> None:
    """Two-byte ids come back too, from an offset that is a multiple of 64."""
    vocab = Vocab("".join(map(chr, range(1000, 1300))))
    ids = np.array([0, 299, 256], dtype=np.uint16)
    cache.save("wide", cache.Header("wide", vocab, "", 0, 3), [ids])
    hit = cache.load("wide")
    assert hit is not None
    assert hit.ids.tolist() == ids.tolist()
    assert ((folder / "wide.ids").stat().st_size - ids.nbytes) % 64 == 0


@pytest.mark.parametrize(("size", "dtype"), [(2, "u1"), (256, "u1"), (257, "u2"), (65536, "u2"), (65537, "u4")])
def test_ids_take_the_smallest_type(size: int, dtype: str) -> None:
    """The largest id decides how many bytes an id takes."""
    characters = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x20000)][:size]))
    assert cache.id_type(Vocab(characters)) == np.dtype(dtype)


def test_keys_tell_their_parts_apart() -> None:
    """Different parts, and parts divided differently, have different keys."""
    keys = {cache.key("a", 1), cache.key("a", 2), cache.key("a1"), cache.key("a", "1"), cache.key(["a", 1])}
    assert len(keys) == 5
    assert cache.key("a", 1) == cache.key("a", 1)


def test_entries_are_listed_and_cleared(folder: Path) -> None:
    """The list says name, characters and size; clearing removes all that is chargen's and nothing else."""
    size = save().stat().st_size
    cache.point("link", "key")
    (folder / ".key.ids.abc.tmp").write_bytes(b"half")
    (folder / "mine.txt").write_bytes(b"mine")
    listed = {(entry.name, entry.characters, entry.size) for entry in cache.entries()}
    assert listed == {("tale", len(IDS), size), ("(unfinished)", 0, 4)}
    link = (folder / "link.link").stat().st_size
    assert cache.clear() == size + 4 + link
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_the_newest_entry_is_listed_first() -> None:
    """Entries come in the order of their dates, whatever their names."""
    for entry, modified in (("a", 100), ("b", 300), ("c", 200)):
        os.utime(save(entry), (modified, modified))
    assert [entry.path.stem for entry in cache.entries()] == ["b", "c", "a"]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cache cannot be, one line says so and how to put it elsewhere."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("CHARGEN_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(CorpusError, match=r"cannot write .*CHARGEN_CACHE_DIR"):
        save()


def test_the_users_cache_folder_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable, or with an empty one, entries lie in the user's cache folder."""
    monkeypatch.setenv("CHARGEN_CACHE_DIR", "")
    assert cache.folder().name.lower() == "chargen"
