"""The sources of a text, names and paths, as files to read: built-in corpora, files, folders, standard input.

A name is looked up in this order: ``-`` is standard input; a bare word that names a built-in corpus or a list of
them is that (write ``./alice`` for a file or folder of the same name); everything else is a path.
"""

import contextlib
import difflib
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NamedTuple

from chargen.errors import CorpusError
from chargen.text import decode
from chargen.text.decode import CHUNK, STDIN, Decoding, standard_input, unreadable
from chargen.text.document_kind import is_html
from chargen.text.folder import texts_in

LISTS: Final[Mapping[str, tuple[str, ...]]] = {"english": ("austen", "moby-dick", "addresses")}
"""Names that stand for several built-in corpora."""

UNSIZED: int = 1 << 26
"""Bytes at most of a file that does not say how many it has."""


@dataclass(frozen=True)
class Source:
    """Bytes that can be read more than once.

    Attributes:
        label: What messages call it.
        decoding: How its bytes become characters.
        path: The file, None for what came through a pipe.
        spool: A copy of what a path or standard input gives only once.
    """

    label: str
    decoding: Decoding
    path: Path | None = None
    spool: IO[bytes] | None = None

    @contextlib.contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The bytes, from their beginning.

        Raises:
            CorpusError: the file cannot be opened, or is none any more.
        """
        with contextlib.ExitStack() as stack:
            if self.path is None:
                assert self.spool is not None  # noqa: S101  # a source has the one or the other
                self.spool.seek(0)
                stream = self.spool
            else:
                stream = stack.enter_context(_opened(self.path, self.label))
                if os.fstat(stream.fileno()).st_size == 0:
                    stream = io.BytesIO()  # those of /proc say so too, and some of them never end
            yield stream

    def signature(self) -> tuple[str, str, str, int, int, int] | None:
        """What differs once the file was changed: path, decoding, size, time of change, inode; None for a pipe.

        Raises:
            CorpusError: the file is gone.
        """
        if self.path is None:
            return None
        try:
            path, status = self.path.resolve(), self.path.stat()
        except OSError as error:
            raise unreadable(self.label, error) from error
        return (
            str(path),
            self.decoding.encoding,
            self.decoding.errors,
            status.st_size,
            status.st_mtime_ns,
            status.st_ino,
        )


class Found(NamedTuple):
    """What a source stands for: the name that it gives a corpus, its files, and what there is to tell of them."""

    name: str
    files: list[Source]
    notes: tuple[str, ...] = ()


def builtin() -> dict[str, Path]:
    """The files of the corpora that come with chargen, by the corpora's names."""
    package = Path(__file__).parent.parent
    # A wheel carries the folder inside the package, a checkout beside it.
    for folder in (package / "corpora", package.parent / "corpora"):
        if folder.is_dir():
            files = sorted([*folder.glob("*.txt"), *folder.glob("*.txt.gz")])
            return {path.name.removesuffix(".gz").removesuffix(".txt"): path for path in files}
    return {}


def members_of(source: str) -> tuple[str, ...]:
    """The built-in corpora that a list's name stands for; any other source alone."""
    return LISTS.get(source, (source,))


def read_text(source: str, encoding: str = "utf-8", errors: str = "strict") -> str:
    """The whole text of a built-in corpus, of a list of them, of a file, or of standard input for ``"-"``.

    Args:
        source: A name or a path, looked up as said above.
        encoding: As in ``Decoding``, of what is not built in.
        errors: Likewise.

    Raises:
        CorpusError: the file cannot be read or does not decode.
    """
    files, members = builtin(), members_of(source)
    if all(member in files for member in members):
        return "".join(decode.read_text(files[member]) for member in members)
    return decode.read_text(source, encoding, errors)


def find(source: str, decoding: Decoding, glob: str | None, stack: contextlib.ExitStack) -> Found:
    """The files that one source stands for; ``stack`` closes copies of pipes.

    Raises:
        CorpusError: there is no such source, it cannot be read, or it is a folder without text files.
    """
    if source == STDIN:
        return Found("stdin", [_spooled("standard input", None, decoding, stack)])
    known = builtin()
    if source in known:
        return Found(source, [Source(source, Decoding(), known[source])])
    if not source.strip():
        raise CorpusError("the name of a text is empty; name a file, a folder or a built-in corpus")
    path = Path(source)
    try:
        status = path.stat()
    except FileNotFoundError as error:
        names = [*known, *LISTS]
        close = difflib.get_close_matches(source, [*names, *_beside(path)], n=1)
        hint = f"did you mean {close[0]}?" if close else f"built in: {', '.join(names) or 'none'}"
        raise CorpusError(f"no file, folder or built-in corpus {source!r}; {hint}") from error
    except (OSError, ValueError) as error:
        raise unreadable(repr(source), error) from error
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        files, note = texts_in(path, glob)
        return Found(path.resolve().name or "root", [Source(str(file), decoding, file) for file in files], (note,))
    name = Path(path.name.removesuffix(".gz")).stem
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise CorpusError(f"{path} is a device, which may have no end; name a file, a folder or - for standard input")
    if stat.S_ISREG(mode):
        file = Source(str(path), decoding, path) if status.st_size else _copied(str(path), path, decoding)
    else:
        file = _spooled(str(path), path, decoding, stack)
    return Found(name, [file])


def _beside(path: Path) -> Iterator[str]:
    """What else there is in the folder of a path, as one would type it; nothing where that cannot be read."""
    with contextlib.suppress(OSError):
        yield from (name for name in map(str, path.parent.iterdir()) if name.isprintable())


def web_pages(sources: Sequence[Source]) -> tuple[str, ...]:
    """A note on those of the sources that are web pages, if there are any."""
    pages = [source.label for source in sources if source.path and _is_web_page(source)]
    if not pages:
        return ()
    others = f" and {len(pages) - 1:,} more are web pages" if len(pages) > 1 else " is a web page"
    return (
        f"{pages[0]}{others} (HTML): the tags will be learnt as well; to leave them out, save the text alone first",
    )


def _is_web_page(source: Source) -> bool:
    with source.open() as stream:
        return is_html(decode.beginning(stream))


def can_be_read_again(source: str) -> bool:
    """Whether a source is no pipe, device or standard input, which give their text once, or without end."""
    if source == STDIN:
        return False
    with contextlib.suppress(OSError, ValueError):
        mode = Path(source).stat().st_mode
        return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    return True


def _opened(path: Path, label: str) -> IO[bytes]:
    """A file, and nothing but a file, that neither opening nor reading waits for.

    Raises:
        CorpusError: it cannot be opened, or is something else.
    """
    try:
        stream = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115  # Path.open takes no opener
    except OSError as error:
        raise unreadable(label, error) from error
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise CorpusError(f"{label} is a pipe, a device or a socket now, no file; name a file")
    return stream


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # which Windows lacks, as it does such files


def _copied(label: str, path: Path, decoding: Decoding) -> Source:
    """A file that says it is empty, as those of /proc do, which cannot be searched: what can be read of it now."""
    try:
        with _opened(path, label) as stream:
            data = stream.read(UNSIZED + 1) or b""  # None where one would have to wait
    except OSError as error:
        raise unreadable(label, error) from error
    if len(data) > UNSIZED:
        raise CorpusError(f"{label} says that it is empty and has more than {UNSIZED:,} bytes; copy it to a file first")
    return Source(label, decoding, spool=io.BytesIO(data))


def _spooled(label: str, path: Path | None, decoding: Decoding, stack: contextlib.ExitStack) -> Source:
    """A pipe, standard input for None, copied to a temporary file so that it can be read twice."""
    try:
        spool = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # the stack closes it
        stream = standard_input() if path is None else stack.enter_context(path.open("rb"))
        shutil.copyfileobj(stream, spool, CHUNK)
    except (OSError, ValueError) as error:
        raise unreadable(label, error) from error
    return Source(label, decoding, spool=spool)
