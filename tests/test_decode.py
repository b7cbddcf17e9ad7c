"""How bytes become text."""

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chargen.errors import CorpusError
from chargen.text import decode

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from("\r\n\ufeffé日😀"), max_size=40)


def normalised(text: str) -> str:
    """What the text of a file is to become."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")


def pieces_of(data: bytes, encoding: str = "utf-8", chunk: int | None = None) -> list[str]:
    """The pieces that ``data`` decodes to, ``chunk`` bytes at a time."""
    with pytest.MonkeyPatch.context() as patch:
        if chunk is not None:
            patch.setattr(decode, "CHUNK", chunk)
        return list(decode.decoded(io.BytesIO(data), "x.txt", encoding))


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
        decode.check_encoding(encoding)


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
