"""Bytes to normalised text, in chunks: decoding, gzip, byte order mark and line ends, with errors that say where."""

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from chargen.errors import CorpusError

CHUNK: int = 1 << 18
"""Bytes decoded at a time; the text does not depend on it. Larger chunks leave the processor's cache: 4 MiB are slower
by half, and 256 KiB as fast as 1 MiB."""

STDIN: Final = "-"
_GZIP: Final = b"\x1f\x8b"
_REMEDY: Final = "save it as UTF-8, or name its encoding (train, score, classify and encode have --encoding)"
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def check_encoding(encoding: str) -> None:
    """Accept the name of a text encoding.

    Raises:
        CorpusError: Python knows no text encoding of that name.
    """
    try:
        "".encode(encoding)
        codecs.getincrementaldecoder(encoding)
    except (LookupError, ValueError) as error:
        raise CorpusError(
            f"unknown encoding {encoding!r}; names such as utf-8, utf-16, latin-1, cp1252, gb18030 or shift_jis work"
        ) from error


def decoded(stream: IO[bytes], label: str, encoding: str) -> Iterator[str]:
    """The text of ``stream`` in chunks, none empty: gzip opened, byte order mark dropped, line ends as LF.

    Args:
        stream: Seekable bytes, at their beginning.
        label: What messages call it.
        encoding: Checked by `check_encoding`.

    Raises:
        CorpusError: bytes that do not decode (with their offset), damaged gzip, or a character that no text holds.
    """
    zipped = stream.read(len(_GZIP)) == _GZIP
    stream.seek(0)
    source: IO[bytes] | gzip.GzipFile = gzip.GzipFile(fileobj=stream) if zipped else stream
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    fed = 0
    beginning = True
    data = b"."
    while data:
        try:
            data = source.read(CHUNK)
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(label, error) from error
        fed += len(data)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            # The decoder puts what it held back before the new bytes, so the place counts from the end.
            offset = fed - len(error.object) + error.start
            raise CorpusError(_undecodable(label, encoding, error, offset)) from error
        except UnicodeError as error:
            raise CorpusError(
                f"{label} is not {encoding}: {error}; UTF-16 without a byte order mark is utf-16-le or utf-16-be"
            ) from error
        if not text:
            continue
        if beginning:
            text = text.removeprefix("\ufeff")
            beginning = False
        if "\0" in text:
            raise CorpusError(
                f"{label} looks binary: it holds NUL characters; if it is UTF-16 (utf-16, utf-16-le or utf-16-be), "
                f"{_REMEDY}"
            )
        if text:
            yield text


def read_text(path: str | Path, encoding: str = "utf-8") -> str:
    """The whole text of a file, or of standard input for ``"-"``, decoded and normalised as a corpus is.

    Raises:
        CorpusError: the file cannot be read or does not decode.
    """
    check_encoding(encoding)
    label = "standard input" if path == STDIN else str(path)
    try:
        data = standard_input().read() if path == STDIN else Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise unreadable(label, error) from error
    return "".join(decoded(io.BytesIO(data), label, encoding))


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


def _undecodable(label: str, encoding: str, error: UnicodeDecodeError, offset: int) -> str:
    if offset == 0 and error.object.startswith(_UTF16):
        hint = f"it begins like UTF-16; {_REMEDY}"
    else:
        hint = f"if it is another, such as cp1252, {_REMEDY}"
    byte = error.object[error.start]
    return f"{label} is not {encoding}: byte 0x{byte:02X} at offset {offset} does not decode ({error.reason}); {hint}"
