"""A text in turns: what it is made of, where it goes on, and how turns are joined, broken off and taken back."""

from typing import Any

import numpy as np
import pytest
from networks import chain, random_network, reciter

from chargen.config import SamplerConfig
from chargen.errors import CheckpointError, ConfigError
from chargen.inference.shared_text import SharedText
from chargen.inference.text_end import TextEnd
from chargen.text.vocab import Vocab

VOCAB = Vocab(" .,abc")
SETTINGS: dict[str, Any] = {"end": TextEnd(turn_length=12), "seed": 3, "sampler": SamplerConfig(temperature=1)}


def shared() -> SharedText:
    """A text of a network of random weights."""
    return SharedText(random_network(vocab_size=len(VOCAB), hidden_size=16), VOCAB)


def reciting(characters: str) -> SharedText:
    """A text of a network that writes these characters in a circle."""
    return SharedText(reciter(characters), Vocab(characters))


def turn(text: SharedText, typed: str = "", **changes: Any) -> str:
    """What the network writes to what is typed."""
    return "".join(text.write(typed, **{**SETTINGS, **changes}))


def test_a_turn_goes_on_as_if_the_text_were_read_anew() -> None:
    """From the state that was kept, to which all of the text has been told, the white space after a turn included."""
    text, anew = shared(), shared()
    turn(text, "ab")
    before = text.text
    assert turn(text, "ca", seed=9) == turn(anew, before + "ca", seed=9)
    assert text.text == anew.text


def test_a_turn_ends_with_a_word() -> None:
    """The white space after it belongs to the text; where no word ends a turn is cut off at twice its length."""
    text = reciting("abcdefgh ij")
    assert turn(text, "a", end=TextEnd(turn_length=5)) == "bcdefgh"
    assert text.text == "abcdefgh "
    assert turn(text, end=TextEnd(turn_length=2)) == "ijab"
    assert text.text == "abcdefgh ijab"


@pytest.mark.parametrize(
    ("typed", "joined"), [("b", " b"), (" b", " b"), (",", ","), (", b", ", b"), (".", "."), ("", " ")]
)
def test_what_is_typed_is_joined_with_sense(typed: str, joined: str) -> None:
    """One space between words and none before a comma or full stop; the network has read just that."""
    text = shared()
    for seed in range(100):
        turn(text, "a", end=TextEnd(turn_length=3), seed=seed)
        if text.text[-1] == " " and text.text[-2] in "abc":
            break
        text.undo()
    head = text.text.removesuffix(" ")
    anew = shared()
    assert turn(text, typed) == turn(anew, head + joined)
    assert text.text == anew.text
    assert text.text.startswith(head + joined)


@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_a_turn_that_is_broken_off_keeps_what_was_written(penalty: float) -> None:
    """It goes on in the middle of a word where nothing is typed; what is typed does not stick to the cut word."""
    settings = {"sampler": SamplerConfig(temperature=1, repetition_penalty=penalty)}
    for typed, joined in (("", ""), ("b", " b"), (",b", ",b")):
        text, anew = shared(), shared()
        pieces = text.write("a a", **{**SETTINGS, "end": TextEnd(turn_length=100), "seed": 5, **settings})
        written = next(pieces)
        while written[-1] not in "abc":
            written += next(pieces)
        pieces.close()
        assert text.text == "a a" + written
        assert turn(text, typed, **settings) == turn(anew, "a a" + written + joined, **settings)
        assert text.text == anew.text


def test_turns_are_taken_back_and_written_anew() -> None:
    """One by one, what was typed included; a turn written anew takes the place of the last."""
    text = shared()
    first = turn(text, "a")
    states = [text.text]
    turn(text, "b")
    assert turn(text, anew=True, seed=4) != first
    assert text.text.startswith(states[0].removesuffix(" "))
    text.undo()
    assert text.text == states[0]
    assert turn(text, anew=True) == first
    assert text.text == states[0]
    text.undo()
    assert text.text == ""
    for nothing in (text.undo, lambda: turn(text, anew=True)):
        with pytest.raises(ConfigError, match="no turn yet"):
            nothing()


def test_a_stop_string_belongs_to_the_text() -> None:
    """The network has read it, though the turn leaves it out; what is typed comes behind it."""
    text = reciting("abc def,")
    assert turn(text, "a", end=TextEnd([" d"], turn_length=12)) == "bc"
    assert turn(text, ",", end=TextEnd(turn_length=1)) == "ab"
    assert text.text == "abc d,ab"


def test_an_error_takes_the_turn_back() -> None:
    """A setting out of its range at the call, a damaged model at the first character: the text is as it was."""
    text = reciting("abcdef")
    turn(text, "a", end=TextEnd(turn_length=2))
    before = text.text
    with pytest.raises(ConfigError, match="seed must be"):
        text.write("b", **{**SETTINGS, "seed": -1})
    assert text.text == before
    damaged = SharedText(chain(np.full((3, 3), np.nan, np.float32)), Vocab("abc"))
    with pytest.raises(CheckpointError, match="not finite"):
        turn(damaged, "a")
    assert damaged.text == ""
