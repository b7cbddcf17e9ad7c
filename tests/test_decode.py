"""How bytes become text."""

import codecs
import gzip
import io
import os
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chargen.errors import ConfigError, CorpusError
from chargen.text import decode
from chargen.text.decode import Decoding

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from("\r\n\ufeffé日😀"), max_size=40)


def normalised(text: str) -> str:
    """What the text of a file is to become."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")


def pieces_of(data: bytes, encoding: str = "utf-8", chunk: int | None = None, errors: str = "strict") -> list[str]:
    """The pieces that ``data`` decodes to, ``chunk`` bytes at a time."""
    with pytest.MonkeyPatch.context() as patch:
        if chunk is not None:
            patch.setattr(decode, "CHUNK", chunk)
        return list(decode.decoded(io.BytesIO(data), "x.txt", Decoding(encoding=encoding, errors=errors)))


@given(TEXTS, st.integers(1, 9), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030", "utf-7"]))
@example("ab\ufeffc", 2, "utf-8")
def test_text_does_not_depend_on_where_chunks_end(text: str, chunk: int, encoding: str) -> None:
    """Whatever the chunk size and encoding, the text comes back whole with LF line ends and no byte order mark."""
    pieces = pieces_of(text.encode(encoding), encoding, chunk)
    assert "".join(pieces) == normalised(text)
    assert all(pieces)


@given(TEXTS, st.integers(1, 9))
def test_gzip_is_read_like_plain_text(text: str, chunk: int) -> None:
    """Compressed text, recognised by its first bytes, is the text within."""
    assert "".join(pieces_of(gzip.compress(text.encode()), chunk=chunk)) == normalised(text)


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 5, 7, 1000])
@pytest.mark.parametrize(
    ("data", "encoding", "offset"),
    [
        (b"abc\xe9def", "utf-8", 3),
        ("日本".encode() + b"\xff", "utf-8", 6),
        (b"abcd\xe2\x82", "utf-8", 4),
        (b"\xe9", "utf-8", 0),
        (b"abcde\x81", "cp1252", 5),
        ("日本".encode("gb18030") + b"\xff\xff", "gb18030", 4),
        ("abc".encode("utf-16-le") + b"\x00\xdc", "utf-16-le", 6),
        (gzip.compress(b"abc\r\n\xe9def"), "utf-8", 5),
    ],
)
def test_undecodable_byte_is_named_with_its_offset(data: bytes, encoding: str, offset: int, chunk: int) -> None:
    """A byte that does not decode is reported with the file, the offset in the stream and a way on."""
    with pytest.raises(CorpusError, match=rf"^x\.txt is not {encoding}: .* at offset {offset} .*--encoding"):
        pieces_of(data, encoding, chunk)


def test_the_offending_byte_is_shown() -> None:
    """The message says which byte it is that does not decode."""
    with pytest.raises(CorpusError, match="byte 0xE9 at offset 4"):
        pieces_of("thé".encode() + "é".encode("latin-1"))


def test_utf16_is_recognised_in_the_error() -> None:
    """A file that begins like UTF-16 is told to be read as such."""
    with pytest.raises(CorpusError, match=r"begins like UTF-16; .*--encoding"):
        pieces_of("abc".encode("utf-16"))


def test_nul_characters_are_taken_for_a_binary_file() -> None:
    """A file with NUL bytes is refused as binary."""
    with pytest.raises(CorpusError, match=r"x\.txt looks binary"):
        pieces_of(b"\x7fELF\x02\0\0\0")


@pytest.mark.parametrize("damage", [slice(None, -3), slice(None, 12)])
def test_truncated_gzip_is_an_error(damage: slice) -> None:
    """A gzip file that ends early is refused, not read in part."""
    with pytest.raises(CorpusError, match=r"cannot read x\.txt"):
        pieces_of(gzip.compress(b"some text " * 50)[damage])


def test_corrupt_gzip_is_an_error() -> None:
    """A gzip file whose content fails its checksum is refused."""
    data = bytearray(gzip.compress(b"some text " * 50))
    data[-8] ^= 1
    with pytest.raises(CorpusError, match=r"cannot read x\.txt"):
        pieces_of(bytes(data))


@pytest.mark.parametrize("encoding", ["nope", "rot13", "hex", "a\0b", ""])
def test_unknown_encoding_is_an_error(encoding: str) -> None:
    """A name that is no text encoding is refused before anything is read."""
    with pytest.raises(CorpusError, match="unknown encoding"):
        Decoding(encoding=encoding)


def test_read_text_reads_a_file_as_a_corpus_is_read(tmp_path: Path) -> None:
    """A prompt file has its byte order mark dropped and its line ends normalised."""
    (tmp_path / "p.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r")
    assert decode.read_text(tmp_path / "p.txt") == "one\ntwo\n"


def test_read_text_takes_an_encoding(tmp_path: Path) -> None:
    """A prompt file in another encoding is read with its name."""
    (tmp_path / "p.txt").write_bytes("é".encode("latin-1"))
    assert decode.read_text(str(tmp_path / "p.txt"), "latin-1") == "é"


def test_read_text_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """``-`` is standard input, in bytes, whatever encoding the terminal has."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("dé\r\n".encode()), "ascii"))
    assert decode.read_text("-") == "dé\n"


def test_read_text_without_standard_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed standard input is one clear line."""
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(CorpusError, match="standard input is closed"):
        decode.read_text("-")


@pytest.mark.parametrize("name", ["", "absent.txt", "nul\0byte"])
def test_read_text_of_what_is_no_file_is_an_error(tmp_path: Path, name: str) -> None:
    """A folder, a missing file and an impossible name are errors that name the path."""
    with pytest.raises(CorpusError, match="cannot read"):
        decode.read_text(tmp_path / name)


ENCODINGS = ["utf-8", "UTF8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "ascii", "gb18030"]
BROKEN = [
    b"caf\xe9",
    b"\x81\xff",
    b"a\0b\0",
    b"\0a\0b",
    b"a\0\0\0b\0\0\0",
    b"\xff\xfe\x00\xd8\x00\x00",
    b"\xfe\xff\xd8\x00",
    b"abc",
    b"\x00\xdc",
]


def refusal(data: bytes, encoding: str) -> str:
    """Why the bytes are refused; nothing where they decode."""
    try:
        pieces_of(data, encoding)
    except CorpusError as error:
        return str(error)
    return ""


def test_what_was_tried_is_not_advised() -> None:
    """Whatever the bytes and the encoding, the way on is another one than the one that led here."""
    refusals = {(at, encoding): refusal(data, encoding) for at, data in enumerate(BROKEN) for encoding in ENCODINGS}
    assert sum(map(bool, refusals.values())) > 40
    for (_, encoding), message in refusals.items():
        advised = re.findall(r"[a-z0-9][a-z0-9-]*[0-9a-z]", message.partition("; ")[2])
        assert codecs.lookup(encoding).name not in advised, message


def test_bytes_that_do_not_decode_can_be_replaced() -> None:
    """Each becomes U+FFFD, and the rest is read."""
    assert "".join(pieces_of(b"caf\xe9 and \xff", errors="replace")) == "caf\ufffd and \ufffd"
    with pytest.raises(ConfigError, match="errors must be one of strict, replace, not 'ignore'"):
        Decoding(errors="ignore")


@pytest.mark.parametrize("compressed", [False, True])
def test_a_text_too_large_for_memory_is_refused(
    compressed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once so many characters were read, however small the file is."""
    monkeypatch.setattr(decode, "LONGEST", 1000)
    monkeypatch.setattr(decode, "CHUNK", 100)
    data = b"a" * 1001
    (tmp_path / "x").write_bytes(gzip.compress(data) if compressed else data)
    with pytest.raises(CorpusError, match="x has more than 1,000 characters"):
        decode.read_text(tmp_path / "x")
    (tmp_path / "x").write_bytes(data[1:])
    assert len(decode.read_text(tmp_path / "x")) == 1000


@pytest.mark.parametrize(("size", "refused"), [(4001, True), (1001, True), (1000, False)])
def test_a_pipe_is_read_up_to_what_memory_holds(size: int, refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more of it than the largest text could take."""
    monkeypatch.setattr(decode, "LONGEST", 1000)
    ends = os.pipe()
    with os.fdopen(ends[1], "wb") as end:
        end.write(b"a" * size)
    with os.fdopen(ends[0]) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        if refused:
            with pytest.raises(CorpusError, match="standard input has more than 1,000 characters"):
                decode.read_text("-")
        else:
            assert decode.read_text("-") == "a" * size


def test_what_was_read_of_standard_input_stays_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file behind it is read from where it stands, as by any other program."""
    (tmp_path / "x").write_bytes(b"first\nsecond")
    with (tmp_path / "x").open("rb") as stdin:
        stdin.readline()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stdin))
        assert decode.read_text("-") == "second"
