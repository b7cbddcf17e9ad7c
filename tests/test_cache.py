"""Encoded corpora on disk."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from chargen.errors import CorpusError
from chargen.text import cache
from chargen.text.id_file import Header, MappedIds

IDS = np.array([0, 1, 2, 2, 1, 0, 0], dtype=np.uint8)
HEADER = Header("tale", "aé", True, "5ha256", 2, 2, (len(IDS),))
KEY = cache.key_of(HEADER)


def unwanted() -> None:
    """Fails where an entry is made anew that is whole."""
    pytest.fail("it is whole")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, not yet made."""
    monkeypatch.setenv("CHARGEN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def save(sha256: str = HEADER.sha256) -> Path:
    """The file of an entry of seven ids, just written."""
    header = dataclasses.replace(HEADER, sha256=sha256)
    cache.save(header, [IDS[:3], IDS[3:]])
    return cache.folder() / f"{cache.key_of(header)}.ids"


def load(entry: str | None = KEY) -> MappedIds | None:
    """An entry that nobody needs to make anew."""
    return cache.load(entry, unwanted)


def test_what_was_saved_is_loaded() -> None:
    """Ids, vocabulary, hash and count of unknowns come back."""
    save()
    hit = load()
    assert hit is not None
    assert hit[:].tolist() == IDS.tolist()
    assert (hit.header.vocab, hit.header.sha256, hit.header.unknown) == (HEADER.vocab, HEADER.sha256, HEADER.unknown)


def test_what_is_not_there_is_none() -> None:
    """A missing entry and a missing link are no errors, without a cache folder too."""
    assert load() is None
    assert load(None) is None
    assert cache.follow("link") is None
    assert cache.entries() == []
    assert cache.clear() == 0


def test_an_entry_of_any_other_size_is_damaged() -> None:
    """An entry cut at any place, or with bytes behind it, is not loaded."""
    path = save()
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert load() is None
    path.write_bytes(whole + b"\0")
    assert load() is None
    path.write_bytes(whole)
    assert load() is not None


def test_an_entry_bears_its_texts_name(folder: Path) -> None:
    """The entry of one text in the place of another's is not loaded, though nothing in it is damaged."""
    other = save("other")
    other.rename(save())
    assert load() is None
    assert [entry.name for entry in cache.entries()] == ["tale"]


@pytest.mark.parametrize("line", [b"chargen ids 2\n{", b"other\n{}\n", b"chargen ids 2\n\xff\n", b""])
def test_another_file_is_no_entry(folder: Path, line: bytes) -> None:
    """What is not an entry is not loaded, and is listed as damaged."""
    folder.mkdir()
    (folder / f"{KEY}.ids").write_bytes(line)
    assert load() is None
    assert [entry.name for entry in cache.entries()] == ["(damaged)"]


def test_an_entry_is_whole_or_not_there(folder: Path) -> None:
    """When writing fails in the middle, nothing is left behind and the old entry stands."""

    def failing() -> Iterator[NDArray[np.unsignedinteger]]:
        yield IDS
        raise CorpusError("the text ends in the middle")

    before = save().read_bytes()
    for sha256 in (HEADER.sha256, "other"):
        with pytest.raises(CorpusError, match="in the middle"):
            cache.save(dataclasses.replace(HEADER, sha256=sha256), failing())
    assert [path.name for path in folder.iterdir()] == [f"{KEY}.ids"]
    assert (folder / f"{KEY}.ids").read_bytes() == before


def test_links_lead_to_entries() -> None:
    """A link gives the key that it was pointed to last."""
    cache.point("link", "one")
    cache.point("link", "two")
    assert cache.follow("link") == "two"


@pytest.mark.parametrize("text", [b"two", b"two three", b"\xff", b"", b"a b c"])
def test_a_link_that_was_changed_leads_nowhere(folder: Path, text: bytes) -> None:
    """Nor does one that was put in the place of another."""
    cache.point("link", "one")
    (folder / "link.link").replace(folder / "other.link")
    assert cache.follow("other") is None
    (folder / "link.link").write_bytes(text)
    assert cache.follow("link") is None


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
    paths = {text: save(text) for text in "abc"}
    for text, modified in (("a", 100), ("b", 300), ("c", 200)):
        os.utime(paths[text], (modified, modified))
    assert [entry.path for entry in cache.entries()] == [paths[text] for text in "bca"]


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
