"""``chargen sample --interactive``: turns on stdout, everything else on stderr, and no turn that breaks the text."""

import io
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Command, Result
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput
from samples import checkpoint

from chargen.api import load
from chargen.cli import line_editor
from chargen.cli.interactive import Session
from chargen.config import SamplerConfig
from chargen.errors import CheckpointError
from chargen.inference.generate import Piece
from chargen.inference.shared_text import SharedText
from chargen.inference.text_end import TextEnd
from chargen.store.checkpoint import save


@pytest.fixture(autouse=True)
def model(folder: Path) -> None:
    """A model of random weights, which never ends a line by itself."""
    save(folder / "model.safetensors", checkpoint(" abcde"))


def talk(chargen: Command, stdin: str | bytes, *arguments: object) -> Result:
    """A whole session of turns of about 12 characters."""
    data = stdin if isinstance(stdin, bytes) else stdin.encode()
    result = chargen("sample", "model.safetensors", "-i", "--seed", 3, "-n", 12, *arguments, stdin=data)
    assert result.code == 0
    return result


def expected(*turns: tuple[str, int]) -> tuple[list[str], str]:
    """What the library writes in turns, each of what is typed and a seed: every turn's characters, and the text."""
    model = load("model.safetensors")
    text = SharedText(model.network, model.vocab)
    lines = [
        typed + "".join(text.write(typed, end=TextEnd(turn_length=12), seed=seed, sampler=SamplerConfig()))
        for typed, seed in turns
    ]
    return lines, text.text


def continuation(prompt: str, seed: int) -> str:
    """The first turn."""
    return expected((prompt, seed))[0][0].removeprefix(prompt)


def test_turns_build_one_text(chargen: Command) -> None:
    """Each line is shown with its continuation, and the next one goes on from there with the next seed."""
    result = talk(chargen, "ab\ncd\n\n/text\n/new\ne\n")
    lines, text = expected(("ab", 3), ("cd", 4), ("", 5))
    assert result.out.splitlines() == [*lines, text.rstrip(), *expected(("e", 6))[0]]
    assert "/again" in result.err


def test_again_writes_another(chargen: Command) -> None:
    """With a fixed seed too; setting the seed brings the first one back."""
    lines = talk(chargen, "ab\n/again\n/seed 3\n/again\n").out.splitlines()
    assert lines == ["ab" + continuation("ab", 3), continuation("ab", 4), continuation("ab", 3)]


def test_a_turn_is_taken_back(chargen: Command) -> None:
    """What was typed goes with it, and the end of the text that is left is told."""
    result = talk(chargen, "ab\ncd\n/undo\n/text\n/undo\n/undo\n")
    lines, _ = expected(("ab", 3), ("cd", 4))
    assert result.out.splitlines() == [*lines, lines[0].rstrip()]
    assert f"taken back; the text ends with {expected(('ab', 3))[1]!r}" in result.err
    assert "taken back; the text is empty" in result.err
    assert "error: there is no turn yet" in result.err


def test_a_prompt_is_the_first_turn(chargen: Command) -> None:
    """What --prompt gives is shown and continued before anything is read."""
    assert talk(chargen, "", "-p", "ab").out == "ab" + continuation("ab", 3) + "\n"


@pytest.mark.parametrize("word", ["quit", "exit", "/quit", "/exit", "QUIT", "/quit "])
def test_the_words_that_people_type_leave(chargen: Command, word: str) -> None:
    """With a slash and without; behind a space the word is text."""
    assert talk(chargen, f"{word}\nab\n").out == ""
    assert talk(chargen, f" {word}\n").out.strip() != ""


def test_a_new_text_does_not_lose_the_last(chargen: Command, folder: Path) -> None:
    """/undo goes back to it, which is said where it is not saved; and /save needs another name for the new one."""
    result = talk(chargen, "ab\n/save a.txt\n/new\n/save\ncd\n/save b.txt\n/undo\n/undo\nde\n/new\n/undo\n/save\n")
    lines, text = expected(("ab", 3), ("de", 5))
    assert (folder / "a.txt").read_text() == text.rstrip() + "\n"
    assert (folder / "b.txt").read_text() == expected(("cd", 4))[1].rstrip() + "\n"
    assert result.out.splitlines() == [lines[0], *expected(("cd", 4))[0], lines[1]]
    assert result.err.count("error: ") == 1
    told = [line.lstrip("> ") for line in result.err.splitlines() if "a new text begins" in line]
    assert told == ["a new text begins", "a new text begins; the last one is not saved, and /undo goes back to it"]


def test_help_fits_the_screen(chargen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shown at the beginning and by either name, and no line of it is longer than 79 columns, or a narrow one."""
    once, thrice = talk(chargen, "").err, talk(chargen, "help\n/help\n").err
    assert thrice.count("/again") == 3 * once.count("/again") == 3
    assert max(map(len, once.splitlines())) < 80
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    narrow = talk(chargen, "").err
    assert max(map(len, narrow.splitlines())) <= 40
    assert narrow.split() == once.split()


def test_a_command_without_a_value_shows_it(chargen: Command) -> None:
    """Also to who wants to hear of errors alone, since it was asked for."""
    asked = "/temperature\n/top_k\n/top-p\n/length\n/seed\n"
    shown = ["temperature is 0.5", "top_k is 0", "top_p is 1.0", "length is 12", "seed is 3 for the next turn"]
    assert talk(chargen, asked, "-t", "0.5", "--quiet").err.splitlines() == shown
    assert "seed is 5 for the next turn; the last turn had 4" in talk(chargen, "ab\n\n/seed\n").err
    random = chargen("sample", "model.safetensors", "-i", stdin=b"/seed\nab\n/seed\n/temperature 2\n/temperature\n").err
    assert "seed is random\n" in random
    assert "seed is random; the last turn had " in random
    assert "temperature is 2.0\n" in random
    assert talk(chargen, "/Temperature\n", "--quiet").err == "temperature is 0.8\n"


def test_the_text_is_saved_whole(chargen: Command, folder: Path) -> None:
    """In a file of a name, which later saves replace; no file that was there before is."""
    (folder / "old.txt").write_text("precious")
    result = talk(chargen, "/save\n/save new.txt\nab\n/save new.txt\n/save old.txt\n/save .\ncd\n/save\n/save a\0b\n")
    assert (folder / "new.txt").read_text() == expected(("ab", 3), ("cd", 4))[1].rstrip() + "\n"
    assert (folder / "old.txt").read_text() == "precious"
    errors = [line for line in result.err.replace("> ", "").splitlines() if line.startswith("error: ")]
    assert errors == [
        "error: /save needs the name of a file: /save story.txt",
        "error: there is no text to save yet",
        "error: old.txt is there already; name a new file",
        "error: . is there already; name a new file",
        "error: /save needs the name of a file: /save story.txt",
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["model.safetensors", "new.txt", "old.txt"]
    assert "old.txt/new.txt: File exists" in talk(chargen, "ab\n/save old.txt/new.txt\n").err


def test_ctrl_c_stops_the_turn_alone(chargen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written until then stays in the text, which goes on."""
    written = iter(range(100))

    def write(self: object, text: str) -> int:
        if next(written) == 4:
            signal.raise_signal(signal.SIGINT)
        return io.StringIO.write(out, text)

    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", type("Out", (io.StringIO,), {"write": write})())
    result = chargen("sample", "model.safetensors", "-i", "--seed", 3, "-n", 40, stdin=b"ab\n/text\nquit\n")
    assert result.code == 0
    assert result.err.endswith("> > > ")  # with no line between
    first, text = out.getvalue().splitlines()
    assert first == text[: len(first)]
    assert 4 <= len(first) <= len(text) <= 7


def test_strict_refuses_a_turn(chargen: Command) -> None:
    """An unknown character is an error that leaves the text as it was; without --strict it is read as another."""
    result = talk(chargen, "ab\nX\n/text\n", "--strict")
    assert "error: character 1 of the prompt" in result.err
    assert result.out.splitlines() == ["ab" + continuation("ab", 3)] * 2
    assert "was left out" in talk(chargen, "abX\n").err


def test_quiet_says_nothing_but_errors(chargen: Command) -> None:
    """No help, no notes, no prompt; an error is told all the same."""
    result = talk(chargen, "abX\n/length 4\n/length -4\n", "--quiet")
    assert result.out == "ab" + continuation("ab", 3) + "\n"
    assert result.err == "error: length must be a whole number of at least 0, not -4\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("/length -5", "length must be a whole number of at least 0, not -5"),
        ("/seed -1", "seed must be a whole number of at least 0, not -1"),
        ("/top_k 1.5", "/top_k needs a whole number, not '1.5'"),
        ("/temperature -1", "temperature must be a number from 0 to 100, not -1.0"),
        ("/zzz", "there is no command or setting /zzz; /help lists them"),
        ("/", "there is no command or setting /; /help lists them"),
        ("/te 1", "there is no command or setting /te; did you mean /text or /temperature?"),
        ("/temperature=1", "there is no command or setting /temperature=1; did you mean /temperature?"),
    ],
)
def test_a_wrong_setting_changes_nothing(chargen: Command, command: str, message: str) -> None:
    """It is told at once, and the session goes on as before."""
    result = talk(chargen, f"{command}\nab\n")
    assert f"error: {message}" in result.err
    assert result.out == "ab" + continuation("ab", 3) + "\n"


def test_a_turn_that_fails_leaves_the_text(chargen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was typed is not kept when it cannot be continued."""

    def generate(*_arguments: object, **_settings: object) -> Iterator[Piece]:
        raise CheckpointError("the model's logits are not finite")

    monkeypatch.setattr("chargen.inference.shared_text.generate", generate)
    result = talk(chargen, "ab\n/text\n")
    assert "error: the model's logits are not finite" in result.err
    assert result.out == ""


def test_bytes_that_are_no_text_are_left_out(chargen: Command) -> None:
    """A byte that is not UTF-8 is told like any unknown character."""
    result = talk(chargen, b"a\xffb\n")
    assert "U+DCFF was left out" in result.err
    assert result.out == "ab" + continuation("ab", 3) + "\n"


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[PipeInput]:
    """What types at a terminal that shows nothing."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr("prompt_toolkit.output.create_output", lambda **_: DummyOutput())
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        yield keys


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("\x04", 0),
        ("ab\r/save a.txt\rquit\r", 0),
        ("ab\rquit\r/quit\r", 1),
        ("ab\r\x04\x04", 1),
        ("ab\r\x04/save a.txt\r\x04", 1),
        ("ab\rquit\rcd\rquit\rquit\r", 2),
        ("ab\r/save a.txt\r/new\rquit\r", 0),
    ],
)
def test_a_text_that_is_not_saved_is_told_before_it_is_left(
    keyboard: PipeInput, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str, told: int
) -> None:
    """Once for each text, at a terminal; where lines come from a pipe nobody is asked."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)  # that of capsys
    settings: dict[str, Any] = {"settings": SamplerConfig(), "seed": 3, "length": 12, "end": {}}
    keyboard.send_text(typed)
    Session(model=load("model.safetensors"), raw=False, strict=False, quiet=False, **settings).run("")
    assert capsys.readouterr().err.count("the text is not saved: /save FILE saves it") == told


@pytest.mark.parametrize(
    "typed",
    [
        [("ac\x1b[Db\r", "abc")],  # the left arrow
        [("ab\r", "ab"), ("cd\r", "cd"), ("\x1b[A\x1b[A\r", "ab")],  # the up arrow
        [("ab\x7fc\r", "ac")],  # backspace
        [("/te\t\r", "/temperature")],
        [("abc\x03de\r", "de")],  # Ctrl-C
        [("ab\r", "ab"), ("\x04", None)],  # Ctrl-D
    ],
)
def test_lines_are_edited(keyboard: PipeInput, typed: list[tuple[str, str | None]]) -> None:
    """Keys move in the line and bring back earlier ones, Tab completes, Ctrl-C drops a line and Ctrl-D ends."""
    read = line_editor.line_reader(["/again", "/temperature"], quiet=False)
    for keys, line in typed:
        keyboard.send_text(keys)
        assert read() == line
