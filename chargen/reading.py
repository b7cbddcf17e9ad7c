"""Bytes to normalised text, in chunks: decoding, gzip, byte order mark and line ends, with errors that say where."""

import codecs
import contextlib
import gzip
import io
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from chargen.errors import CorpusError

CHUNK: int = 1 << 20
"""Bytes decoded at a time; what is read does not depend on it."""

STDIN: Final = "-"
_GZIP: Final = b"\x1f\x8b"
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Source:
    """One stream of bytes that can be read more than once.

    Attributes:
        label: What messages call it.
        path: The file, None for what came through a pipe.
        spool: What came through the pipe.
    """

    label: str
    path: Path | None
    spool: IO[bytes] | None = None

    @contextlib.contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The bytes from their beginning.

        Raises:
            CorpusError: the file cannot be opened.
        """
        if self.spool is not None:
            self.spool.seek(0)
            yield self.spool
            return
        assert self.path is not None  # noqa: S101  # a source has one or the other
        try:
            stream = self.path.open("rb")
        except OSError as error:
            raise CorpusError(f"cannot read {self.label}: {error.strerror or error}") from error
        with stream:
            yield stream


@contextlib.contextmanager
def spooled(path: Path | None) -> Iterator[Source]:
    """Standard input (None) or a pipe, copied to a temporary file so that it can be read twice.

    Raises:
        CorpusError: reading it or writing the copy fails.
    """
    label = "standard input" if path is None else str(path)
    with contextlib.ExitStack() as stack:
        try:
            spool = stack.enter_context(tempfile.TemporaryFile())
            stream = sys.stdin.buffer if path is None else stack.enter_context(path.open("rb"))
            shutil.copyfileobj(stream, spool, CHUNK)
        except OSError as error:
            raise CorpusError(f"cannot read {label}: {error.strerror or error}") from error
        yield Source(label, None, spool)


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
    """The text of ``stream`` in chunks that are not empty: gzip opened, byte order mark dropped, line ends as LF.

    Args:
        stream: Seekable bytes, at their beginning.
        label: What messages call it.
        encoding: Checked by `check_encoding`.

    Raises:
        CorpusError: bytes that do not decode (with their offset), damaged gzip, or a NUL character.
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
            raise CorpusError(f"cannot read {label}: {getattr(error, 'strerror', None) or error}") from error
        fed += len(data)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            # The decoder prepends what it held back of earlier chunks, so offsets count from the end.
            offset = fed - len(error.object) + error.start
            raise CorpusError(_undecodable(label, encoding, error, offset)) from error
        except UnicodeError as error:
            raise CorpusError(
                f"{label} does not decode as {encoding}: {error}; name its encoding with --encoding"
            ) from error
        if beginning and text:
            text = text.removeprefix("\ufeff")
            beginning = False
        if "\0" in text:
            raise CorpusError(
                f"{label} looks binary: it holds NUL characters; chargen reads plain text, and UTF-16 only with "
                "--encoding utf-16"
            )
        if text:
            yield text


def read_text(path: str | Path, encoding: str = "utf-8") -> str:
    """The whole text of a file, or of standard input for ``"-"``, decoded and normalised as a corpus is.

    Raises:
        CorpusError: the file cannot be read or does not decode.
    """
    check_encoding(encoding)
    if str(path) == STDIN:
        source = Source("standard input", None, io.BytesIO(sys.stdin.buffer.read()))
    elif Path(path).is_dir():
        raise CorpusError(f"{path} is a folder, not a text file")
    else:
        data_path = Path(path)
        try:
            source = Source(str(path), None, io.BytesIO(data_path.read_bytes()))
        except OSError as error:
            raise CorpusError(f"cannot read {path}: {error.strerror or error}") from error
    with source.open() as stream:
        return "".join(decoded(stream, source.label, encoding))


def _undecodable(label: str, encoding: str, error: UnicodeDecodeError, offset: int) -> str:
    byte = error.object[error.start] if error.start < len(error.object) else 0
    if error.object[:2] in _UTF16 and offset == 0:
        hint = "it begins like UTF-16, so try --encoding utf-16"
    else:
        hint = "name its encoding with --encoding, for example cp1252"
    return f"{label} is not {encoding}: byte 0x{byte:02X} at offset {offset} does not decode ({error.reason}); {hint}"
