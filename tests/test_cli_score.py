"""``chargen score``."""

import dataclasses
import importlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import samples
import tiny
from conftest import Command
from samples import load_corpus

from chargen.api import load
from chargen.model import Model
from chargen.store.checkpoint import CorpusInfo, save


@pytest.fixture
def model(folder: Path) -> Model:
    """A small model of random weights, in ``model.safetensors`` in the working directory."""
    save(folder / "model.safetensors", samples.checkpoint("\n abcdé"))
    return load(folder / "model.safetensors")


def figures(chargen: Command, *arguments: object, stdin: bytes = b"") -> dict[str, Any]:
    """What ``--json`` tells."""
    found: dict[str, Any] = json.loads(chargen("score", *arguments, "--json", stdin=stdin).out)
    return found


def test_files_are_scored_each_and_in_all(chargen: Command, model: Model, folder: Path) -> None:
    """Bits per character, perplexity, characters and unknown ones; a file's do not depend on the others."""
    (folder / "a.txt").write_text("abc abc\n")
    (folder / "b.txt").write_text("dé☃d")
    rows = [line.split("\t") for line in chargen("score", "model.safetensors", "a.txt", "b.txt").out.splitlines()]
    assert rows[0] == ["text", "characters", "unknown", "bits per character", "perplexity"]
    a, b = model.score("abc abc\n"), model.score("dé☃d")
    total = (a.total + b.total) / 12
    assert rows[1:] == [
        ["a.txt", "8", "0", f"{a.bpc:.4f}", f"{2**a.bpc:.3f}"],
        ["b.txt", "4", "1", f"{b.bpc:.4f}", f"{2**b.bpc:.3f}"],
        ["total", "12", "1", f"{total:.4f}", f"{2**total:.3f}"],
    ]
    found = figures(chargen, "model.safetensors", "a.txt", "b.txt")
    assert (found["checkpoint"], found["split"], found["context"], found["adapt"]) == (
        "model.safetensors",
        None,
        0,
        None,
    )
    assert [each["file"] for each in found["files"]] == ["a.txt", "b.txt"]
    for each, bpc, characters, unknown in (
        (found["files"][0], a.bpc, 8, 0),
        (found["files"][1], b.bpc, 4, 1),
        (found, total, 12, 1),
    ):
        assert each["bpc"] == pytest.approx(bpc)
        assert each["perplexity"] == pytest.approx(2**bpc)
        assert (each["characters"], each["unknown"]) == (characters, unknown)
        assert "bits" not in each


def test_standard_input_is_scored(chargen: Command, model: Model) -> None:
    """Named, or where no text is."""
    for arguments in (["-"], []):
        (each,) = figures(chargen, "model.safetensors", *arguments, stdin="abé\r\n".encode())["files"]
        assert (each["file"], each["characters"]) == ("stdin", 4)
        assert each["bpc"] == pytest.approx(model.score("abé\n").bpc)


def test_an_unknown_character_is_charged(chargen: Command, model: Model) -> None:
    """Some 34 bits, whatever the model; leaving it out is no way to a better score."""
    known, unknown = (figures(chargen, "model.safetensors", stdin=text.encode()) for text in ("abab", "ab\u2603ab"))
    assert unknown["bpc"] * 5 - known["bpc"] * 4 == pytest.approx(34.1, abs=0.1)


def test_bits_of_each_character_are_told(chargen: Command, model: Model) -> None:
    """In JSON beside the text; elsewhere as a digit below each character, control characters escaped."""
    text = "ab\n\x1b[1mé"
    (each,) = figures(chargen, "model.safetensors", "--per-char", stdin=text.encode())["files"]
    assert each["text"] == text
    assert each["bits"] == pytest.approx(model.score(text).bits.tolist(), abs=1e-4)
    lines = chargen("score", "model.safetensors", "--per-char", stdin=text.encode()).out.splitlines()
    digits = [min(9, int(bits)) for bits in each["bits"]]
    assert lines[0] == "ab\\n"
    assert lines[1] == f"{digits[0]}{digits[1]}{digits[2]} "
    assert lines[2] == "\\x1b[1mé"
    assert lines[3] == f"{digits[3]}   {digits[4]}{digits[5]}{digits[6]}{digits[7]}"
    assert "9 for 9 and more" in lines[4]
    assert lines[5].startswith("text\t")


def test_colours_show_bits_on_a_terminal(chargen: Command, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A legend explains them; no control character of the text gets through, and NO_COLOR is honoured."""
    text = "ab ab\x1b[31m\u2603\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    out = chargen("score", "model.safetensors", "--per-char", stdin=text.encode()).out
    assert "\x1b[" in out
    assert "\x1b[31m" not in out
    assert "\\x1b" in out
    assert "8 and more" in out
    monkeypatch.setenv("NO_COLOR", "1")
    plain = chargen("score", "model.safetensors", "--per-char", stdin=text.encode()).out
    assert "\x1b" not in plain.split("rounded down")[0]


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_split_has_the_score_that_training_told(chargen: Command, trained: Path, split: str) -> None:
    """Read after the text before it, which is found by itself."""
    checkpoint = load(trained).checkpoint
    found = figures(chargen, trained, "--split", split)
    start, stop = checkpoint.corpus.val if split == "val" else checkpoint.corpus.test
    told = checkpoint.val_bpc if split == "val" else checkpoint.test_bpc
    assert found["bpc"] == pytest.approx(told, abs=3e-3)
    assert (found["split"], found["characters"], found["context"]) == (split, stop - start, start)
    assert [each["file"] for each in found["files"]] == [f"tiny {split}"]
    short = chargen("score", trained, "--split", split, "--context", "40")
    assert short.err == "note: 40 characters before it were read first\n"
    assert chargen("score", trained, "--split", split, "--context", "40", "-q").err == ""
    cold = figures(chargen, trained, "--split", split, "--context", "0")
    assert cold["bpc"] != found["bpc"]
    assert cold["context"] == 0


def test_a_text_that_moved_is_named(chargen: Command, trained: Path, text_file: Path, folder: Path) -> None:
    """It must be the same; where it is not found, the message says what to do."""
    shutil.copy(trained / "best.safetensors", folder / "moved.safetensors")
    assert "name its file" in chargen("score", "moved.safetensors", "--split", "test").error
    named = figures(chargen, "moved.safetensors", text_file, "--split", "test")
    assert named["bpc"] == figures(chargen, trained, "--split", "test")["bpc"]
    (folder / "other.txt").write_text("something else")
    assert "is not the text" in chargen("score", "moved.safetensors", "other.txt", "--split", "test").error


def test_weights_adapt_to_what_was_read(chargen: Command, model: Model, folder: Path) -> None:
    """Each file starts from the checkpoint's weights, and the settings are those that were given."""
    (folder / "a.txt").write_text("abcd" * 100)
    static = figures(chargen, "model.safetensors", "a.txt")
    adapted = figures(chargen, "model.safetensors", "a.txt", "a.txt", "--adapt", "--adapt-rate", "0.01")
    command = ["score", "model.safetensors", "a.txt", "a.txt", "--adapt"]
    assert chargen(*command).err == "note: learning from 800 characters as they are scored\n"
    assert chargen(*command, "--quiet").err == ""
    assert adapted["adapt"] == {"adapt_rate": 0.01, "adapt_every": 20, "adapt_decay": 0.003}
    assert adapted["bpc"] < static["bpc"] - 0.3
    assert adapted["files"][0] == adapted["files"][1]
    assert adapted["bpc"] == pytest.approx(model.score("abcd" * 100, adapt=True, adapt_rate=0.01).bpc, abs=1e-4)


def test_what_comes_before_a_split_is_learnt_from(chargen: Command, trained: Path) -> None:
    """With --adapt, as many characters of it as --context says."""
    run = chargen("score", trained, "--split", "test", "--adapt", "--adapt-rate", "0.01", "--context", "500")
    assert run.err == "note: 500 characters before it were read first, and learnt from\n"
    adapted = ["--split", "test", "--adapt", "--adapt-rate", "0.01"]
    bits = [figures(chargen, trained, *adapted, "--context", context)["bpc"] for context in (0, 2000)]
    static = figures(chargen, trained, "--split", "test")["bpc"]
    assert bits[1] < bits[0] < static


def test_what_was_read_is_remembered(chargen: Command, model: Model, folder: Path) -> None:
    """With --remember, alone or with --adapt; each file starts without any memory of another."""
    (folder / "a.txt").write_text("abcd dab cab\n" * 20)
    static = figures(chargen, "model.safetensors", "a.txt")
    assert static["remembered"] is None
    remembered = figures(chargen, "model.safetensors", "a.txt", "a.txt", "--remember")
    assert remembered["remembered"] == 0
    assert remembered["bpc"] < static["bpc"] - 0.3
    assert remembered["files"][0] == remembered["files"][1]
    assert remembered["bpc"] == pytest.approx(model.score("abcd dab cab\n" * 20, remember=True).bpc, abs=1e-4)
    both = figures(chargen, "model.safetensors", "a.txt", "--remember", "--adapt", "--adapt-rate", "0.01")
    assert both["bpc"] == pytest.approx(
        model.score("abcd dab cab\n" * 20, remember=True, adapt=True, adapt_rate=0.01).bpc, abs=1e-3
    )


def test_all_that_comes_before_a_split_is_remembered(chargen: Command, trained: Path, text: str) -> None:
    """What --context leaves out is looked up in as well, and that is said."""
    model = load(trained)
    start, stop = model.checkpoint.corpus.test
    arguments = [trained, "--split", "test", "--remember", "--context", "100"]
    run = chargen("score", *arguments)
    assert run.err == f"note: 100 characters before it were read first, and {start - 100:,} before those remembered\n"
    scorer = model.scorer(remember=True, earlier=text[: start - 100], before=text[start - 100 : start])
    found = figures(chargen, *arguments)
    assert found["bpc"] == pytest.approx(scorer.feed(text[start:stop]).bpc, abs=1e-4)
    assert (found["context"], found["remembered"]) == (100, start - 100)
    assert found["bpc"] < figures(chargen, trained, "--split", "test", "--context", "100")["bpc"]


def test_several_models_predict_together(
    chargen: Command, trained: Path, text: str, text_file: Path, folder: Path, model: Model
) -> None:
    """With --with the figure is that of all; they must share their characters, and for a split their training text."""
    settings = {**tiny.SETTINGS, "seed": 5}
    same = {"val_fraction": 0.05, "test_fraction": 0.05, **settings}
    second = tiny.train(text_file, folder / "runs", run="second", **same).best
    arguments = ["--split", "test", "--context", "50"]
    for how in ([], ["--adapt"], ["--remember"]):
        found = figures(chargen, trained, "--with", second, *arguments, *how)
        ours, theirs = load(trained), load(second)
        start, stop = ours.checkpoint.corpus.test
        scorer = ours.scorer(
            others=[theirs],
            before=text[start - 50 : start],
            earlier=text[: start - 50],
            adapt="--adapt" in how,
            remember="--remember" in how,
        )
        assert found["with"] == [str(second)]
        assert found["bpc"] == pytest.approx(scorer.feed(text[start:stop]).bpc, abs=1e-4)
        assert found["bpc"] != figures(chargen, trained, *arguments, *how)["bpc"]
    more = tiny.train(text_file, folder / "runs", run="more", **{**same, "val_fraction": 0.1}).best
    assert "was trained on another text than" in chargen("score", trained, "--with", more, *arguments).error
    assert chargen("score", trained, "--with", more, stdin=b"abc").code == 0
    wrong = chargen("score", model.path, "--with", trained, stdin=b"abc").error
    assert f"has other characters than {model.path}" in wrong


def test_a_long_text_is_scored_in_pieces(chargen: Command, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures are those of the whole, adapted or not."""
    for arguments in ([], ["--adapt"], ["--remember"]):
        command = ["model.safetensors", "--per-char", *arguments]
        whole = figures(chargen, *command, stdin=b"abcd dcba\n" * 20)
        with monkeypatch.context() as patch:
            patch.setattr(importlib.import_module("chargen.inference.score"), "PIECE", 7)
            pieces = figures(chargen, *command, stdin=b"abcd dcba\n" * 20)
        assert pieces["files"][0]["bits"] == pytest.approx(whole["files"][0]["bits"], abs=1e-3)


def test_shared_unknown_characters_are_charged_and_noted(
    chargen: Command, folder: Path, text: str, text_file: Path
) -> None:
    """A split with characters that share the unknown id costs more than training told, and that is said."""
    found = load_corpus([str(text_file)])
    info = CorpusInfo(
        name="tiny", sha256=found.sha256, characters=len(text), train=(0, 100), val=(100, 100), test=(100, 200)
    )
    save(folder / "model.safetensors", dataclasses.replace(samples.checkpoint(" e", unknown=True), corpus=info))
    result = chargen("score", "model.safetensors", text_file, "--split", "test", "--json")
    unknown = sum(character not in " e" for character in text[100:200])
    assert json.loads(result.out)["unknown"] == unknown
    assert json.loads(result.out)["bpc"] > unknown * math.log2(0x110000 - 2) / 100
    assert "note: the training's own figure does not charge" in result.err
    assert "has no val split" in chargen("score", "model.safetensors", text_file, "--split", "val").error


def test_wrong_usage_is_told_in_a_line(chargen: Command, model: Model, folder: Path) -> None:
    """Options that need another, values out of range, and texts that are none."""
    (folder / "empty.txt").write_text("")
    for arguments, words in (
        (["--adapt-rate", "1"], "--adapt-rate: it needs --adapt"),
        (["--context", "5"], "--context: it needs --split"),
        (["--adapt", "--adapt-every", "0"], "adapt-every must be a whole number"),
        (["--split", "train"], "split must be one of val, test"),
        (["--split", "val", "--context", "-1"], "context must be"),
        (["empty.txt"], "empty.txt is empty"),
        (["none.txt"], "cannot read none.txt"),
        ([], "stdin is empty"),
    ):
        assert words in chargen("score", "model.safetensors", *arguments).error
    assert "there is no checkpoint" in chargen("score", "none").error
