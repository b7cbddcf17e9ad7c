"""Bad input: one line on stderr, exit code 1 or 2, no traceback, nothing half-written."""

import errno
import os
import pickle
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Command
from safetensors.numpy import save_file
from samples import checkpoint, put_together, taken_apart

from chargen.store.checkpoint import save


@pytest.fixture(autouse=True)
def inputs(folder: Path, trained: Path, text: str) -> None:
    """Everything that may be wrong, and one of each that is right, in the working directory."""
    (folder / "text.txt").write_text(text, encoding="utf-8")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "one.txt").write_text("aaaa" * 100)
    (folder / "blank").mkdir()
    (folder / "latin.txt").write_bytes(b"some caf\xe9 here" * 30)
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 4)
    (folder / "nul.txt").write_bytes(b"ab\0" * 100)
    (folder / "zip.txt").write_bytes(b"\x1f\x8b\x08\0broken")
    shutil.copytree(trained, folder / "checkpoints" / "tiny")
    good = folder / "good.safetensors"
    save(good, checkpoint())
    data = good.read_bytes()
    (folder / "cut.safetensors").write_bytes(data[: len(data) // 2])
    (folder / "zero.safetensors").write_bytes(b"")
    (folder / "pickle.safetensors").write_bytes(pickle.dumps({"weight": [1.0] * 50}))
    (folder / "document.docx").write_bytes(b"PK\x03\x04".ljust(400, b"\0"))
    (folder / "huge.safetensors").write_bytes(struct.pack("<Q", 1 << 50) + data[8:])
    save_file({"weight": np.ones(3, np.float32)}, folder / "other.safetensors")
    document, tensors = taken_apart(good)
    put_together(folder / "newer.safetensors", {**document, "format": 99}, tensors)
    flipped = bytearray(data)
    flipped[data.index(checkpoint().weights["readout.weight"].tobytes())] ^= 1
    (folder / "flipped.safetensors").write_bytes(flipped)


def listing() -> dict[str, bytes]:
    """Every file in the working directory."""
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


TRAIN: list[tuple[list[str], int, str]] = [
    (["nothing.txt"], 1, "no file, folder or built-in corpus 'nothing.txt'"),
    (["alcie"], 1, "did you mean alice?"),
    (["blank"], 1, "no text files"),
    (["blank", "--glob", ""], 1, "is no pattern"),
    (["empty.txt"], 1, "is empty"),
    (["one.txt"], 1, "has one distinct character, 'a'"),
    (["latin.txt"], 1, "byte 0xE9 at offset 8 does not decode"),
    (["binary.txt"], 1, "binary"),
    (["nul.txt"], 1, "looks binary: it holds NUL characters"),
    (["zip.txt"], 1, "cannot read zip.txt"),
    (["text.txt", "--encoding", "klingon"], 1, "unknown encoding 'klingon'"),
    (["text.txt", "--encoding", "rot13"], 1, "unknown encoding 'rot13'"),
    (["text.txt", "--min-count", "0"], 2, "min-count must be"),
    (["--resume", ""], 1, "name is empty"),
    (["text.txt", "--init-from", ""], 1, "name is empty"),
    (["text.txt", "--preset", ""], 2, "preset must be one of"),
    (["text.txt", "--min-count", "100000"], 1, "min-count 100000 leaves 0"),
    (["x" * 5000], 1, "File name too long"),
    (["text.txt", "--hidden-size", "0"], 2, "hidden-size must be a whole number from 1 to 65,536, not 0"),
    (["text.txt", "--hidden-size", "65536", "--layers", "64"], 1, "GB to train"),
    (["text.txt", "--layers", "0"], 2, "num-layers must be"),
    (["text.txt", "--cell", "transformer"], 2, "cell must be one of lstm"),
    (["text.txt", "--learning-rate", "nan"], 2, "learning-rate must be a number above 0"),
    (["text.txt", "--learning-rate", "inf"], 2, "learning-rate must be"),
    (["text.txt", "--learning-rate", "-1"], 2, "learning-rate must be"),
    (["text.txt", "--dropout", "1"], 2, "dropout must be"),
    (["text.txt", "--epochs", "0"], 2, "epochs must be"),
    (["text.txt", "--steps", "-5"], 2, "steps must be"),
    (["text.txt", "--batch-size", "0"], 2, "batch-size must be"),
    (["text.txt", "--bptt", "0"], 2, "bptt must be"),
    (["text.txt", "--seed", "-1"], 2, "seed must be"),
    (["text.txt", "--seed", "9" * 400], 2, "seed must be"),
    (["text.txt", "--threads", "-1"], 2, "threads must be"),
    (["text.txt", "--minutes", "nan"], 2, "minutes must be"),
    (["text.txt", "--val-fraction", "0.5", "--test-fraction", "0.5"], 2, "leave less than a tenth of the text"),
    (["text.txt", "--val-fraction", "nan"], 2, "val-fraction must be"),
    (["text.txt", "--val-fraction", "inf"], 2, "val-fraction must be"),
    (["text.txt", "--val-fraction", "-1"], 2, "val-fraction must be"),
    (["text.txt", "--device", "tpu"], 2, "device must be one of"),
    (["text.txt", "--precision", "fp8"], 2, "precision must be one of"),
    (["text.txt", "--preset", "huge"], 2, "preset must be one of"),
    (["text.txt", "--nproc", "0"], 2, "--nproc must be at least 1"),
    (["text.txt", "--run", "a/b"], 1, "run name 'a/b' is not a plain folder name"),
    (["text.txt", "--run", ""], 1, "run name '' is not a plain folder name"),
    (["text.txt", "--run", "x" * 300], 1, "name too long"),
    (["text.txt", "--run", "tiny"], 1, "run 'tiny' exists"),
    (["text.txt", "--init-from", "nothing"], 1, "there is no checkpoint or run 'nothing'"),
    (["text.txt", "--init-from", "cut.safetensors"], 1, "cut.safetensors"),
    (["text.txt", "--init-from", "tiny", "--hidden-size", "9"], 1, "--hidden-size 9 differs from the 16"),
    (["--resume", "nothing"], 1, "there is no run 'nothing'"),
    (["--resume", "a/b"], 1, "there is no run 'a/b'"),
    (["--resume", "tiny", "--bptt", "5"], 2, "--bptt cannot change when a run goes on"),
    (["--resume", "tiny", "--run", "b"], 2, "--run has no meaning with --resume"),
    (["--resume", "tiny", "--overwrite"], 2, "--overwrite has no meaning with --resume"),
    (["latin.txt", "--encoding", "latin-1", "--resume", "tiny"], 1, "is not the text that run 'tiny' was trained on"),
    (["text.txt", "--steps", "abc"], 2, "--steps"),
    (["text.txt", "--steps", "1.5"], 2, "not '1.5'"),
    (["text.txt", "--hidden-siz", "3"], 2, "No such option: --hidden-siz"),
    (["text.txt", "--run"], 2, "--run"),
]

SAMPLE: list[tuple[list[str], int, str]] = [
    (["nothing"], 1, "there is no checkpoint or run 'nothing'"),
    (["x" * 5000], 1, "File name too long"),
    (["blank"], 1, "blank is a folder without best.safetensors"),
    (["text.txt"], 1, "text.txt is not a safetensors file"),
    (["text.txt"], 1, "it looks like a text: name a model before it, or make one of it with chargen train text.txt"),
    (["document.docx"], 1, "document.docx is not a safetensors file, or it is cut short (400 bytes)"),
    (["cut.safetensors"], 1, "cut.safetensors is not a safetensors file, or it is cut short"),
    (["zero.safetensors"], 1, "zero.safetensors is not a safetensors file, or it is cut short (0 bytes)"),
    (["pickle.safetensors"], 1, "pickle.safetensors is a pickle"),
    (["huge.safetensors"], 1, "huge.safetensors is not a safetensors file, or it is cut short"),
    (["other.safetensors"], 1, "other.safetensors is a safetensors file of another program"),
    (["newer.safetensors"], 1, "newer.safetensors has checkpoint format 99; this chargen reads format 1"),
    (["flipped.safetensors"], 1, "does not match its checksum"),
    (["good.safetensors", "-t", "-1"], 2, "temperature must be a number from 0 to 100, not -1.0"),
    (["good.safetensors", "-t", "nan"], 2, "temperature must be a number from 0 to 100, not nan"),
    (["good.safetensors", "-t", "inf"], 2, "temperature must be"),
    (["good.safetensors", "--top-p", "0"], 2, "top-p must be a number above 0 and at most 1, not 0.0"),
    (["good.safetensors", "--top-p", "1.1"], 2, "top-p must be"),
    (["good.safetensors", "--top-k", "-1"], 2, "top-k must be"),
    (["good.safetensors", "--min-p", "2"], 2, "min-p must be"),
    (["good.safetensors", "--repetition-penalty", "0"], 2, "repetition-penalty must be"),
    (["good.safetensors", "--penalty-window", "0"], 2, "penalty-window must be"),
    (["good.safetensors", "-p", "a", "-n", "-1"], 2, "length must be"),
    (["good.safetensors", "-p", "a", "--num-samples", "0"], 2, "num-samples must be"),
    (
        ["good.safetensors", "-p", "a", "--num-samples", "9" * 12],
        2,
        "num-samples must be a whole number of at most 100,000",
    ),
    (["good.safetensors", "-p", "a", "--seed", "-1"], 2, "seed must be"),
    (["good.safetensors", "-p", "a", "--stop", ""], 2, "a stop string must not be empty"),
    (["good.safetensors", "-p", "a", "--save-state", "text.txt/state"], 2, "text.txt/state cannot be written"),
    (["good.safetensors", "-p", "a", "--prompt-file", "text.txt"], 2, "two prompts"),
    (["good.safetensors", "--prompt-file", ""], 1, "the name of a text is empty"),
    (["good.safetensors", "--adapt-to", ""], 1, "the name of a text is empty"),
    (["good.safetensors", "--save-state", ""], 2, "is a folder; name a file in it"),
    (["good.safetensors", "--prompt-file", "nothing.txt"], 1, "cannot read nothing.txt"),
    (["good.safetensors", "--prompt-file", "blank"], 1, "cannot read blank"),
    (["good.safetensors", "--prompt-file", "latin.txt"], 1, "byte 0xE9 at offset 8"),
    (["good.safetensors", "-p", "ab\x1bX", "--strict"], 1, "is not in the model's vocabulary"),
    (["good.safetensors", "--interactive", "--json"], 2, "--interactive needs the terminal"),
    (["good.safetensors", "--length", "x"], 2, "not 'x'"),
    (["good.safetensors", "--warmth", "3"], 2, "No such option"),
    (["good.safetensors", "more"], 2, "more"),
]

OTHERS: list[tuple[list[str], int, str]] = [
    (["sampel"], 2, "No such command 'sampel'. Did you mean 'sample'?"),
    (["help"], 2, "No such command 'help'; see chargen --help"),
    (["sample", "--temp", "1"], 2, "No such option: --temp (Possible options: --temperature)"),
    (["train", "--xyzzy"], 2, "No such option: --xyzzy; see chargen train --help"),
    (["runs", "nothing"], 2, "see chargen runs --help"),
    (["export"], 2, "; see chargen export --help"),
    (["infill", "good.safetensors"], 2, "Missing argument"),
    (["inspect", "nothing"], 1, "there is no checkpoint or run"),
    (["inspect", "cut.safetensors"], 1, "cut.safetensors"),
    (["inspect", "pickle.safetensors"], 1, "is a pickle"),
    (["inspect", "blank"], 1, "is a folder without"),
    (["inspect", "x" * 5000], 1, "File name too long"),
    (["encode", "good.safetensors", "-t", "a", "-o", "text.txt/x.npy"], 2, "text.txt/x.npy cannot be written"),
    (["embeddings", "good.safetensors", "--json", "-o", "blank"], 2, "blank is a folder"),
    (["encode", "good.safetensors", "-t", "a", "--layer", "9" * 5000], 2, "give a layer's number, from 0, or all"),
    (["corpora", "--clear"], 2, "--clear removes what --cache lists"),
    (["compare", "text.txt", "--minutes", "1", "--steps", "5"], 2, "two budgets"),
    (["compare", "text.txt", "--parameters", "10", "--steps", "5"], 1, "parameters 10 is too few"),
    (["gradflow", "--cell", "rnn", "--steps", "5"], 2, "--steps is about the training that comes with"),
    (["infill", "good.safetensors", "a_c", "--chains", "0"], 2, "chains must be"),
    (["encode", "", "-t", "a"], 1, "name is empty"),
    (["encode", "good.safetensors", ""], 1, "the name of a text is empty"),
    (["encode", "good.safetensors", "-t", "a", "--layer", "9"], 1, "layer must be from 0"),
    (["embeddings", "good.safetensors", "-k", "0"], 2, "neighbours must be"),
]

CASES = [
    *((["train", *arguments], code, words) for arguments, code, words in TRAIN),
    *((["sample", *arguments], code, words) for arguments, code, words in SAMPLE),
    *OTHERS,
]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    CASES,
    ids=[" ".join(case[0])[:60].encode("unicode_escape").decode() for case in CASES],
)
def test_bad_input_is_one_line(arguments: list[str], code: int, words: str, chargen: Command) -> None:
    """What was wrong, with which value; no other line, no traceback, and every file as it was."""
    before = listing()
    result = chargen(*arguments)
    assert words in result.error
    assert result.code == code
    assert result.error.isprintable()
    assert listing() == before
    assert sorted(path.name for path in Path("checkpoints").iterdir()) == ["tiny"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample", "-n", "-5"],
        ["sample", "-i", "--seed", "-1"],
        ["sample", "--num-samples", "0"],
        ["sample", "--num-samples", "9" * 12],
        ["sample", "--beams", "0"],
        ["sample", "--items", "0"],
        ["sample", "--max-length", "0"],
        ["sample", "--stop", ""],
        ["sample", "--adapt-to", "nothing.txt"],
        ["sample", "-t", "-1"],
        ["score", "--split", "all"],
        ["score", "--split", "val", "--context", "-1"],
        ["embeddings", "-k", "0"],
        ["embeddings", "-c", "ab"],
        ["gradflow", "--cell", "transformer"],
        ["compare", "texts", "--cells", "transformer"],
        ["compare", "texts", "--seeds", "0"],
    ],
    ids=" ".join,
)
def test_a_wrong_value_is_refused_before_any_note(arguments: list[str], chargen: Command, text: str) -> None:
    """Nobody is told the model, the seed or what was read, and then that none of it was of use."""
    Path("texts").mkdir()
    Path("texts/a.txt").write_text(text, encoding="utf-8")
    result = chargen(*arguments)
    assert result.err == f"error: {result.error}\n"


def test_no_checkpoint_at_all_says_how_to_make_one(chargen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a run and without the pretrained model, the command that makes one is named."""
    shutil.rmtree("checkpoints")
    monkeypatch.setattr("chargen.store.lookup.bundled", dict)
    for command in ("sample", "inspect"):
        assert "make one with: chargen train" in chargen(command).error


def test_memory_that_runs_out_is_one_line(chargen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever torch runs out of it, the message says what to lower; what else torch refuses is a defect and shows."""

    def failing(error: Exception) -> Command:
        def learn(*_arguments: object) -> None:
            raise error

        monkeypatch.setattr("chargen.training.step.Learner.learn", learn)
        return lambda: chargen("train", "text.txt", "--overwrite", "--run", "a", "--steps", "3", "--hidden-size", "8")

    with pytest.raises(RuntimeError, match="allocate") as caught:
        torch.empty(1 << 60)
    for error in (caught.value, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")):
        result = failing(error)()
        assert "there is not enough memory; lower --batch-size, --bptt or --hidden-size" in result.err
        assert "Traceback" not in result.err
        assert result.code == 1
    with pytest.raises(RuntimeError, match="a defect"):
        failing(RuntimeError("a defect"))()


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "No space left"), (errno.EROFS, "Read-only file system")])
def test_a_run_that_cannot_be_written(code: int, words: str, chargen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk or a read-only folder from the first write on: one line, no checkpoint, no temporary file."""

    def refuse(_handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    result = chargen("train", "text.txt", "--run", "a", "--steps", "3", "--hidden-size", "8", "-q")
    assert words in result.error
    assert list(Path("checkpoints/a").iterdir()) == []


def test_an_unwritable_place_for_runs(chargen: Command) -> None:
    """A file in the place of the folder of runs is told before training."""
    shutil.rmtree("checkpoints")
    Path("checkpoints").write_text("a file")
    assert "checkpoints" in chargen("train", "text.txt", "--steps", "3").error
    assert Path("checkpoints").read_text() == "a file"


def test_broken_text_on_stdin_is_reported(chargen: Command) -> None:
    """What comes through a pipe is called standard input."""
    assert "standard input is not utf-8: byte 0xFF at offset 2" in chargen("train", "-", stdin=b"ab\xff").error
    sampled = chargen("sample", "good.safetensors", "--prompt-file", "-", stdin=b"\xff")
    assert "standard input" in sampled.error


def test_nothing_is_unpickled(chargen: Command, folder: Path) -> None:
    """A pickle that would run a command is refused without being read."""

    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (folder / "harmed",))

    for protocol in range(6):
        (folder / "evil.safetensors").write_bytes(pickle.dumps(Harmful(), protocol))
        for command in (["sample"], ["inspect"], ["train", "text.txt", "--init-from"]):
            assert "evil.safetensors" in chargen(*command, "evil.safetensors").error
    assert not (folder / "harmed").exists()


def shell(command: str) -> "subprocess.CompletedProcess[str]":
    """A command line run as a person would, ``chargen`` being this interpreter's."""
    script = f'chargen() {{ {sys.executable} -m chargen "$@"; }}\nset -o pipefail\n{command}'
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)


def test_from_a_shell(folder: Path) -> None:
    """The same in processes of their own: exit code, one line, no traceback."""
    done = shell("chargen sample cut.safetensors")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: cut.safetensors is not a safetensors file")
    assert done.stderr.count("\n") == 1
    done = shell("chargen sample good.safetensors --temperature hot")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_on_a_terminal_a_long_line_breaks_between_words(chargen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an error and of a note, where the terminal's line ends."""
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    error = chargen("train", "text.txt", "--separator", "***", "--run", "a").err
    note = chargen("sample", "good.safetensors", "-p", "aXaY", "--seed", 1, "-n", 1).err
    for told, beginning in ((error, "error: "), (note, "note: ")):
        assert told.startswith(beginning)
        lines = told.splitlines()
        assert len(lines) > 1
        assert max(map(len, lines)) <= 50


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_full_disk_behind_stdout(folder: Path) -> None:
    """Text or JSON that cannot be written is one line, whatever is still buffered at the end."""
    for arguments in ("sample good.safetensors --seed 1", "sample good.safetensors --json", "inspect good.safetensors"):
        done = shell(f"chargen {arguments} > /dev/full")
        assert (done.returncode, done.stderr) == (1, "error: cannot write the output: No space left on device\n")


def test_a_reader_that_has_gone(folder: Path) -> None:
    """With `| head` the command ends without a word."""
    done = shell("chargen sample good.safetensors -p aaaaa -n 100000 --seed 1 | head -c 5")
    assert (done.stdout, done.stderr) == ("aaaaa", "")


def test_without_a_stdout(folder: Path) -> None:
    """A closed stdout or stderr, as some schedulers leave it, is no reason to break down."""
    assert shell("chargen sample good.safetensors --seed 1 >&-").returncode == 0
    assert shell("chargen sample good.safetensors 2>&-").returncode == 0
    assert shell("chargen sample cut.safetensors 2>&-").returncode == 1
