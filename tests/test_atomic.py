"""Files that appear whole or not at all."""

import errno
import io
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from chargen.atomic import replacing
from chargen.errors import RunError


def write(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data``."""
    with replacing(path) as file:
        file.write(data)


def fail(code: int) -> Any:
    """A function that fails as the operating system does."""

    def failing(*_arguments: object, **_settings: object) -> None:
        raise OSError(code, os.strerror(code))

    return failing


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    """A new file appears with its content, its missing folders are made, and nothing else is left."""
    path = tmp_path / "a" / "b" / "file"
    write(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_an_old_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    """While the new content is being written, whoever reads finds the old."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_the_content_is_on_the_disk_before_the_name_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced, then renamed, then its folder is synced: a power cut leaves the one or the other."""
    order: list[str] = []
    sync, rename = os.fsync, Path.replace

    def noting_sync(handle: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def noting_rename(source: Path, target: Path) -> Path:
        order.append("rename")
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", noting_sync)
    monkeypatch.setattr(Path, "replace", noting_rename)
    write(tmp_path / "file", b"new")
    assert order == ["file", "rename", "folder"]


def test_an_exception_leaves_the_old_file(tmp_path: Path) -> None:
    """Whatever goes wrong in between, Ctrl-C too, the old file stays and no temporary one is left."""
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted(error: type[BaseException]) -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise error

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            interrupted(error)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


class FullDisk(io.BytesIO):
    """A file on a disk that takes nothing more."""

    def write(self, _data: object, /) -> int:
        """Fail."""
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space for the content is one clear error; the old file stays and no temporary one is left."""
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(handle: int, _mode: str) -> FullDisk:
        os.close(handle)
        return FullDisk()

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(RunError, match=r"cannot write .*file: No space left on device"):
        write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.chmod"])
def test_a_failure_at_any_step_leaves_the_old_file(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full only when synced, or a rename refused, leaves the old file and nothing else."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(step, fail(errno.ENOSPC))
    with pytest.raises(RunError, match="No space left"):
        write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_rename_refused_for_a_moment_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where whoever reads the old file stands in the way: simulated here, and without the pauses."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    rename, pauses = Path.replace, list[float]()

    def refused(source: Path, target: Path) -> Path:
        if len(pauses) < 3:
            raise PermissionError(errno.EACCES, "Access is denied")
        return rename(source, target)

    monkeypatch.setattr(Path, "replace", refused)
    monkeypatch.setattr("chargen.atomic.time.sleep", pauses.append)
    write(path, b"new")
    assert path.read_bytes() == b"new"
    assert len(pauses) == 3


def test_a_rename_refused_for_good_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second or two it is an error, and the old file stands."""
    path, pauses = tmp_path / "file", list[float]()
    path.write_bytes(b"old")
    monkeypatch.setattr(Path, "replace", fail(errno.EACCES))
    monkeypatch.setattr("chargen.atomic.time.sleep", pauses.append)
    with pytest.raises(RunError, match="Permission denied"):
        write(path, b"new")
    assert 1 <= sum(pauses) <= 2
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_read_only_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that takes no file is one clear error, even where the temporary file cannot be removed again."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkstemp", fail(errno.EROFS))
        with pytest.raises(RunError, match="Read-only file system"):
            write(path, b"new")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail(errno.EROFS))
        patch.setattr(Path, "unlink", fail(errno.EROFS))
        with pytest.raises(RunError, match="Read-only file system"):
            write(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_folder_in_the_place_of_the_file_is_reported(tmp_path: Path) -> None:
    """A folder is not replaced by a file, nor a file taken for a folder."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    for path in (tmp_path / "folder", tmp_path / "file" / "below"):
        with pytest.raises(RunError, match="cannot write"):
            write(path, b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """What it points to is replaced, there or not yet."""
    link = tmp_path / "link"
    link.symlink_to("target")
    for content in (b"new", b"newer"):
        write(link, content)
        assert link.is_symlink()
        assert (tmp_path / "target").read_bytes() == content


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    """What is no file is not replaced by one."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write(pipe, b"new")
    assert os.read(reader, 9) == b"new"
    os.close(reader)
    assert list(tmp_path.iterdir()) == [pipe]


def test_others_may_read_what_they_could(tmp_path: Path) -> None:
    """The file has the permissions that the process's mask gives any new file, not the temporary file's."""
    before = os.umask(0o027)
    try:
        write(tmp_path / "file", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
