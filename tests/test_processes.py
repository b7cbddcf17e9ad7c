"""Processes and signals: a stop that is asked for, and the launcher of several processes with small ones of its own."""

import contextlib
import errno
import io
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from samples import checkpoint

from chargen.cli import processes
from chargen.cli.main import main
from chargen.cli.processes import Stop, launch
from chargen.errors import TrainingError
from chargen.store.checkpoint import load, save

WAITING = "import os; os.read(0, 1)"
"""A process that waits for as long as the launcher lives."""


@pytest.fixture
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.0)


def of_ranks(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    """Let the launcher start these programs, one a rank."""
    program = f"import os; exec({programs!r}[int(os.environ['RANK'])])"
    monkeypatch.setattr(processes, "_CHILD", program)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_the_first_step_a_signal_ends_at_once(number: signal.Signals) -> None:
    """While nobody has asked yet whether to stop, there is nothing to save."""
    with pytest.raises(SystemExit, match=str(128 + number)), Stop():
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_ends(number: signal.Signals) -> None:
    """Once a training steps, it is the one that ends in good order."""
    with Stop() as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        with pytest.raises(SystemExit, match=str(128 + number)):
            os.kill(os.getpid(), number)


class Gone(io.StringIO):
    """A terminal that was closed."""

    def isatty(self) -> bool:
        """What it was."""
        return True

    def write(self, _text: str, /) -> int:
        """Fail, as whatever is written to it does."""
        raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize(
    "command",
    [
        ["train", "text.txt", "--run", "a", "--steps", "20", "--hidden-size", "8"],
        ["compare", "text.txt", "--steps", "3", "--parameters", "20000", "--cells", "gru,lstm"],
        ["score", "tiny", "text.txt", "--adapt"],
        ["sample", "tiny", "--adapt-to", "text.txt", "-n", "5"],
    ],
    ids=lambda command: command[0],
)
def test_losing_the_screen_never_loses_the_work(
    command: list[str], folder: Path, text_file: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where stderr is gone, all goes on without being told of."""
    (folder / "text.txt").write_bytes(text_file.read_bytes()[:2000])
    shutil.copytree(trained, folder / "checkpoints" / "tiny")
    monkeypatch.setattr("sys.argv", ["chargen", *command])
    monkeypatch.setattr("sys.stderr", Gone())
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code
    if command[0] == "train":
        assert load(folder / "checkpoints" / "a" / "last.safetensors", with_state=True).history[-1].step == 20


def test_the_export_comes_before_the_result(folder: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk behind stdout loses what is printed there, not the model."""
    command = ["train", str(text_file), "--steps", "3", "--hidden-size", "8", "--json", "--export", "model.safetensors"]
    monkeypatch.setattr("sys.argv", ["chargen", *command])
    monkeypatch.setattr("sys.stdout", Gone())
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    assert load(folder / "model.safetensors").vocab


class Endless(io.RawIOBase):
    """A pipe that goes on for ever, whose reader is asked to end."""

    def readable(self) -> bool:
        """As a pipe is."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Some text, and a signal."""
        buffer[:4] = b"text"
        os.kill(os.getpid(), signal.SIGTERM)
        return 4


def test_a_text_that_never_ends_can_be_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One signal is enough while the text is still being read, and nothing is left behind."""
    monkeypatch.setattr("sys.argv", ["chargen", "train", "-"])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(Endless()), encoding="utf-8"))
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 128 + signal.SIGTERM
    assert list(folder.iterdir()) == []


def test_all_that_end_well_end_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 0; each knows its place, and to do without the libuv that torch lacks on Windows."""
    knows = "import os; assert [os.environ[name] for name in ('RANK', 'WORLD_SIZE', 'USE_LIBUV')] == ['{}', '2', '0']"
    of_ranks(monkeypatch, knows.format(0), knows.format(1))
    assert launch(2, []) == 0


def test_the_first_tells_of_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exit code is the launcher's, which adds nothing."""
    of_ranks(monkeypatch, "raise SystemExit(2)", "raise SystemExit(1)")
    assert launch(2, []) == 2


@pytest.mark.usefixtures("_no_grace")
@pytest.mark.parametrize("lost", [0, 1])
def test_a_process_lost_before_they_met_is_told(lost: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others, which would wait for hours, are ended, and the error says which one was lost and how."""
    programs = [WAITING, WAITING]
    programs[lost] = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    of_ranks(monkeypatch, *programs)
    with pytest.raises(TrainingError, match=rf"process {lost + 1} of 2 was lost \(signal 9\)"):
        launch(2, [])


@pytest.mark.usefixtures("_no_grace")
def test_an_error_that_the_first_cannot_tell_of_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where it waits for the one that has ended."""
    of_ranks(monkeypatch, WAITING, "raise SystemExit(3)")
    with pytest.raises(TrainingError, match=r"process 2 of 2 was lost \(exit code 3\)"):
        launch(2, [])


def test_a_stop_asked_of_one_is_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others have heard of it and ended well, and the exit code says what it was."""
    of_ranks(monkeypatch, "pass", f"raise SystemExit({128 + signal.SIGTERM})")
    assert launch(2, []) == 128 + signal.SIGTERM


@pytest.mark.usefixtures("_no_grace")
@pytest.mark.parametrize("windows", [False, True])
def test_a_second_signal_ends_all(windows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that are deaf to it. On Windows, simulated here, no process can be sent Ctrl-C, nor need it be."""
    of_ranks(monkeypatch, *["import signal; signal.signal(signal.SIGINT, signal.SIG_IGN);" + WAITING] * 2)
    monkeypatch.setattr(processes, "WINDOWS", windows)
    monkeypatch.setattr("time.sleep", lambda _seconds: os.kill(os.getpid(), signal.SIGINT))
    send, sent = subprocess.Popen.send_signal, list[int]()

    def sending(child: "subprocess.Popen[bytes]", number: int) -> None:
        sent.append(number)
        send(child, number)

    monkeypatch.setattr(subprocess.Popen, "send_signal", sending)
    assert launch(2, []) == 130
    assert (signal.SIGINT in sent) is not windows


def test_nothing_of_the_current_folder_is_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A text may lie beside a random.py, or beside a folder called chargen."""
    (folder / "random.py").write_text("print('random.py was run')")
    (folder / "chargen").mkdir()
    for name in ("__init__", "__main__"):
        (folder / "chargen" / f"{name}.py").write_text("print('another chargen was run')")
    assert launch(1, ["--version"]) == 0
    assert capfd.readouterr().out.startswith("chargen ")


def test_a_process_that_has_not_begun_ends_at_once_with_its_launcher() -> None:
    """Where nothing is there yet that could save, nothing is waited for."""
    program = (
        "import os, threading; from chargen.cli import processes; processes.GRACE_SECONDS = 3600.0; "
        "os.environ['RANK'] = '1'; processes.follow_launcher(); threading.Event().wait()"
    )
    done = subprocess.run([sys.executable, "-c", program], input=b"", capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, b"")


FOLLOWING = """
import os, threading
from chargen.cli import processes
from chargen.cli.main import main
processes.GRACE_SECONDS = 0.0 if {deaf} else 3600.0
os.environ["RANK"] = "0"
with processes.Stop() as stop:
    stop()
    processes.follow_launcher()
    while {deaf} or not stop():
        threading.Event().wait({deaf} or 0.001)
print("saved")
"""


@pytest.mark.parametrize(("deaf", "code", "out"), [("None", 0, "saved\n"), ("3600", 1, "")])
def test_a_process_ends_with_its_launcher(deaf: str, code: int, out: str) -> None:
    """It is asked to stop, as by a signal, and what cannot hear that ends all the same."""
    with subprocess.Popen(
        [sys.executable, "-c", FOLLOWING.format(deaf=deaf)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        told, error = process.communicate()  # which closes its stdin
    assert (process.returncode, told) == (code, out)
    assert error == "error: the process that started this training was lost\n"


FRAGILE = """
import os, signal
try:
    os.kill(os.getpid(), signal.{name})
except BaseException:
    os.abort()
"""
"""A module that cannot bear an exception in its midst, as C++ code cannot."""


def run_beside(folder: Path, module: str, content: str, *command: str) -> tuple[int, str, str]:
    """What Python leaves that runs ``command`` in a folder with this module: exit code, stdout and stderr."""
    (folder / f"{module}.py").write_text(content)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(processes.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("module", "command"), [("typer", ["--help"]), ("numpy", ["sample"]), ("torch", ["train", "text.txt"])]
)
def test_ctrl_c_while_it_is_imported(module: str, command: list[str], folder: Path) -> None:
    """Whatever is being imported just then, there is neither a traceback nor an exception that aborts."""
    (folder / "text.txt").write_text("some text to train on" * 99)
    done = run_beside(folder, module, FRAGILE.format(name="SIGINT"), "-m", "chargen", *command)
    assert done == (130, "", "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_while_something_is_imported_for_a_training(name: str, folder: Path) -> None:
    """What torch imports late, when it is first used, can bear it no better."""
    program = "from chargen.cli.processes import Stop\nwith Stop(): import fragile"
    done = run_beside(folder, "fragile", FRAGILE.format(name=name), "-c", program)
    assert done == (128 + signal.Signals[name], "", "")


@pytest.mark.parametrize(
    ("command", "until", "end"),
    [
        (["sample", "model.safetensors", "-n", "100000000", "--quiet"], b"a", b"\r\n"),
        (
            ["train", "text.txt", "--steps", "100000000", "--eval-every", "2", "--hidden-size", "8", "--device", "cpu"],
            b"epoch",
            b"chargen sample text\r\n",
        ),
    ],
)
def test_ctrl_c_leaves_the_prompt_a_line_of_its_own(command: list[str], until: bytes, end: bytes, folder: Path) -> None:
    """On a terminal, whatever was being written there, the last thing is a line end; nothing is told of but a stop."""
    (folder / "text.txt").write_text("some text to train on" * 99)
    save(folder / "model.safetensors", checkpoint("a\n"))
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "chargen", *command],
        env=os.environ | {"PYTHONPATH": str(Path(processes.__file__).parents[2])},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        written = b""
        while until not in written:
            written += os.read(ours, 1 << 16)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # which is how a terminal ends
            while more := os.read(ours, 1 << 16):
                written += more
    os.close(ours)
    assert process.returncode == 130
    assert written.endswith(end)
    assert b"Traceback" not in written


def test_ctrl_c_while_python_ends(folder: Path) -> None:
    """There is no traceback either once the command is done."""
    late = "import atexit, os, signal; atexit.register(os.kill, os.getpid(), signal.SIGINT); raise SystemExit(0)"
    assert run_beside(folder, "numpy", late, "-m", "chargen", "sample") == (130, "", "")
