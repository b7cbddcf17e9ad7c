"""What all tests share: one thread, a small text, a small trained run, and the command line in this process."""

import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch and NumPy are first imported, which is later
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what runs in the background ignore it

settings.register_profile(
    "chargen",
    deadline=None,  # nor is a busy machine a reason to fail
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("chargen")


class Result(NamedTuple):
    """What a command left: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The message, after checking that there is exactly one line of it, and nothing on stdout."""
        lines = [line for line in self.err.splitlines() if not line.startswith("note: ")]
        assert self.code in (1, 2), self
        assert self.out == "", self
        assert len(lines) == 1, self
        assert lines[0].startswith("error: "), self
        return lines[0].removeprefix("error: ")


Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test pulls the plug, and on a busy disk a sync may take longer than a training."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


@pytest.fixture(scope="session")
def text() -> str:
    """A few thousand characters of real text."""
    from chargen.text.sources import builtin

    return builtin()["alice"].read_text(encoding="utf-8")[:5000]


@pytest.fixture(scope="session")
def text_file(text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in a file."""
    path = tmp_path_factory.mktemp("text") / "tiny.txt"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that trained a 1x16 network for a few dozen steps; not to be changed."""
    import tiny

    root = tmp_path_factory.mktemp("checkpoints")
    tiny.train(text_file, root, run="tiny", steps=40, eval_every=20, hidden_size=16)
    return root / "tiny"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def chargen(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs ``chargen`` with its arguments in this process, in an empty folder, with ``stdin`` as its input."""

    def run(*arguments: object, stdin: bytes = b"") -> Result:
        from chargen.cli.main import main

        monkeypatch.setattr(sys, "argv", ["chargen", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        return Result(int(caught.value.code or 0), *capsys.readouterr())

    return run
