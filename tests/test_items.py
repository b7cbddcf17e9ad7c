"""Lists: how files are divided into items, how they are split, and which items are known."""

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import load_corpus, shares

from chargen.config import MARK
from chargen.errors import ConfigError, CorpusError
from chargen.store.records import ItemsInfo, seen_items
from chargen.text.corpus import Corpus
from chargen.text.items import Division
from chargen.text.split import Split

LINES = Division("lines")
STARS = Division("separator", "***")
FILES = Division("files")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes a text file and gives its path."""

    def write(text: str, name: str = "list.txt") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def items_of(loaded: Corpus, split: Split, part: range) -> list[str]:
    """The items of one part of a list."""
    assert loaded.division is not None
    text = loaded.vocab.text_of(split.ids[part.start : part.stop])
    assert not text or text.endswith(loaded.division.end)
    return text.split(loaded.division.end)[:-1]


@pytest.mark.parametrize(
    ("division", "text", "items"),
    [
        (LINES, "emma\n\n  \nava b \nmia", ["emma", "ava b", "mia"]),
        (LINES, "\n\n", []),
        (STARS, "a\nb\n***\n\nc\n***\n***\nd ***\n***", ["a\nb", "c", "d ***"]),
        (STARS, "***\na", ["a"]),
        (Division("separator", ""), "a\nb\n\nc\n\n\n", ["a\nb", "c"]),
        (FILES, "\na\n\nb\n", ["a\n\nb"]),
    ],
)
def test_a_text_is_divided_into_items(division: Division, text: str, items: list[str]) -> None:
    """Empty items are left out, and white space at an item's ends; a separator is a whole line."""
    assert division.split(text) == items


@given(st.lists(st.text("a*\n ", max_size=5)))
def test_pieces_of_a_text_make_no_difference(pieces: list[str]) -> None:
    """Wherever a text is cut while it is read, its items are the same."""
    for division in (LINES, STARS, FILES, Division("separator", "")):
        whole = "".join(item + division.end for item in division.split("".join(pieces)))
        assert "".join(division.stream(pieces, "list")) == whole


def test_several_files_are_one_list(write: Callable[..., str]) -> None:
    """An item ends where its file does, whatever the kind of list."""
    one, two = write("emma\nava", "one.txt"), write("mia\n", "two.txt")
    assert load_corpus([one, two], lines=True).vocab.text_of(load_corpus([one, two], lines=True).ids[:]) == (
        "emma\nava\nmia\n"
    )
    files = load_corpus([one, two], files=True)
    assert files.vocab.text_of(files.ids[:]) == f"emma\nava{MARK}mia{MARK}"


def test_a_list_is_split_by_item(write: Callable[..., str]) -> None:
    """Shares are counted in items, each is whole, all are there, and another seed gives another order."""
    names = [f"name{number}" for number in range(1000)]
    loaded = load_corpus(write("\n".join(names)), lines=True)
    split = loaded.split(shares(0.05, 0.1, 1))
    parts = [items_of(loaded, split, part) for part in (split.train, split.val, split.test)]
    assert [len(part) for part in parts] == [850, 50, 100]
    assert sorted(itertools.chain(*parts)) == sorted(names)
    assert parts[2] != names[-100:]
    np.testing.assert_array_equal(loaded.split(shares(0.05, 0.1, 1)).ids, split.ids)
    other = loaded.split(shares(0.05, 0.1, 2))
    assert items_of(loaded, other, other.test) != parts[2]


def test_equal_items_are_in_the_same_part(write: Callable[..., str]) -> None:
    """None is trained on and tested, none is dropped, and one that makes up much of a list is trained on."""
    names = [f"name{number // 3}" for number in range(1200)] + ["lol"] * 300
    loaded = load_corpus(write("\n".join(names)), lines=True)
    for seed in range(5):
        split = loaded.split(shares(0.1, 0.1, seed))
        train, val, test = (Counter(items_of(loaded, split, part)) for part in (split.train, split.val, split.test))
        assert len(train) + len(val) + len(test) == len(set(names))
        assert train + val + test == Counter(names)
        assert train["lol"] == 300
        assert abs(test.total() - 150) <= 1


def test_the_items_trained_on_are_known(write: Callable[..., str]) -> None:
    """Every training item is seen, alone and among others; no other is, nor a part or a join of some."""
    loaded = load_corpus(write("\n".join(f"name{number // 2:03}" for number in range(400))), lines=True)
    split = loaded.split(shares(0.1, 0.1, 1))
    hashes = seen_items(loaded, split)
    assert hashes is not None
    train = items_of(loaded, split, split.train)
    assert len(hashes) == len(set(train))
    assert LINES.seen(train, hashes).all()
    assert LINES.seen(train[:1], hashes).all()
    others = [*items_of(loaded, split, split.test), train[0][:-1], train[0] + "x", train[0][::-1], "", "é"]
    assert not LINES.seen(others, hashes).any()
    info = ItemsInfo.of(loaded, split)
    assert info is not None
    assert (info.train, info.count, info.longest) == (len(train), 400, 7)


def test_a_hundred_thousand_items_are_split_in_blocks(write: Callable[..., str]) -> None:
    """A list longer than what is handled at a time keeps every item, and its hashes tell all of them apart."""
    names = [f"the item of number {number}" for number in range(100_000)]
    loaded = load_corpus(write("\n".join(names)), lines=True)
    split = loaded.split(shares(0.05, 0.05, 3))
    train = items_of(loaded, split, split.train)
    assert len(train) == 90_000
    assert (
        len(set(train) | set(items_of(loaded, split, split.val)) | set(items_of(loaded, split, split.test))) == 100_000
    )
    hashes = seen_items(loaded, split)
    assert hashes is not None
    assert len(hashes) == 90_000


def test_a_list_in_the_cache_is_split_like_one_in_memory(
    write: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A large list is read from its file of ids, and the same file as a text is another entry."""
    monkeypatch.setenv("CHARGEN_CACHE_DIR", str(tmp_path / "cache"))
    path = write("\n\n".join(f"name{number}" for number in range(200)))
    in_memory = load_corpus(path, lines=True).split(shares(0.1, 0.1, 1))
    monkeypatch.setattr("chargen.text.corpus.IN_MEMORY", 0)
    for _ in range(2):  # the second time it is there
        cached = load_corpus(path, lines=True)
        np.testing.assert_array_equal(cached.split(shares(0.1, 0.1, 1)).ids, in_memory.ids)
        assert len(load_corpus(path)) == len(cached) + 198


def test_rare_characters_do_not_change_the_split(write: Callable[..., str]) -> None:
    """A list read again with every character as it is, as a checkpoint's test is, is split as its training was."""
    path = write("\n".join([*(f"name{number}" for number in range(100)), "amé", "amè", "amê"]))
    trained, again = load_corpus(path, lines=True, min_count=2), load_corpus(path, lines=True)
    before, after = trained.split(shares(0.2, 0.2, 1)), again.split(shares(0.2, 0.2, 1), known=trained.vocab)
    assert (before.train, before.val, before.test) == (after.train, after.val, after.test)
    shown = again.vocab.text_of(after.ids[:])
    for accented in "éèê":
        shown = shown.replace(accented, "\ufffd")
    assert shown == trained.vocab.text_of(before.ids[:])


def test_the_end_mark_has_an_id_of_its_own_however_rare(write: Callable[..., str]) -> None:
    """Also where characters as rare as it share the unknown id."""
    loaded = load_corpus(write("aaaa\nbbbb\n***\nabab"), separator="***", min_count=4)
    assert MARK in loaded.vocab
    assert loaded.unseen == ""


@pytest.mark.parametrize(
    ("text", "reading", "message"),
    [
        ("emma", {"lines": True}, r"list has one item only, too few for a list; leave out --lines"),
        ("emma", {"files": True}, r"one item only"),
        ("emma\nemma\n\nemma", {"lines": True}, r"all 3 lines of list are equal"),
        ("emma\n****\nava", {"separator": "***"}, r"no line between two items of list equals the separator '\*\*\*'"),
        ("emma\n***\n", {"separator": "***"}, r"no line between two items of .* leave out --separator"),
        ("\n \n", {"lines": True}, r"list is empty"),
        (f"emma{MARK}\n***\nava", {"separator": "***"}, r"holds the character U\+0003"),
    ],
)
def test_what_is_no_list_is_refused(
    text: str, reading: dict[str, object], message: str, write: Callable[..., str]
) -> None:
    """One item, equal items, a separator that never occurs, or an end mark in the text: one line says what is wrong."""
    with pytest.raises(CorpusError, match=message):
        load_corpus(write(text), **reading).split(shares(0.1, 0.1))  # type: ignore[arg-type]  # any of the keywords


def test_a_list_is_divided_in_one_way() -> None:
    """Two ways at once are refused, and a separator that is no single line."""
    with pytest.raises(ConfigError, match="lines and separator each say how"):
        load_corpus("alice", lines=True, separator="***")
    with pytest.raises(ConfigError, match="separator must be one line"):
        load_corpus("alice", separator="*\n*")
