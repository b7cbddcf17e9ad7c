"""``chargen sample``: text on stdout and nothing else, whatever the prompt and whoever made the model."""

import io
import json
import os
import re
import sys
from pathlib import Path

import pytest
from conftest import Command
from samples import checkpoint

from chargen import threads
from chargen.api import load
from chargen.cli.output.terminal import DIVIDER
from chargen.store.checkpoint import save

HOSTILE = "\x1b[]2;\x07\u202e\u009b ab\n"
HARMFUL = set("\x1b\x07\u202e\u009b")


@pytest.fixture(autouse=True)
def models(folder: Path) -> None:
    """A plain model, and one whose vocabulary commands terminals."""
    save(folder / "model.safetensors", checkpoint("\n abcde'\""))
    save(folder / "hostile.safetensors", checkpoint("".join(sorted(set(HOSTILE)))))


def text_of(chargen: Command, *arguments: object) -> str:
    """What a run with a seed writes."""
    result = chargen("sample", "model.safetensors", "--seed", "3", "-n", "40", *arguments)
    assert result.code == 0
    return result.out


def test_text_goes_to_stdout_and_nothing_else(chargen: Command) -> None:
    """The prompt, the new text, a line end; the seed that was drawn goes to stderr."""
    result = chargen("sample", "model.safetensors", "-p", "abc", "-n", "40")
    assert result.code == 0
    assert result.out.startswith("abc")
    assert len(result.out.removesuffix("\n")) in (43, 42)  # the text itself may end its line
    note, seed = result.err.strip().rsplit(" ", 1)
    assert note == "note: seed"
    assert chargen("sample", "model.safetensors", "-p", "abc", "-n", "40", "--seed", seed).out == result.out


def test_the_same_seed_gives_the_same_text_whatever_num_samples(chargen: Command) -> None:
    """Sample i of a batch is the text of seed + i alone."""
    arguments = ["-p", "ab", "-t", "1.3", "-n", "60", "--json"]

    def texts(seed: int, number: int) -> list[str]:
        out = chargen("sample", "model.safetensors", *arguments, "--seed", seed, "--num-samples", number).out
        return [sample["text"] for sample in json.loads(out)["samples"]]

    alone = [texts(seed, 1)[0] for seed in range(5, 13)]
    assert len(set(alone)) == 8
    for number in (1, 2, 3, 8):
        assert texts(5, number) == alone[:number]


def test_several_texts_are_written_one_after_the_other(chargen: Command) -> None:
    """The first as it comes, then the others, a line of dashes between two; their seeds count up from the first."""
    command = ["sample", "model.safetensors", "-n", "30"]
    result = chargen(*command, "--seed", "7", "--num-samples", "3")
    assert result.out == DIVIDER.join(chargen(*command, "--seed", seed).out for seed in (7, 8, 9))
    assert result.err == ""
    note = chargen(*command, "--num-samples", "3").err
    first, last = (int(word) for word in note.split() if word.isdigit())
    assert note == f"note: seeds {first} to {last}\n"
    assert last == first + 2


def test_several_prompts_are_continued_in_one_batch(chargen: Command, folder: Path) -> None:
    """Each as it would be alone, with the same seeds; named one by one, or one a line in a file or on stdin."""
    single = [text_of(chargen, "-p", prompt, "--num-samples", "2") for prompt in ("ab", "c'd e", "")]
    assert text_of(chargen, "-p", "ab", "-p", "c'd e", "-p", "", "--num-samples", "2") == DIVIDER.join(single)
    (folder / "prompts.txt").write_bytes(b"ab\r\n\n  \nc'd e")
    expected = DIVIDER.join(single[:2])
    assert text_of(chargen, "--prompts", "prompts.txt", "--num-samples", "2") == expected
    command = ["sample", "model.safetensors", "--seed", "3", "-n", "40", "--num-samples", "2", "--prompts", "-"]
    assert chargen(*command, stdin=b"ab\nc'd e\n").out == expected
    samples = json.loads(chargen(*command, "--json", stdin=b"ab\nc'd e\n").out)["samples"]
    assert [(sample["prompt"], sample["seed"]) for sample in samples] == [
        ("ab", 3),
        ("ab", 4),
        ("c'd e", 3),
        ("c'd e", 4),
    ]


def test_the_stop_string_may_be_kept(chargen: Command) -> None:
    """The text ends behind it instead of before it."""
    whole = text_of(chargen, "-p", "a", "--no-echo").removesuffix("\n")
    before, stop, _ = whole.partition(whole[7:9])
    assert text_of(chargen, "-p", "a", "--no-echo", "--stop", stop).removesuffix("\n") == before.removesuffix("\n")
    kept = text_of(chargen, "-p", "a", "--no-echo", "--stop", stop, "--keep-stop")
    assert kept.removesuffix("\n") == (before + stop).removesuffix("\n")


def test_beams_write_the_likeliest_text(chargen: Command) -> None:
    """One beam writes what temperature 0 does; more find a text that is at least as likely; no seed is drawn."""
    greedy = chargen("sample", "model.safetensors", "-p", "ab", "-n", 30, "-t", 0, "--quiet").out
    one = chargen("sample", "model.safetensors", "-p", "ab", "-n", 30, "--beams", 1)
    assert (one.out, one.err) == (greedy, "")
    told = json.loads(chargen("sample", "model.safetensors", "-p", "ab", "-n", 30, "--beams", 8, "--json").out)
    assert (told["settings"]["beams"], told["settings"]["seed"], told["samples"][0]["seed"]) == (8, None, None)
    score = load("model.safetensors").score
    assert score("ab" + told["samples"][0]["text"]).total < score(greedy.removesuffix("\n")).total


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "a", "--prompts", "prompts.txt"], "two kinds of prompts; leave out --prompt"),
        (["--prompts", "nothing.txt"], "nothing.txt has no prompts"),
        (["--prompts", "-", "--prompt-file", "-"], "two kinds of prompts; leave out --prompt-file"),
        (["--prompts", "-", "-i"], "--interactive writes one text; leave out --prompts"),
        (["-p", "a", "-p", "b", "-i"], "--interactive writes one text; there are several with 2 prompts"),
        (
            ["-p", "a", "-p", "b", "--save-state", "s"],
            "--save-state keeps where one text stops; there are several with 2 prompts",
        ),
        (["--num-samples", "2", "--save-state", "s"], "there are several with --num-samples 2"),
        (["--num-samples", "2", "-i"], "there are several with --num-samples 2"),
        (["--keep-stop"], "--keep-stop keeps a stop string; name it with --stop"),
        (["--beams", "0"], "beams must be a whole number from 1 to 1,000, not 0"),
        (["--beams", "1001"], "beams must be a whole number from 1 to 1,000, not 1001"),
        (["--beams", "2", "-t", "0.5"], "leave out temperature"),
        (["--beams", "2", "--top-p", "0.9"], "leave out top_p"),
        (["--beams", "2", "--seed", "1"], "leave out seed"),
        (["--beams", "2", "--num-samples", "2"], "leave out num_samples"),
        (["--beams", "2", "-i"], "--interactive draws its texts; leave out --beams"),
        (
            ["-p", "a", "-p", "b", "--num-samples", "50001"],
            "num-samples must be at most 50,000 in a batch of 2 prompts, not 50,001",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(chargen: Command, folder: Path, arguments: list[str], message: str) -> None:
    """In one line that says what to leave out, before anything is written."""
    (folder / "prompts.txt").write_text("ab")
    (folder / "nothing.txt").write_text("\n \n")
    assert message in chargen("sample", "model.safetensors", *arguments).error


def test_json_has_settings_and_samples(chargen: Command) -> None:
    """Each sample has its prompt, text and seed; the settings are all there."""
    found = json.loads(text_of(chargen, "-p", "ab", "--json", "--top-k", "3", "-t", "0.5"))
    assert {"temperature": 0.5, "top_k": 3, "length": 40, "seed": 3}.items() <= found["settings"].items()
    (sample,) = found["samples"]
    assert (sample["prompt"], sample["seed"], len(sample["text"])) == ("ab", 3, 40)


def test_the_echo_can_be_left_out(chargen: Command) -> None:
    """Without the echo the same new text comes alone."""
    assert text_of(chargen, "-p", "abc") == "abc" + text_of(chargen, "-p", "abc", "--no-echo")


def test_a_prompt_may_be_a_file_or_stdin(chargen: Command, folder: Path) -> None:
    """Of several lines, with any line ends; the very last one belongs to it."""
    (folder / "prompt.txt").write_bytes(b"ab\r\ncd\n")
    expected = text_of(chargen, "-p", "ab\ncd\n")
    assert text_of(chargen, "--prompt-file", "prompt.txt") == expected
    piped = chargen("sample", "model.safetensors", "--seed", "3", "-n", "40", "--prompt-file", "-", stdin=b"ab\ncd\n")
    assert piped.out == expected


@pytest.mark.parametrize(
    "prompt",
    [
        "ab\udc80\ud800",
        "\u202eab \u05d0\u05d1\u05d2 \u0627\u0644",
        "ab \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3f4\U000e0067\U000e007f",
        "a\0b\x1b[31m\x07\x08\x7f\x9b",
        "e\u0301\u0302\u0303 a\u20dd",
        "\ufeffab\ufffe\uffff\U0010ffff",
        "\u2028\u2029\x0b\x0c\x85",
        "“ab” — ﬁ Ⅷ ａｂ",
        "",
        "\n\n\n",
    ],
    ids=ascii,
)
def test_any_prompt_is_read(chargen: Command, prompt: str) -> None:
    """Lone surrogates, text from right to left, joined emoji, control characters: notes of one printable line each."""
    result = chargen("sample", "model.safetensors", "-p", prompt, "-n", "10", "--seed", "1")
    assert result.code == 0
    assert len(result.out) >= 10
    assert set(result.out) <= set("\n abcde'\"")
    for line in result.err.splitlines():
        assert line.startswith("note: ")
        assert line.isprintable()


def test_a_prompt_of_ten_megabytes_is_read(chargen: Command, folder: Path) -> None:
    """A prompt file of any length, here of emoji with joiners and a few known characters."""
    (folder / "long.txt").write_text("\U0001f468\u200d\U0001f469\u200d" * 770_000 + "abc", encoding="utf-8")
    assert (folder / "long.txt").stat().st_size > 10_000_000
    result = chargen("sample", "model.safetensors", "--prompt-file", "long.txt", "-n", "5", "--seed", "1")
    assert result.code == 0
    assert result.out.startswith("abc")
    assert "U+200D" in result.err
    assert "1540000 times" in result.err


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have stdout say that it is one."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)


def test_control_characters_are_escaped_on_a_terminal(chargen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would command a terminal is shown as its code there, and only there; --raw asks for it."""
    arguments = ["sample", "hostile.safetensors", "-p", "\x1b[ab", "-n", "200", "--seed", "2", "-t", "9"]
    piped = chargen(*arguments).out
    assert set(piped) & HARMFUL == HARMFUL
    on_a_terminal(monkeypatch)
    shown = chargen(*arguments).out
    assert not set(shown) & HARMFUL
    escaped = piped
    for character in HARMFUL:
        escaped = escaped.replace(character, character.encode("unicode_escape").decode())
    assert shown == escaped
    assert chargen(*arguments, "--raw").out == piped


def test_no_other_way_leads_raw_to_a_terminal(chargen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON, several samples, notes, errors and tables are as harmless."""
    save(Path("both.safetensors"), checkpoint("".join(sorted(set(HOSTILE))), bidirectional=True))
    on_a_terminal(monkeypatch)
    for arguments in (
        ["sample", "hostile.safetensors", "--json", "-n", "80", "-p", "\x1b"],
        ["sample", "hostile.safetensors", "-n", "80", "--num-samples", "3"],
        ["sample", "model.safetensors", "-p", "\x1b[2J", "-n", "5"],
        ["sample", "model.safetensors", "-p", "\x1b[2J\u202e", "--strict"],
        ["sample", "no\x1b[2J"],
        ["train", "no\x1b[2J\x9b"],
        ["inspect", "hostile.safetensors"],
        ["inspect", "hostile.safetensors", "--json"],
        ["infill", "both.safetensors", "a#", "--blank", "#", "--json"],
        ["infill", "both.safetensors", "a#", "--blank", "#"],
        ["embeddings", "hostile.safetensors", "--json"],
        ["embeddings", "hostile.safetensors"],
    ):
        result = chargen(*arguments)
        shown = re.sub(r"\x1b\[[0-9;]+m", "", result.out + result.err)  # what is bold or coloured by intent
        assert not set(shown) & HARMFUL, arguments


def test_a_text_is_streamed_as_it_is_written(chargen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal every character is flushed when it comes."""
    flushed: list[int] = []
    on_a_terminal(monkeypatch)
    monkeypatch.setattr(sys.stdout, "flush", lambda: flushed.append(1))
    text_of(chargen, "-p", "ab")
    assert len(flushed) >= 40


class Output(io.TextIOWrapper):
    """A stdout of an encoding that lacks most characters, as Windows gives them."""

    def __init__(self, *, terminal: bool) -> None:
        self.bytes = io.BytesIO()
        self.terminal = terminal
        super().__init__(self.bytes, encoding="cp1252", write_through=True)

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        "sample checkpoints -n 20 --seed 1",
        "sample checkpoints -n 20 --seed 1 --interactive",
        "inspect checkpoints",
        "infill checkpoints _",
        "embeddings checkpoints",
    ],
)
def test_any_character_can_be_written(
    chargen: Command, monkeypatch: pytest.MonkeyPatch, arguments: str, terminal: bool
) -> None:
    """Whatever the encoding of stdout: a pipe gets UTF-8, a terminal the code of what it cannot show."""
    save(Path("checkpoints/best.safetensors"), checkpoint("\u2603\u2604", bidirectional=True))
    output = Output(terminal=terminal)
    monkeypatch.setattr(sys, "stdout", output)
    assert chargen(*arguments.split(), stdin="\u2603\n".encode()).code == 0
    text = output.bytes.getvalue().decode("cp1252" if terminal else "utf-8")
    assert "\\u260" in text if terminal else {*"\u2603\u2604"} & {*text}


@pytest.mark.parametrize(
    ("chosen", "length", "expected"),
    [
        ({}, "500", "1"),
        ({}, "501", "7"),
        ({"OPENBLAS_NUM_THREADS": "3"}, "1", "3"),
        ({"OMP_NUM_THREADS": "3"}, "1", None),
    ],
)
def test_a_short_text_takes_one_thread(
    chargen: Command, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str], length: str, expected: str | None
) -> None:
    """NumPy is kept from starting threads for a short text, unless their number was chosen; else it gets idle cores."""
    monkeypatch.setattr(threads, "idle_cores", lambda: 7)
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    monkeypatch.setattr(os, "environ", kept | chosen)
    assert chargen("sample", "model.safetensors", "--seed", "3", "-n", length).code == 0
    assert os.environ.get("OPENBLAS_NUM_THREADS") == expected
