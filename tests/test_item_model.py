"""Models of lists from Python: items drawn, lists scored, and what a text's model says to that."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tiny
from item_models import LINES, STARS, item_model
from samples import checkpoint

import chargen
from chargen import Model
from chargen.config import SamplerConfig
from chargen.errors import ConfigError, MismatchError, TextError
from chargen.store.checkpoint import load, save
from chargen.text.corpus import Texts
from chargen.text.vocab import Vocab
from chargen.training import start


@pytest.fixture
def model() -> Model:
    """A model of a list of lines, which says that it was trained on half of its commonest items."""
    return Model(item_model(["a", "ab", "b", "cab"]), Path("lines"))


def test_items_are_drawn(model: Model) -> None:
    """Their texts are distinct, each says whether it is new, and the first ones are the same however many there are."""
    items = list(model.items(60, seed=3, temperature=1))
    assert len({item.text for item in items}) == 60
    assert {item.text for item in items if not item.new} <= {"a", "ab", "b", "cab"}
    assert list(model.items(5, seed=3, sampler=SamplerConfig(temperature=1))) == items[:5]
    assert len(list(model.items(seed=3))) == 10


def test_new_items_and_those_that_begin_alike(model: Model) -> None:
    """``new`` leaves out what was trained on; a prompt is part of each item, and read as in ``sample``."""
    for item in model.items(30, new=True, prompt="A", seed=3):
        assert item.new
        assert item.text.startswith("a")
        assert item.text not in {"a", "ab"}
    with pytest.raises(TextError, match="not in the model's vocabulary"):
        model.items(prompt="A", strict=True)


def test_white_space_makes_no_item_new() -> None:
    """What a list has lost at its items' ends does not count; an item of nothing else is drawn again."""
    spaces = item_model(["a", "b"], scale=0.1)
    model = Model(dataclasses.replace(spaces, vocab=Vocab("\n abcd", end="\n")), Path("spaces"))
    items = list(model.items(150, seed=1, max_length=3, temperature=2))
    assert {" a", "a ", " b"} & {item.text for item in items}
    assert all(item.new == (item.text.strip() not in {"a", "b"}) for item in items)
    assert all(item.text.strip() for item in items)


def test_a_hundred_thousand_items_are_known() -> None:
    """Whatever their number and however often each stands in the list, none of them is called new."""
    letters = np.array(list("abcdé"))
    digits = np.arange(100_000)[:, None] // 5 ** np.arange(8) % 5
    trained = ["".join(row) for row in letters[digits]]
    many = Model(item_model([*trained, *trained[:1000]], hidden_size=16), Path("many"))
    known = set(trained)
    assert all(item.new == (item.text not in known) for item in many.items(200, prompt="aa", temperature=2, seed=1))
    assert not known & {item.text for item in many.items(200, new=True, temperature=2, seed=1)}


def test_what_makes_no_sense_is_refused(model: Model) -> None:
    """Before anything is drawn; a model of a text has no items."""
    with pytest.raises(
        MismatchError, match="one was trained on one long text and knows no items; train on a list with"
    ):
        Model(checkpoint(), Path("one")).items(5)
    for count, length, seed in ((0, 9, 1), (1, 0, 1), (1, 9, -1)):
        with pytest.raises(ConfigError, match="must be a whole number of at least"):
            model.items(count, max_length=length, seed=seed)
    with pytest.raises(ConfigError, match="did you mean temperature"):
        model.items(temprature=1)  # type: ignore[call-arg]  # misspelt


def test_a_list_is_scored_item_by_item(model: Model) -> None:
    """Its text is divided as the training's was, and order does not matter."""
    scored = model.score("ab\n\n cab\nd")
    assert model.as_read("ab\n\n cab\nd") == "ab\ncab\nd\n"
    assert (scored.items, scored.characters) == (3, 9)
    np.testing.assert_allclose(model.score("d\nab\ncab").item_bits, scored.item_bits[[2, 0, 1]], rtol=1e-4)
    with pytest.raises(TextError, match="there is no text to score"):
        model.score(" \n")


def test_what_has_end_marks_is_read_as_it_is() -> None:
    """A split of longer items comes with them; a text of a text's model is its own."""
    stars = Model(item_model(["a\nb"], STARS), Path("stars"))
    assert stars.as_read("a\nb\n***\n***\ncd\n") == "a\nb\3cd\3"
    assert stars.as_read("a\nb\3cd\3") == "a\nb\3cd\3"
    assert Model(checkpoint(), Path("one")).as_read("a\n\nb") == "a\n\nb"
    assert stars.score("a\nb\n***\ncd").items == 2


def test_texts_go_on_with_the_next_item(model: Model) -> None:
    """``sample`` writes a list as it was read, each item as ``items`` has it."""
    text = model.sample("ab", seed=3, length=60, temperature=1)
    (first,) = model.items(1, prompt="ab", seed=3, max_length=60, temperature=1)
    assert ("ab" + text).startswith(first.text + "\n")


def test_a_checkpoint_keeps_what_it_was_trained_on(tmp_path: Path) -> None:
    """In a file; its vocabulary knows the end mark."""
    for division in (LINES, STARS):
        whole = item_model(["ab", "ca"], division)
        save(tmp_path / "some.safetensors", whole)
        found = load(tmp_path / "some.safetensors")
        assert found.vocab.end == division.end
        one, other = (list(Model(each, tmp_path).items(20, seed=1)) for each in (whole, found))
        assert one == other


def test_a_trained_model_scores_what_it_held_out(tmp_path: Path) -> None:
    """With the loss that its training measured, though here the items are read one by one."""
    names = tmp_path / "names.txt"
    names.write_text("\n".join(first + last for first in "abcdefgh" for last in ["nna", "ob", "aria", "ee", "y"]))
    trainer = start.begin(
        Texts(sources=(str(names),), lines=True),
        run="list",
        root=tmp_path,
        **{**tiny.SETTINGS, "val_fraction": 0.2, "test_fraction": 0.2, "steps": 30},
    )
    result = tiny.finish(trainer)
    model = chargen.load(result.best)
    held = model.held_out("test", context=0)
    scored = model.score(held.text)
    assert scored.items == 8
    assert scored.bpc == pytest.approx(result.test_bpc, abs=0.01)
    val = model.held_out("val", context=0)
    trained = {*names.read_text().split("\n")} - {*held.text.split("\n"), *val.text.split("\n")}
    assert all(item.new == (item.text not in trained) for item in model.items(40, seed=1))
