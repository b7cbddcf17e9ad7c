"""Items drawn from a model of a list: whole, distinct, new where asked, each by itself."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from networks import chain, random_network, reciter
from numpy.typing import NDArray

from chargen.config import SamplerConfig
from chargen.errors import ConfigError, TextError
from chargen.inference.generate import collect, generate
from chargen.inference.item_sampling import FRUITLESS, Item, draw_items
from chargen.inference.numpy_network import Network
from chargen.inference.text_end import TextEnd
from chargen.text.vocab import Vocab

VOCAB = Vocab("\nabcdef", end="\n")
EVEN = SamplerConfig(temperature=1)


def nothing(_: str) -> bool:
    """Of an item, that the model was not trained on it."""
    return False


def each(seen: Callable[[str], bool]) -> Callable[[Sequence[str]], NDArray[np.bool_]]:
    """Tells of several items what ``seen`` tells of one."""
    return lambda items: np.array([seen(item) for item in items])


def draw(count: int, *, seen: Callable[[str], bool] = nothing, **options: Any) -> list[Item]:
    """Items of a network of random weights."""
    options = {"seed": 5, "max_length": 30, "sampler": EVEN, **options}
    return list(draw_items(random_network(seed=1), VOCAB, count, seen=each(seen), **options))


def drawn_until_the_error(
    network: Network, characters: str, *, seen: Callable[[str], bool] = nothing, **options: Any
) -> tuple[list[str], str]:
    """The texts of the items given before the error, and what that says."""
    items = draw_items(network, Vocab(characters, end="\n"), 3, seen=each(seen), seed=0, max_length=9, **options)
    texts: list[str] = []

    def take_all() -> None:
        for item in items:
            texts.append(item.text)  # noqa: PERF401  # a comprehension would lose those before the error

    with pytest.raises(TextError) as caught:
        take_all()
    return texts, str(caught.value)


def test_items_are_whole_and_distinct() -> None:
    """As many as asked for, no two alike, none empty, none with an end mark or longer than allowed."""
    texts = [item.text for item in draw(300, max_length=12)]
    assert len(set(texts)) == 300
    assert all(0 < len(text) <= 12 and "\n" not in text for text in texts)
    assert max(map(len, texts)) == 12


def test_each_item_is_what_its_seed_writes_after_an_end_mark() -> None:
    """Every one begins from the zero state: alone, its seed gives the same, whatever was written beside it."""
    plain = Vocab(VOCAB.characters)
    for item in draw(40, prompt="ab"):
        ids = plain.ids_of("\nab")
        (alone,) = collect(
            generate(random_network(seed=1), plain, ids, length=30, seed=item.seed, sampler=EVEN, end=TextEnd(["\n"]))
        )
        assert item.text == "ab" + alone.text


def test_a_seeds_first_items_are_the_same_however_many_are_asked_for() -> None:
    """Items come in the order of their seeds, though they are drawn side by side and in rounds."""
    many = draw(700)
    for count in (1, 2, 20, 400):
        assert draw(count) == many[:count]
    assert [item.seed for item in many] == sorted({item.seed for item in many})


@pytest.mark.parametrize("prompt", ["a", "fade", "abcdefabc"])
def test_every_item_begins_with_the_prompt(prompt: str) -> None:
    """The prompt is part of each item and of its length."""
    texts = [item.text for item in draw(20, prompt=prompt, max_length=12)]
    assert all(text.startswith(prompt) and len(text) <= 12 for text in texts)


def test_new_items_are_none_of_the_trainings() -> None:
    """With ``new`` none of a hundred thousand items that the model has seen, though without it some are."""
    trained = {"".join(letters) for size in range(1, 7) for letters in itertools.product("abcdef", repeat=size)}
    trained = {text for text in trained if text[:1] != "f"}
    assert not all(item.new for item in draw(100, seen=trained.__contains__))
    for item in draw(100, seen=trained.__contains__, new=True):
        assert item.new
        assert item.text not in trained


def test_an_item_tells_whether_it_is_new() -> None:
    """Without ``new`` both kinds come, each told as what it is."""
    items = draw(100, seen=lambda text: text < "c")
    assert {item.new for item in items} == {True, False}
    assert all(item.new == (item.text >= "c") for item in items)


def test_what_is_drawn_twice_is_given_once() -> None:
    """A model that knows two items gives both and then says why there is no third."""
    logits = np.full((3, 3), -1000, np.float32)
    logits[0, 1] = logits[0, 2] = logits[1, 0] = logits[2, 0] = 0
    texts, error = drawn_until_the_error(chain(logits), "\nab")
    assert sorted(texts) == ["a", "b"]
    assert error == (
        "found 2 of 3 items: the last 1,000 drawn were of no use (1,000 written before); a higher temperature helps"
    )


def test_an_empty_item_is_drawn_again() -> None:
    """An end mark right after an end mark is no item."""
    logits = np.full((2, 2), -1000, np.float32)
    logits[0, 0] = logits[0, 1] = logits[1, 0] = logits[1, 1] = 0
    (item,) = draw_items(chain(logits), Vocab("\na", end="\n"), 1, seen=each(nothing), seed=0, max_length=9)
    assert set(item.text) == {"a"}


def test_a_model_that_ends_no_item_is_given_up() -> None:
    """What reaches the longest length is drawn again, but not without end."""
    logits = np.array([[0, 1, 0], [0, 0, 1], [0, 1, 0]], np.float32) * 1000
    texts, error = drawn_until_the_error(chain(logits), "\nab", prompt="a")
    assert texts == []
    assert f"{FRUITLESS:,} too long" in error
    assert error.endswith("; max-length is 9")


def test_a_list_of_a_single_item_has_nothing_new() -> None:
    """A model that only knows its training says so instead of looking on."""
    texts, error = drawn_until_the_error(reciter("\nabc"), "\nabc", new=True, seen="abc".__eq__)
    assert texts == []
    assert "1,000 in the training list" in error


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"count": 0}, "items must be a whole number of at least 1, not 0"),
        ({"count": True}, "items must be a whole number of at least 1, not True"),
        ({"max_length": 0}, "max-length must be a whole number of at least 1, not 0"),
        ({"prompt": "a\nb"}, r"the prompt holds '\\n', which ends an item; give the beginning of one item"),
        ({"prompt": "abc", "max_length": 2}, "the prompt has 3 characters, and an item at most 2"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(options: dict[str, Any], error: str) -> None:
    """Before anything is drawn, and with what was given."""
    with pytest.raises((ConfigError, TextError), match=error):
        draw(**{"count": 3, **options})
