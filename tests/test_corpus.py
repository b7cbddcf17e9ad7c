"""Texts as ids."""

import gzip
import hashlib
import io
import re
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from samples import load_corpus, shares, vocab_of

from chargen.errors import ConfigError, CorpusError
from chargen.text import cache, corpus, decode, text_stream
from chargen.text.sources import builtin
from chargen.text.vocab import Vocab

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from("ab\r\n"), min_size=2, max_size=40
).filter(lambda text: len(set(text.replace("\r", "\n").removeprefix("\ufeff"))) > 1)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, not yet made."""
    monkeypatch.setenv("CHARGEN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes a file of bytes or UTF-8 text and gives its path."""

    def write(content: str | bytes, name: str = "tale.txt") -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


def text_of(loaded: corpus.Corpus) -> str:
    """The text that the ids stand for."""
    return loaded.vocab.text_of(loaded.ids[:])


def of_length(length: int) -> corpus.Corpus:
    """A corpus of that many characters."""
    return corpus.Corpus("tale", np.zeros(length, np.uint8), Vocab("ab"), "", 0, (length,))


def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets any reading of a text fail."""

    def refuse(*_: object) -> None:
        raise AssertionError("the text was read again")

    monkeypatch.setattr(text_stream, "decoded", refuse)


def test_alice_is_the_default() -> None:
    """Without a source the corpus is Alice, whole, in one byte a character."""
    alice = load_corpus()
    assert (alice.name, len(alice), len(alice.vocab), alice.unknown) == ("alice", 148_480, 72, 0)
    assert alice.ids[:].dtype == np.uint8
    assert text_of(alice).rstrip().endswith("THE END")
    assert text_of(load_corpus("alice")) == text_of(alice)


def test_built_in_corpora_are_the_files_that_the_readme_describes() -> None:
    """The corpora's README gives the hash of each file's text, which the loaded corpus has too."""
    readme = (builtin()["alice"].parent / "README.md").read_text("utf-8")
    loaded = {name: load_corpus(name).sha256 for name in builtin()}
    assert set(re.findall(r"\b[0-9a-f]{64}\b", readme)) == set(loaded.values())
    for name, digest in loaded.items():
        assert digest in readme.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def test_split_of_alice_is_90_5_5() -> None:
    """Training is the first 90 %, then validation, then test, with no character lost to rounding."""
    split = load_corpus().split(shares(0.05, 0.05))
    assert (split.train, split.val, split.test) == (
        range(133_632),
        range(133_632, 141_056),
        range(141_056, 148_480),
    )


def test_split_of_tinyshakespeare_is_the_usual_one() -> None:
    """1,115,394 characters with a tenth for validation divide as everybody divides them."""
    split = of_length(1_115_394).split(shares(0.1, 0))
    assert (len(split.train), len(split.val), len(split.test)) == (1_003_854, 111_540, 0)


@given(st.integers(20, 10**7), st.integers(0, 45), st.integers(0, 45))
@example(500, 0, 7)
def test_split_covers_the_text(length: int, val: int, test: int) -> None:
    """The ranges follow one another, cover the text, and have their shares to within a character."""
    ids = np.broadcast_to(np.uint8(0), length)
    split = corpus.Corpus("tale", ids, Vocab("ab"), "", 0, (len(ids),)).split(shares(val / 100, test / 100))
    assert [*(split.train.start, split.val.start), split.test.start, split.test.stop] == [
        0,
        split.train.stop,
        split.val.stop,
        length,
    ]
    assert len(split.train) == (100 - val - test) * length // 100
    assert split.val.stop == (100 - test) * length // 100


@pytest.mark.parametrize(("val", "test"), [(-0.1, 0), (0, -0.1), (0.5, 0.5), (float("nan"), 0), (2, 0)])
def test_split_refuses_fractions_that_leave_nothing(val: float, test: float) -> None:
    """Fractions below 0, not a number, or together 1 and more are errors."""
    with pytest.raises(ConfigError, match=r"(val|test)-fraction"):
        of_length(100).split(shares(val, test))


def test_split_refuses_a_text_of_a_few_characters() -> None:
    """Training needs a character and the one after it."""
    with pytest.raises(CorpusError, match="only 2 characters"):
        of_length(2).split(shares(0.5, 0))


@given(TEXTS, st.integers(1, 9), st.booleans(), st.sampled_from(["utf-8", "utf-16", "gb18030"]))
def test_ids_decode_to_the_text(text: str, chunk: int, mapped: bool, encoding: str) -> None:
    """Whatever the chunks, in memory or mapped, the ids stand for the normalised text, whose hash is the corpus'."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARGEN_CACHE_DIR", folder)
        patch.setattr(decode, "CHUNK", chunk)
        patch.setattr(corpus, "IN_MEMORY", 0 if mapped else 1 << 20)
        (Path(folder) / "tale.txt").write_bytes(text.encode(encoding))
        loaded = load_corpus([Path(folder) / "tale.txt"], encoding=encoding)
        normal = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
        assert text_of(loaded) == normal
        assert loaded.vocab == vocab_of(normal)
        assert loaded.sha256 == hashlib.sha256(normal.encode()).hexdigest()
        assert (len(cache.entries()) == 1) is mapped
        assert not loaded.ids[:].flags.writeable


def test_ids_take_two_bytes_beyond_256_characters(write: Callable[..., str]) -> None:
    """A text of many distinct characters takes the next larger type."""
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    loaded = load_corpus([write(text)])
    assert loaded.ids[:].dtype == np.uint16
    assert text_of(loaded) == text


def test_files_are_joined_with_a_line_end_where_one_lacks_it(write: Callable[..., str]) -> None:
    """Texts do not run into one another, and gain nothing where they end in a line end; empty files are nothing."""
    paths = [write("one\r\n", "1.txt"), write("two", "2.txt"), write("", "3.txt"), write("three", "4.txt")]
    loaded = load_corpus(paths)
    assert text_of(loaded) == "one\ntwo\nthree"
    assert loaded.name == "1+3"


def test_sources_mix(write: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Built-in names, files, gzip and standard input go together, in the order named."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"from stdin")))
    loaded = load_corpus([write(gzip.compress("zippé".encode()), "z.txt.gz"), "-", "alice"])
    assert text_of(loaded).startswith("zippé\nfrom stdin\n\n\n\n\n    ")
    assert (loaded.name, len(loaded)) == ("z+stdin+alice", 6 + 11 + 148_480)


def test_a_byte_order_mark_and_cr_are_gone(write: Callable[..., str]) -> None:
    """UTF-8 with a byte order mark and CRLF or CR reads like plain UTF-8."""
    assert text_of(load_corpus([write(b"\xef\xbb\xbfa\r\nb\rc\n")])) == "a\nb\nc\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "tale is empty"),
        (b"\xef\xbb\xbf", "tale is empty"),
        (b"aaaa", "one distinct character, 'a'"),
        (b"\r\n\r\n\r", "one distinct character, "),
        (b"ab\0", "looks binary"),
        (b"ab\xff", r"byte 0xFF at offset 2 .*--encoding"),
    ],
)
def test_a_text_that_teaches_nothing_is_an_error(content: bytes, message: str, write: Callable[..., str]) -> None:
    """Empty, monotonous, binary and undecodable files are one line each."""
    with pytest.raises(CorpusError, match=message):
        load_corpus([write(content)])


def test_a_lone_surrogate_is_an_error(write: Callable[..., str]) -> None:
    """An encoding that can say half a character is held to whole ones."""
    with pytest.raises(CorpusError, match="lone surrogate"):
        load_corpus([write(b"ab\\ud800")], encoding="unicode_escape")


def test_an_unknown_encoding_is_an_error() -> None:
    """The encoding's name is checked whatever the source."""
    with pytest.raises(CorpusError, match="unknown encoding 'klingon'"):
        load_corpus(encoding="klingon")


def test_standard_input_twice_is_an_error() -> None:
    """Standard input can be named once."""
    with pytest.raises(CorpusError, match="named twice"):
        load_corpus(["-", "-"])


@pytest.mark.parametrize("mapped", [False, True])
def test_rare_characters_share_the_reserved_id(
    mapped: bool, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Characters below min_count fall to the last id and are counted; others are not touched."""
    monkeypatch.setattr(corpus, "IN_MEMORY", 0 if mapped else 100)
    loaded = load_corpus([write("aébaébaxb")], min_count=2)
    assert loaded.vocab == Vocab("abé", unknown=True)
    assert loaded.unknown == 1
    assert loaded.ids[:].tolist() == [0, 2, 1, 0, 2, 1, 0, 3, 1]


def test_no_id_is_reserved_without_min_count(write: Callable[..., str]) -> None:
    """At a min_count of 1 every character has its own id."""
    assert load_corpus([write("abc")]).vocab.unknown_id is None


def test_min_count_must_leave_characters(write: Callable[..., str]) -> None:
    """A min_count that leaves fewer than two characters is an error that says so."""
    with pytest.raises(CorpusError, match="min-count 3 leaves 1 of the 3 characters in tale"):
        load_corpus([write("aaabc")], min_count=3)


@pytest.mark.parametrize("count", [0, -1, True, 1.5])
def test_min_count_must_be_a_count(count: int) -> None:
    """A min_count that is no positive whole number is an error."""
    with pytest.raises(ConfigError, match="min-count"):
        load_corpus(min_count=count)


def test_progress_grows_to_the_total(write: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress over both readings of all files never falls, and ends at the total."""
    monkeypatch.setattr(decode, "CHUNK", 10)
    told: list[tuple[int, int]] = []
    paths = [write("some text " * 20, "a.txt"), write(gzip.compress(b"more text " * 99), "b.txt.gz")]
    load_corpus(paths, progress=lambda done, total: told.append((done, total)))
    expected = 2 * sum(Path(path).stat().st_size for path in paths)
    assert {total for _, total in told} == {expected}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == expected
    assert len(told) > 40


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every corpus a large one."""
    monkeypatch.setattr(corpus, "IN_MEMORY", 0)


@pytest.mark.usefixtures("mapped")
def test_the_second_start_reads_nothing(write: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A large text that did not change comes from the cache without being read, under its current name."""
    path = write("a large text, wide é")
    first = load_corpus([path])
    unread(monkeypatch)
    again = load_corpus([path])
    assert again.ids[:].tolist() == first.ids[:].tolist()
    assert (again.name, again.vocab, again.sha256) == (first.name, first.vocab, first.sha256)


@pytest.mark.usefixtures("mapped")
def test_a_changed_file_is_encoded_anew(write: Callable[..., str]) -> None:
    """A file with other content, or other settings, is not taken from the cache."""
    path = write("first text")
    load_corpus([path])
    assert text_of(load_corpus([write("second text")])) == "second text"
    assert load_corpus([path], min_count=2).vocab.unknown_id is not None
    assert text_of(load_corpus([path], encoding="cp500")) != "second text"


@pytest.mark.usefixtures("mapped")
def test_the_same_text_is_kept_once(write: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy, a compressed copy and a pipe with the same text share one entry."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"the same text\r\n")))
    first = load_corpus([write("the same text\n")])

    def refuse(*_: object) -> None:
        raise AssertionError("the same ids were written again")

    monkeypatch.setattr(cache, "save", refuse)
    for source in (write(gzip.compress(b"the same text\n"), "copy.txt.gz"), "-"):
        again = load_corpus([source])
        assert again.sha256 == first.sha256
        assert text_of(again) == "the same text\n"
    assert len(cache.entries()) == 1


@pytest.mark.usefixtures("mapped")
def test_a_damaged_entry_is_rebuilt(write: Callable[..., str]) -> None:
    """An entry that lost its end is written again, not used."""
    path = write("a large text")
    load_corpus([path])
    [entry] = cache.entries()
    entry.path.write_bytes(entry.path.read_bytes()[:-1])
    assert text_of(load_corpus([path])) == "a large text"
    assert cache.entries()[0].size == entry.size


@pytest.fixture
def damaged(write: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A large text in whose cached ids, the last byte of the entry, one is another."""
    monkeypatch.setattr(corpus, "IN_MEMORY", 0)
    path = write("a large text")
    load_corpus([path])
    [entry] = cache.entries()
    data = bytearray(entry.path.read_bytes())
    data[-1] ^= 1
    entry.path.write_bytes(data)
    return path


def test_damaged_ids_are_made_anew(damaged: str) -> None:
    """From the text, at the moment when they are read."""
    loaded = load_corpus([damaged])
    assert text_of(loaded) == "a large text"
    assert text_of(load_corpus([damaged])) == "a large text"


def test_damaged_ids_of_another_text_are_an_error(damaged: str, write: Callable[..., str]) -> None:
    """Where the text has changed since, they are neither used nor made from what it is now."""
    loaded = load_corpus([damaged])
    write("another text")
    with pytest.raises(CorpusError, match="its text is another now"):
        text_of(loaded)
    assert cache.entries() == []


def test_damaged_ids_of_a_pipe_are_removed(damaged: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They cannot be made anew until the text is given again."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a large text")))
    loaded = load_corpus(["-"])
    with pytest.raises(CorpusError, match="damaged and are removed; start again"):
        text_of(loaded)
    assert cache.entries() == []


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_a_file_that_changes_while_it_is_read_is_an_error(
    limit: int, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that is another at the second reading is refused, and nothing is kept of it."""
    monkeypatch.setattr(corpus, "IN_MEMORY", limit)
    path = write("some text")

    def change(*_: int) -> None:
        write("other text, longer")

    with pytest.raises(CorpusError, match="tale was changed while it was read"):
        load_corpus([path], progress=change)
    assert cache.entries() == []


@pytest.mark.usefixtures("mapped")
def test_release_keeps_the_ids() -> None:
    """After letting go of its pages a mapped corpus reads as before."""
    alice = load_corpus()
    before = alice.ids[:].copy()
    alice.release()
    assert np.array_equal(alice.ids[:], before)


def test_release_leaves_ids_in_memory_alone() -> None:
    """A small corpus has nothing to let go of."""
    alice = load_corpus()
    before = alice.ids[:].copy()
    alice.release()
    assert np.array_equal(alice.ids[:], before)


@pytest.mark.usefixtures("mapped")
def test_memory_does_not_grow_with_the_text(write: Callable[..., str]) -> None:
    """Encoding 24 MB takes less memory than the text: a table over all code points and a few chunks."""
    path = write("some text that is not ASCII alone: é\n" * 650_000)
    tracemalloc.start()
    try:
        loaded = load_corpus([path])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(loaded) > 24_000_000
    assert peak < 20_000_000


def test_each_of_several_texts_is_split_at_its_own_end(tmp_path: Path) -> None:
    """Training parts first, then validation parts, then test parts, each in the order of the texts."""
    (tmp_path / "a.txt").write_text("a" * 80 + "b" * 10 + "c" * 9)  # a line end joins it to the next
    (tmp_path / "d.txt").write_text("d" * 40 + "e" * 5 + "f" * 5)
    loaded = load_corpus([tmp_path / "a.txt", tmp_path / "d.txt"])
    assert loaded.lengths == (100, 50)
    split = loaded.split(shares(0.1, 0.1))
    parts = [loaded.vocab.text_of(split.ids[part.start : part.stop]) for part in (split.train, split.val, split.test)]
    assert parts == ["a" * 80 + "d" * 40, "b" * 10 + "e" * 5, "c" * 9 + "\n" + "f" * 5]
    together = loaded.split(shares(0.1, 0.1), lengths=(150,))
    assert loaded.vocab.text_of(together.ids[:]) == "a" * 80 + "b" * 10 + "c" * 9 + "\n" + "d" * 40 + "e" * 5 + "f" * 5


def test_printable_characters_that_the_text_lacks_have_ids(tmp_path: Path) -> None:
    """Every printable ASCII character is listed beside those of the text, and the corpus tells which it lacks."""
    (tmp_path / "a.txt").write_text("abé\n")
    loaded = load_corpus([tmp_path / "a.txt"], printable=True)
    assert loaded.vocab.characters == "\n" + "".join(map(chr, range(32, 127))) + "é"
    assert set(loaded.unseen) == {chr(code) for code in range(32, 127)} - set("ab")
    assert loaded.vocab.text_of(loaded.ids[:]) == "abé\n"


def test_english_is_three_corpora() -> None:
    """The list's name stands for its members, each a text of its own."""
    loaded = load_corpus("english")
    assert (loaded.name, loaded.lengths) == ("english", (4_024_713, 1_191_531, 7_567_268))
