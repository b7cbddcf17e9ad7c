"""``chargen classify``."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import samples
from conftest import Command

from chargen.store.checkpoint import load, save


@pytest.fixture
def models(folder: Path) -> tuple[str, str]:
    """Two checkpoints in the working directory: one expects ``a``s, one ``b``s, and knows ``x``."""
    for name, characters, favourite in (("first", "\n abc", 2), ("second", "\n abx", 3)):
        checkpoint = samples.checkpoint(characters)
        weights = {key: 0 * weight for key, weight in checkpoint.weights.items()}
        weights["readout.bias"][favourite] = 3
        save(folder / f"{name}.safetensors", dataclasses.replace(checkpoint, weights=weights))
    return "first.safetensors", "second.safetensors"


def options(models: tuple[str, str]) -> list[str]:
    """The models as arguments."""
    return ["--model", models[0], "--model", models[1]]


def test_one_text_is_shown_with_what_decided_it(chargen: Command, models: tuple[str, str]) -> None:
    """The winner and its lead, each model's bits, and the characters that differ most, in their context."""
    lines = chargen("classify", "-t", "aa\nxbaa", *options(models)).out.splitlines()
    assert lines[0].startswith(f"aa xbaa: {models[0]}, ")
    assert f"bits ahead of {models[1]}" in lines[0]
    assert "of them from characters that not both know" in lines[0]
    table = [line.split("\t") for line in lines[1:]]
    assert table[0] == ["model", "posterior", "bits", "bits per character", "unknown characters"]
    assert [(row[0], row[4]) for row in table[1:3]] == [(models[0], "1"), (models[1], "0")]
    assert table[3] == ["at", "character", "bits", "speaks for", "context"]
    assert [(row[0], row[1], row[3], row[4]) for row in table[4:6]] == [
        ("3", "x", models[1], r"aa\n[x]baa"),
        ("0", "a", models[0], r"[a]a\nxbaa"),
    ]
    assert len(table) == 9


def test_several_texts_are_a_row_each(chargen: Command, models: tuple[str, str], folder: Path) -> None:
    """Files, standard input and literals are classified together, with --top in detail."""
    (folder / "a.txt").write_text("aaa")
    (folder / "b.txt").write_text("bbb")
    texts = ["a.txt", "b.txt", "-", "-t", "ab ba"]
    rows = [line.split("\t") for line in chargen("classify", *texts, *options(models), stdin=b"bb").out.splitlines()]
    assert rows[0] == ["text", "model", "posterior", "margin in bits"]
    assert [row[:2] for row in rows[1:4]] == [["a.txt", models[0]], ["b.txt", models[1]], ["stdin", models[1]]]
    assert rows[4][0] == "ab ba"
    assert rows[4][2:] == ["0.5000", "0.0"]
    detailed = chargen("classify", *texts, *options(models), "--top", "1", stdin=b"bb").out
    assert detailed.count("bits ahead of") == 4
    assert detailed.count("speaks for") == 4


def test_lines_are_texts_of_their_own(chargen: Command, models: tuple[str, str]) -> None:
    """With --lines each line that is not blank has its verdict, called by its number."""
    result = chargen("classify", "-", "--lines", *options(models), stdin=b"aa\n\n bb\r\n")
    assert [line.split("\t")[:2] for line in result.out.splitlines()[1:]] == [
        ["stdin:1", models[0]],
        ["stdin:3", models[1]],
    ]
    assert chargen("classify", "-t", " \n", "--lines", *options(models)).error == "there is no line that is not blank"


def test_json_has_every_number(chargen: Command, models: tuple[str, str]) -> None:
    """Posterior, bits and unknown characters of each model, the margin and its parts."""
    found = json.loads(chargen("classify", "-t", "aab", *options(models), "--top", "1", "--json").out)
    assert found["models"] == list(models)
    (text,) = found["texts"]
    bits, posterior = (list(text[name].values()) for name in ("bits", "posterior"))
    assert (text["model"], text["second"], text["characters"]) == (*models, 3)
    assert text["margin_bits"] == pytest.approx(bits[1] - bits[0])
    assert posterior[0] / posterior[1] == pytest.approx(2 ** text["margin_bits"])
    assert text["bpc"][models[0]] == pytest.approx(bits[0] / 3)
    assert text["unknown"] == dict.fromkeys(models, 0)
    assert text["margin_from_vocabulary"] == 0
    (decided,) = text["decided"]
    assert (decided["at"], decided["character"], decided["context"]) == (0, "a", "aab")
    assert decided["lead_bits"] == pytest.approx(3 / math.log(2), abs=1e-3)


def test_a_text_that_no_model_fits_is_told(chargen: Command, models: tuple[str, str], folder: Path) -> None:
    """In a line on stderr and in JSON, where all need far more bits than for their own validation text."""
    for name in models:
        known = load(folder / name)
        history = (dataclasses.replace(samples.evaluation(), val_bpc=1.0),)
        save(folder / name, dataclasses.replace(known, history=history))
    strange, fitting = "c" * 30, "a" * 30
    result = chargen("classify", "-t", strange, *options(models), "--json")
    assert json.loads(result.out)["texts"][0]["fits"] is False
    assert result.err == (
        f"note: no model fits {strange}: each takes more than 2 times the bits per character of its own validation "
        "text\n"
    )
    result = chargen("classify", "-t", strange, "-t", fitting, "-t", "x" * 40, "-t", "c", *options(models), "--json")
    assert [text["fits"] for text in json.loads(result.out)["texts"]] == [False, True, False, True]
    assert f"no model fits {strange} and 1 more: " in result.err
    assert chargen("classify", "-t", strange, *options(models), "--quiet").err == ""


def test_the_prior_counts(chargen: Command, models: tuple[str, str]) -> None:
    """A model that is much likelier beforehand wins a text that says nothing."""
    command = ["classify", "-t", "ab", *options(models), "--json"]
    found = json.loads(chargen(*command, "--prior", "1", "--prior", "3").out)
    assert found["texts"][0]["posterior"][models[1]] == pytest.approx(0.75, abs=1e-3)
    found = json.loads(chargen(*command, "--prior", "1e308", "--prior", "1e308").out)  # whose sum is infinite
    assert found["texts"][0]["posterior"][models[1]] == pytest.approx(0.5, abs=1e-3)
    assert "prior must be 2 positive numbers" in chargen(*command, "--prior", "1").error


def test_wrong_usage_is_told_in_a_line(chargen: Command, models: tuple[str, str]) -> None:
    """Fewer than two different models, no text and a negative --top end with code 2."""
    for arguments, words in (
        (["-t", "a"], "two different models"),
        (["-t", "a", "-m", models[0]], "two different models"),
        (["-t", "a", "-m", models[0], "-m", models[0]], "two different models"),
        (options(models), "give a file"),
        (["-t", "a", *options(models), "--top", "-1"], "--top"),
    ):
        result = chargen("classify", *arguments)
        assert words in result.error
        assert result.code == 2


def test_what_cannot_be_classified_is_an_error(chargen: Command, models: tuple[str, str], folder: Path) -> None:
    """Models with no character in common, missing or empty texts, and texts of unknown characters alone."""
    save(folder / "other.safetensors", samples.checkpoint("αβγ"))
    assert (
        "1 and 2 have no character in common"
        in chargen("classify", "-t", "a", "-m", models[0], "-m", "other.safetensors").error
    )
    assert "there is no checkpoint" in chargen("classify", "-t", "a", "-m", models[0], "-m", "none").error
    assert "cannot read missing.txt" in chargen("classify", "missing.txt", *options(models)).error
    (folder / "empty.txt").write_text("")
    assert chargen("classify", "empty.txt", *options(models)).error == "empty.txt is empty"
    assert "is empty" in chargen("classify", "-t", "", *options(models)).error
    assert "no character that any of the models knows" in chargen("classify", "-t", "éé", *options(models)).error
