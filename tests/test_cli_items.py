"""``chargen`` with models of lists: items on stdout and nothing else, each by itself, clear words where none are."""

import itertools
import json
from pathlib import Path

import pytest
from conftest import Command
from item_models import STARS, item_model
from samples import checkpoint

from chargen.cli.output.terminal import DIVIDER
from chargen.store.checkpoint import save

TRAINED = ["".join(letters) for size in (1, 2, 3) for letters in itertools.product("abcdé", repeat=size)][::2]


@pytest.fixture(autouse=True)
def models(folder: Path) -> None:
    """Models of a list of lines, of a list of longer items, and of a text."""
    save(folder / "lines.safetensors", item_model(TRAINED, hidden_size=8))
    save(folder / "stars.safetensors", item_model(["a\nb"], STARS))
    save(folder / "text.safetensors", checkpoint())


def items_of(chargen: Command, *arguments: object) -> list[str]:
    """The lines that a model of lines writes."""
    result = chargen("sample", "lines.safetensors", "--seed", 3, *arguments)
    assert result.code == 0, result
    return result.out.splitlines()


def test_items_are_written_one_a_line(chargen: Command) -> None:
    """As many as asked for, distinct; the end says how many were new."""
    result = chargen("sample", "lines.safetensors", "--items", 30, "--seed", 3)
    items = result.out.splitlines()
    assert len(set(items)) == 30
    assert "" not in items
    assert result.err == f"note: {len(set(items) - set(TRAINED))} of 30 are new\n"


def test_ten_are_written_where_no_number_is_given(chargen: Command) -> None:
    """The first of those that more would be; the seed and how to have more are told."""
    result = chargen("sample", "lines.safetensors")
    seed = result.err.split()[2]
    assert result.err.endswith("; --items writes more\n")
    more = chargen("sample", "lines.safetensors", "--items", 25, "--seed", seed).out.splitlines()
    assert result.out.splitlines() == more[:10]


def test_new_items_are_none_that_were_trained_on(chargen: Command) -> None:
    """With --new, which then needs no count of them."""
    assert set(items_of(chargen, "--items", 40)) & set(TRAINED)
    result = chargen("sample", "lines.safetensors", "--items", 40, "--new", "--seed", 3)
    assert not set(result.out.splitlines()) & set(TRAINED)
    assert len(result.out.splitlines()) == 40
    assert result.err == ""


def test_a_prompt_begins_each_item(chargen: Command, folder: Path) -> None:
    """From the command line or a file, whose last line end is none of an item."""
    items = items_of(chargen, "-p", "ca")
    assert all(item.startswith("ca") for item in items)
    (folder / "prompt.txt").write_text("ca\n")
    assert items_of(chargen, "--prompt-file", "prompt.txt") == items
    assert items_of(chargen, "-p", "ca", "-p", "d") == items + items_of(chargen, "-p", "d")


def test_items_are_as_long_as_asked_for_at_most(chargen: Command) -> None:
    """Without --max-length as the longest that the model was trained on."""
    assert max(map(len, items_of(chargen, "--items", 50, "-t", 2))) <= 9
    assert max(map(len, items_of(chargen, "--items", 50, "-t", 2, "--max-length", 4))) <= 4
    assert max(map(len, items_of(chargen, "--items", 50, "-t", 2, "--max-length", 40))) > 9


def test_json_says_of_each_item_whether_it_is_new(chargen: Command) -> None:
    """With its seed and all settings."""
    result = chargen("sample", "lines.safetensors", "--items", 30, "--seed", 3, "-t", 0.9, "--json")
    found = json.loads(result.out)
    assert [item["text"] for item in found["items"]] == items_of(chargen, "--items", 30, "-t", 0.9)
    assert all(item["new"] == (item["text"] not in TRAINED) for item in found["items"])
    assert {"items": 30, "temperature": 0.9, "seed": 3, "new": False}.items() <= found["settings"].items()
    assert result.err == ""


def test_items_of_several_lines_are_divided(chargen: Command) -> None:
    """By a line of dashes; the end mark itself is never written."""
    result = chargen("sample", "stars.safetensors", "--items", 5, "--seed", 1)
    assert result.code == 0
    assert len(result.out.split(DIVIDER)) == 5
    assert "\x03" not in result.out


@pytest.mark.parametrize("as_json", [False, True])
def test_what_there_is_is_written_before_it_is_said_that_there_is_no_more(chargen: Command, as_json: bool) -> None:
    """The likeliest item is the only one at temperature 0."""
    result = chargen("sample", "lines.safetensors", "--items", 3, "-t", 0, "--max-length", 300, *["--json"] * as_json)
    assert result.code == 1
    written = json.loads(result.out)["items"] if as_json else result.out.splitlines()
    assert len(written) <= 1
    assert f"error: found {len(written)} of 3 items: the last 1,000 drawn were of no use" in result.err


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("text --items 5", "--items needs a model of a list, and text.safetensors was trained on one long text; "),
        ("text --new", "--new needs a model of a list"),
        ("text --max-length 5", "--max-length needs a model of a list"),
        ("lines -n 20", "--length means nothing to a model of a list: an item ends by itself, and --max-length bounds"),
        ("lines --num-samples 2", "--num-samples means nothing to a model of a list: --items says how many"),
        ("lines --stop x", "--stop means nothing to a model of a list"),
        ("lines --until-sentence", "--until-sentence means nothing to a model of a list"),
        ("lines --save-state x.npz", "--save-state means nothing to a model of a list"),
        ("lines --state x.npz", "--state means nothing to a model of a list"),
        ("lines --beams 3", "--beams means nothing to a model of a list"),
        ("lines --no-echo", "--no-echo means nothing to a model of a list"),
        ("lines --interactive", "--interactive means nothing to a model of a list: -p says"),
        ("lines --items 0", "items must be a whole number of at least 1, not 0"),
        ("lines --max-length 0", "max-length must be a whole number of at least 1, not 0"),
        ("lines --seed -1", "seed must be a whole number of at least 0, not -1"),
        ("lines -p abcab --max-length 4", "the prompt has 5 characters, and an item at most 4"),
    ],
)
def test_what_makes_no_sense_is_refused(chargen: Command, arguments: str, error: str) -> None:
    """With what to do instead, whether it is for a list or for a text."""
    name, *options = arguments.split()
    assert chargen("sample", f"{name}.safetensors", *options).error.startswith(error)


def test_a_prompt_of_several_lines_is_refused(chargen: Command) -> None:
    """Where each line is an item."""
    assert chargen("sample", "lines.safetensors", "-p", "ab\ncd").error.startswith("the prompt holds '\\n', which ends")


def test_a_file_is_scored_item_by_item(chargen: Command, folder: Path) -> None:
    """Blank lines are none; the order does not matter, and the bits of each are in the JSON."""
    (folder / "one.txt").write_text("ab\n\n cab \nd")
    (folder / "other.txt").write_text("d\nab\ncab\n")
    one, other = (
        json.loads(chargen("score", "lines.safetensors", name, "--json").out)["files"][0]
        for name in ("one.txt", "other.txt")
    )
    bits = [{item["text"]: item["bits"] for item in found["item_scores"]} for found in (one, other)]
    assert list(bits[0]) == ["ab", "cab", "d"]
    assert bits[0] == pytest.approx(bits[1], abs=1e-3)
    assert one["items"] == 3
    assert one["characters"] == 9  # with the ends
    assert one["bits_per_item"] == pytest.approx(one["bpc"] * 9 / 3)
    table = chargen("score", "lines.safetensors", "one.txt", "other.txt").out
    assert table.splitlines()[0].endswith("bits per item")


def test_what_was_read_helps_with_lists_too(chargen: Command, folder: Path) -> None:
    """--remember, --with and --adapt work for them as for texts; weights that stay score as those of the model."""
    (folder / "one.txt").write_text("ab\ncab\n" * 40)
    figures = [
        json.loads(chargen("score", "lines.safetensors", "one.txt", "--json", *options).out)
        for options in ([], ["--remember"], ["--with", "lines.safetensors"], ["--adapt", "--adapt-rate", 0])
    ]
    plain, remembering, together, staying = (found["bits_per_item"] for found in figures)
    assert staying == pytest.approx(plain, rel=1e-5)
    assert remembering < plain
    assert together <= plain


def test_a_list_without_items_is_told(chargen: Command, folder: Path) -> None:
    """Of a file of blank lines there is nothing to score or to classify."""
    (folder / "blank.txt").write_text("\n  \n")
    assert chargen("score", "lines.safetensors", "blank.txt").error.startswith("blank.txt has no item")
    models = ["-m", "lines.safetensors", "-m", "./lines.safetensors"]
    assert chargen("classify", "blank.txt", *models).error == "there is no item to classify"


def test_items_of_several_lines_are_shown_with_a_sign_at_their_end(chargen: Command, folder: Path) -> None:
    """In the terminal and on the page, instead of a control character."""
    (folder / "poems.txt").write_text("a\nb\n***\ncd\n***\n")
    arguments = ["score", "stars.safetensors", "poems.txt", "--per-char"]
    out = chargen(*arguments).out
    assert "cd␃" in out
    assert chargen(*arguments, "--html", "page.html").code == 0
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert "␃\n" in page
    assert "\x03" not in out + page


def test_each_item_is_classified(chargen: Command, folder: Path) -> None:
    """Where all models are of lists that are divided alike; an end decides like a character."""
    (folder / "names.txt").write_text("ab\n\ncab\n")
    save(folder / "other.safetensors", item_model(["d"], scale=0.9))
    models = ["-m", "lines.safetensors", "-m", "other.safetensors"]
    found = json.loads(chargen("classify", "names.txt", *models, "--json", "--top", 9).out)["texts"]
    assert [text["text"] for text in found] == ["ab", "cab"]
    assert [text["characters"] for text in found] == [3, 4]
    assert {one["character"] for one in found[0]["decided"]} == {"a", "b", "\n"}
    assert len(chargen("classify", "names.txt", *models).out.splitlines()) == 3
    (mixed,) = json.loads(chargen("classify", "names.txt", *models[:2], "-m", "text.safetensors", "--json").out)[
        "texts"
    ]
    assert mixed["text"] == "names.txt"


def test_inspect_tells_of_the_list(chargen: Command) -> None:
    """How many items of which kind, and how many of them are known apart."""
    assert (
        f"list        {len(TRAINED) + 2} lines: train {len(TRAINED)} (" in chargen("inspect", "lines.safetensors").out
    )
    assert "items, divided by '***'" in chargen("inspect", "stars.safetensors").out
    assert "\nlist" not in chargen("inspect", "text.safetensors").out
    assert json.loads(chargen("inspect", "lines.safetensors", "--json").out)["seen_items"] == len(TRAINED)


def test_a_gap_in_an_item_is_filled(chargen: Command, folder: Path) -> None:
    """Without its end mark in what is shown."""
    save(folder / "both.safetensors", item_model(bidirectional=True))
    found = json.loads(chargen("infill", "both.safetensors", "a_c", "--json").out)
    assert all(len(candidate["text"]) == 3 for candidate in found["candidates"])


def test_the_page_begins_with_whole_items(chargen: Command, folder: Path) -> None:
    """No end mark of items of several lines stands in its fields."""
    assert chargen("export", "stars.safetensors", "--html", "page.html").code == 0
    assert "\x03" not in (folder / "page.html").read_text(encoding="utf-8")
