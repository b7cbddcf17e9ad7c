"""What a name stands for."""

import contextlib
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chargen.errors import CorpusError
from chargen.text import sources
from chargen.text.decode import Decoding


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    """Closes the copies of pipes at the end of the test."""
    with contextlib.ExitStack() as stack:
        yield stack


def read(source: sources.Source) -> bytes:
    """All bytes of a source."""
    with source.open() as stream:
        return stream.read()


def test_alice_is_built_in() -> None:
    """Alice comes with chargen, as a file that exists."""
    assert sources.builtin()["alice"].is_file()


def test_a_built_in_name_wins_over_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stack: contextlib.ExitStack
) -> None:
    """The bare word is the built-in corpus; a separator makes it the file of that name."""
    monkeypatch.chdir(tmp_path)
    Path("alice").write_bytes(b"mine")
    assert len(read(sources.find("alice", Decoding(), None, stack)[1][0])) == 148_480
    assert read(sources.find("./alice", Decoding(), None, stack)[1][0]) == b"mine"


def test_a_built_in_corpus_keeps_its_own_encoding(stack: contextlib.ExitStack) -> None:
    """The encoding that is given for other files does not touch a built-in corpus."""
    assert sources.find("alice", Decoding(encoding="utf-16"), None, stack)[1][0].decoding == Decoding()


def test_a_text_to_read_may_be_built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is scored, classified or learnt from is named as what is trained on."""
    monkeypatch.chdir(tmp_path)
    Path("moby-dick").write_text("mine")
    assert sources.read_text("moby-dick").startswith("CHAPTER 1. Loomings.")
    assert sources.read_text("./moby-dick") == "mine"


def test_a_near_miss_is_suggested(stack: contextlib.ExitStack) -> None:
    """A misspelt built-in name is answered with the right one."""
    with pytest.raises(CorpusError, match="no file, folder or built-in corpus 'alcie'; did you mean alice"):
        sources.find("alcie", Decoding(), None, stack)


def test_a_misspelt_file_is_suggested(folder: Path, stack: contextlib.ExitStack) -> None:
    """A name that is nearly that of a file beside it is answered with that."""
    (folder / "poems").mkdir()
    (folder / "poems" / "spring.txt").write_text("Nothing is so beautiful as spring")
    with pytest.raises(CorpusError, match=r"'poems/Sprign\.txt'; did you mean poems.spring\.txt"):
        sources.find("poems/Sprign.txt", Decoding(), None, stack)


def test_a_missing_file_lists_what_is_built_in(stack: contextlib.ExitStack) -> None:
    """A name like no other is answered with what there is."""
    with pytest.raises(CorpusError, match=r"'wuthering\.txt'; built in: .*alice"):
        sources.find("wuthering.txt", Decoding(), None, stack)


@pytest.mark.parametrize("name", ["nul\0byte", "x" * 5000])
def test_an_impossible_name_is_an_error(name: str, stack: contextlib.ExitStack) -> None:
    """A name that no file can have is an error, printable as it is."""
    with pytest.raises(CorpusError) as caught:
        sources.find(name, Decoding(), None, stack)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("file", "name"), [("tale.txt", "tale"), ("tale.txt.gz", "tale"), ("tale", "tale"), ("a.b.txt", "a.b")]
)
def test_a_file_names_its_corpus(tmp_path: Path, file: str, name: str, stack: contextlib.ExitStack) -> None:
    """The corpus is called what the file is, without its endings."""
    (tmp_path / file).write_bytes(b"x")
    assert sources.find(str(tmp_path / file), Decoding(), None, stack)[0] == name


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with texts, hidden ones among them, and other files."""
    root = tmp_path / "tree"
    for name in ("b.txt", "a/z.md", "a/y.TXT", "c.txt.gz", "code.py", ".hidden.txt", ".git/x.txt", "a/.d/e.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    (root / "folder.txt").mkdir()
    return root


def names(tree: Path, glob: str | None, stack: contextlib.ExitStack) -> list[str]:
    """The files that the folder stands for."""
    found = sources.find(str(tree), Decoding(), glob, stack).files
    return [source.path.relative_to(tree).as_posix() for source in found if source.path]


def test_a_folder_is_its_text_files_in_order(tree: Path, stack: contextlib.ExitStack) -> None:
    """A folder stands for its visible text files at any depth, sorted; the corpus has the folder's name."""
    assert names(tree, None, stack) == ["a/y.TXT", "a/z.md", "b.txt", "c.txt.gz"]
    assert sources.find(str(tree), Decoding(), None, stack)[0] == "tree"


@pytest.mark.parametrize("glob", ["*.py", "**/*.py", "code.*"])
def test_a_glob_chooses_the_files_of_a_folder(tree: Path, glob: str, stack: contextlib.ExitStack) -> None:
    """A pattern replaces the usual endings."""
    assert names(tree, glob, stack) == ["code.py"]


def test_a_folder_without_text_is_an_error(tree: Path, stack: contextlib.ExitStack) -> None:
    """A folder in which nothing matches is an error that names the pattern."""
    with pytest.raises(CorpusError, match=r"no text files \(\*\.tex\) in the folder .*--glob"):
        sources.find(str(tree), Decoding(), "*.tex", stack)


def test_an_absolute_glob_is_an_error(tree: Path, stack: contextlib.ExitStack) -> None:
    """A pattern that is no pattern within the folder is one clear line."""
    with pytest.raises(CorpusError, match="glob '/etc/"):
        sources.find(str(tree), Decoding(), "/etc/*", stack)


def test_an_empty_glob_is_an_error(tree: Path, stack: contextlib.ExitStack) -> None:
    """As an empty variable of a shell gives it; it does not choose every file."""
    with pytest.raises(CorpusError, match="glob '' is no pattern"):
        sources.find(str(tree), Decoding(), "", stack)


def test_standard_input_can_be_read_twice(monkeypatch: pytest.MonkeyPatch, stack: contextlib.ExitStack) -> None:
    """``-`` is a copy of standard input, at its beginning every time, and without a signature."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"some text")))
    name, [source], _ = sources.find("-", Decoding(), None, stack)
    assert (name, read(source), read(source), source.signature()) == ("stdin", b"some text", b"some text", None)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
def test_a_pipe_can_be_read_twice(tmp_path: Path, stack: contextlib.ExitStack) -> None:
    """A path that is a pipe, as a shell's ``<(...)`` is, is copied like standard input."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(b"some text",), daemon=True).start()
    _, [source], _ = sources.find(str(pipe), Decoding(), None, stack)
    assert source.path is None
    assert (read(source), read(source)) == (b"some text", b"some text")


def test_a_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """A file removed after it was found is an error wherever it is asked for."""
    source = sources.Source("gone.txt", Decoding(), tmp_path / "gone.txt")
    with pytest.raises(CorpusError, match=r"cannot read gone\.txt: No such file"):
        read(source)
    with pytest.raises(CorpusError, match=r"cannot read gone\.txt: No such file"):
        source.signature()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="the system has no device without an end")
def test_a_device_is_refused(stack: contextlib.ExitStack) -> None:
    """It is told of before a byte of it is copied."""
    with pytest.raises(CorpusError, match="/dev/zero is a device, which may have no end"):
        sources.find("/dev/zero", Decoding(), None, stack)


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="the system has no files of that kind")
def test_a_file_that_claims_to_be_empty_is_read(stack: contextlib.ExitStack) -> None:
    """Those of /proc are searched in a copy."""
    _, [source], _ = sources.find("/proc/version", Decoding(), None, stack)
    assert read(source) == Path("/proc/version").read_bytes()


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="the system has no files of that kind")
def test_a_file_that_claims_to_be_empty_is_read_up_to_a_limit(
    tmp_path: Path, stack: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of them never end; in a folder they are what they say, empty."""
    (tmp_path / "link.txt").symlink_to("/proc/version")
    [member] = sources.find(str(tmp_path), Decoding(), None, stack)[1]
    assert read(member) == b""
    monkeypatch.setattr(sources, "UNSIZED", 10)
    with pytest.raises(CorpusError, match="/proc/version says that it is empty and has more than 10 bytes; copy it"):
        sources.find("/proc/version", Decoding(), None, stack)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
def test_a_file_that_became_a_pipe_is_refused(tmp_path: Path) -> None:
    """Opening it, for which another process would have to write into it, is not waited for."""
    os.mkfifo(tmp_path / "text.txt")
    with pytest.raises(CorpusError, match=r"text\.txt is a pipe, a device or a socket now"):
        read(sources.Source("text.txt", Decoding(), tmp_path / "text.txt"))


@pytest.mark.skipif(not hasattr(os, "O_NONBLOCK"), reason="files that are waited for are a POSIX thing")
def test_a_file_is_read_without_waiting(tmp_path: Path) -> None:
    """Those that give their text as it comes, as /proc/kmsg does, give what is there."""
    (tmp_path / "text.txt").write_bytes(b"x")
    with sources.Source("text.txt", Decoding(), tmp_path / "text.txt").open() as stream:
        assert not os.get_blocking(stream.fileno())


def test_folders_too_deep_are_an_error(
    tree: Path, stack: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says so where there are more of them in each other than Python goes down, some thousand."""

    def descend(_folder: Path, _pattern: str) -> None:
        raise RecursionError

    monkeypatch.setattr(Path, "rglob", descend)
    with pytest.raises(CorpusError, match="lie too deep in each other; name some of its files"):
        sources.find(str(tree), Decoding(), None, stack)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("-", False),
        ("pipe", False),
        ("/dev/null", False),
        ("file", True),
        (".", True),
        ("none", True),
        ("x" * 5000, True),
    ],
)
def test_what_can_be_read_again(source: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and folders; what is not there is told of when it is read."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(b"x")
    Path("-").write_bytes(b"standard input goes first")
    os.mkfifo("pipe")
    assert sources.can_be_read_again(source) == expected
