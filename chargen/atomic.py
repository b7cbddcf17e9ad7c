"""Files that appear whole or not at all."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from chargen.errors import RunError

RETRY_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""The pauses before a refused rename is tried again, a second and a half in all."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A binary file to write into, put in the place of ``path`` at the end: synced first, then renamed.

    Until then the old file stands untouched; an exception, a full disk or a killed process leaves it so. Of a link,
    the file that it points to is replaced. A device or a pipe is written into as it is.

    Raises:
        RunError: the folder or the file cannot be written, or the disk is full.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:
                yield stream
            return
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        _rename(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _rename(temporary: Path, path: Path) -> None:
    """Put one file in the place of another; on Windows a reader or a virus scanner of either refuses it for a moment.

    Raises:
        OSError: the rename failed, or was refused for longer than a moment.
    """
    for seconds in RETRY_SECONDS:
        with contextlib.suppress(PermissionError):
            temporary.replace(path)
            return
        time.sleep(seconds)
    temporary.replace(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system lets a folder be opened for that (not on Windows)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
