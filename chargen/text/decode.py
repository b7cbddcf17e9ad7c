"""Bytes to normalised text, in chunks: decoding, gzip, byte order mark and line ends, with errors that say where."""

import codecs
import contextlib
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from chargen.errors import CorpusError
from chargen.setting import Config, setting
from chargen.text.document_kind import HEAD, refuse_document

CHUNK: int = 1 << 18
"""Bytes decoded at a time; the text does not depend on it. Larger chunks leave the processor's cache: 4 MiB are slower
by half, and 256 KiB as fast as 1 MiB."""

LONGEST: int = 100_000_000
"""Characters of a text that is held in memory whole; what a network makes of it takes some ten bytes for each."""

STDIN: Final = "-"
_GZIP: Final = b"\x1f\x8b"
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, kw_only=True)
class Decoding(Config):
    """How the bytes of a text become characters.

    Raises:
        CorpusError: Python knows no text encoding of that name.
    """

    panel = "Text"

    encoding: str = setting("utf-8", "Of the text's bytes.")
    errors: str = setting(
        "strict",
        "What becomes of bytes that do not decode: an error, or the character U+FFFD.",
        choices=("strict", "replace"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            "".encode(self.encoding)
            codecs.getincrementaldecoder(self.encoding)
        except (LookupError, ValueError) as error:
            raise CorpusError(
                f"unknown encoding {self.encoding!r}; names such as utf-8, utf-16, latin-1, cp1252, gb18030 or "
                "shift_jis work"
            ) from error

    @property
    def name(self) -> str:
        """The encoding's own name, whatever it was called."""
        return codecs.lookup(self.encoding).name


def decoded(stream: IO[bytes], label: str, decoding: Decoding) -> Iterator[str]:
    """The text of ``stream`` in chunks, none empty: gzip opened, byte order mark dropped, line ends as LF.

    Args:
        stream: Seekable bytes, read from where they are.
        label: What messages call it.
        decoding: How its bytes become characters.

    Raises:
        CorpusError: bytes that do not decode (with their offset), damaged gzip, a character that no text holds, or a
            document of another program.
    """
    source = _unpacked(stream)
    characters = codecs.getincrementaldecoder(decoding.encoding)(decoding.errors)
    decoder = io.IncrementalNewlineDecoder(characters, translate=True)
    fed = 0
    at_beginning = True
    data = b"."
    while data:
        try:
            data = source.read(CHUNK)
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(label, error) from error
        if not fed:
            refuse_document(data[:HEAD], label)
        fed += len(data)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            # The decoder puts what it held back before the new bytes, so the place counts from the end.
            offset = fed - len(error.object) + error.start
            raise CorpusError(_undecodable(label, decoding, error, offset)) from error
        except UnicodeError as error:
            name = decoding.name
            hint = f"; without a byte order mark it is {name}-le or {name}-be" if name in ("utf-16", "utf-32") else ""
            raise CorpusError(f"{label} is not {decoding.encoding}: {error}{hint}") from error
        if not text:
            continue
        if at_beginning:
            text = text.removeprefix("\ufeff")
            at_beginning = False
        if "\0" in text:
            raise CorpusError(f"{label} looks binary: it holds NUL characters{_wide(decoding)}")
        if text:
            yield text


def beginning(stream: IO[bytes]) -> bytes:
    """The first bytes of a text, as many as tell what it is; none of one that cannot be read, which reading it tells.

    Args:
        stream: Seekable bytes, read from where they are.
    """
    try:
        return _unpacked(stream).read(HEAD)
    except (OSError, EOFError, zlib.error):
        return b""


def _unpacked(stream: IO[bytes]) -> IO[bytes] | gzip.GzipFile:
    start = stream.tell()
    zipped = stream.read(len(_GZIP)) == _GZIP
    stream.seek(start)
    return gzip.GzipFile(fileobj=stream) if zipped else stream


def read_text(path: str | Path, encoding: str = "utf-8", errors: str = "strict") -> str:
    """The whole text of a file, or of standard input for ``"-"``, decoded and normalised as a corpus is.

    Args:
        path: The file.
        encoding: As in ``Decoding``.
        errors: Likewise.

    Raises:
        CorpusError: the file cannot be read or does not decode, or has more than ``LONGEST`` characters.
    """
    if path == "":
        raise CorpusError("the name of a text is empty; name a file, or - for standard input")
    decoding = Decoding(encoding=encoding, errors=errors)
    label = "standard input" if path == STDIN else str(path)
    pieces, length = [], 0
    try:
        with contextlib.nullcontext(standard_input()) if path == STDIN else Path(path).open("rb") as stream:
            for piece in decoded(_seekable(stream, label), label, decoding):
                length += len(piece)
                if length > LONGEST:
                    raise _too_long(label)
                pieces.append(piece)
    except (OSError, ValueError) as error:
        raise unreadable(label, error) from error
    return "".join(pieces)


def _seekable(stream: IO[bytes], label: str) -> IO[bytes]:
    """The stream; what came through a pipe, in memory."""
    if stream.seekable():
        return stream
    most = 4 * LONGEST
    data = stream.read(most + 1)
    if len(data) > most:
        raise _too_long(label)
    return io.BytesIO(data)


def _too_long(label: str) -> CorpusError:
    return CorpusError(f"{label} has more than {LONGEST:,} characters, which are read at once; give it in parts")


def standard_input() -> IO[bytes]:
    """The bytes of standard input.

    Raises:
        CorpusError: there is none.
    """
    if sys.stdin is None:
        raise CorpusError("standard input is closed")
    return sys.stdin.buffer


def unreadable(label: str, error: Exception) -> CorpusError:
    """The error for what the operating system or gzip did not let us read."""
    return CorpusError(f"cannot read {label}: {getattr(error, 'strerror', None) or error}")


def _undecodable(label: str, decoding: Decoding, error: UnicodeDecodeError, offset: int) -> str:
    if offset == 0 and error.object.startswith(_UTF16) and not decoding.name.startswith("utf-16"):
        hint = "it begins like UTF-16; name that with --encoding utf-16"
    else:
        other = "cp1252" if decoding.name.startswith("utf-8") else "utf-8"
        hint = f"if it is another, such as {other}, name it with --encoding; --errors replace reads U+FFFD in its place"
    byte = error.object[error.start]
    reason = f"byte 0x{byte:02X} at offset {offset} does not decode ({error.reason})"
    return f"{label} is not {decoding.encoding}: {reason}; {hint}"


def _wide(decoding: Decoding) -> str:
    """A hint at the encodings that write NUL bytes and were not tried."""
    others = [name for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32") if name != decoding.name]
    return f"; if it is {', '.join(others[:-1])} or {others[-1]}, name that with --encoding"
