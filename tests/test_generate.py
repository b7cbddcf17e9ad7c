"""Streams of text: where they start, what they stop at, and how they go on."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import chain, random_network, reciter

from chargen.config import CELLS, SamplerConfig
from chargen.errors import CheckpointError, ConfigError, TextError
from chargen.inference.generate import Ending, Piece, Sample, beginning, collect, generate, start_id
from chargen.inference.text_end import TextEnd
from chargen.text.vocab import Vocab

EVEN = SamplerConfig(temperature=1)


def ending_of(pieces: list[Piece]) -> Ending:
    """How the only text ended."""
    (ending,) = (piece.ending for piece in pieces if piece.ending)
    return ending


def recite(characters: str, prompt: str, length: int, **settings: object) -> list[Piece]:
    """The pieces of a network that writes ``characters`` in a circle."""
    vocab = Vocab(characters)
    return list(generate(reciter(characters), vocab, vocab.ids_of(prompt), length=length, seed=0, **settings))  # type: ignore[arg-type]  # settings are checked at run time


def text_of(pieces: list[Piece]) -> str:
    """The only text's characters."""
    return "".join(piece.text for piece in pieces)


def test_each_character_is_streamed_as_it_is_written() -> None:
    """A prompt is continued, a piece a character, and the last piece says why it ends."""
    pieces = recite("abcde", "ab", 4)
    assert [piece.text for piece in pieces] == ["c", "d", "e", "a", ""]
    assert [piece.ending is None for piece in pieces] == [True] * 4 + [False]
    assert ending_of(pieces).reason == "length"


def test_the_whole_prompt_is_read() -> None:
    """Every character of the prompt acts on the state that the text starts from."""
    network, vocab = random_network(), Vocab("abcdefg")
    (sample,) = collect(generate(network, vocab, vocab.ids_of("abcab"), length=1, seed=0))
    reader = network.reader()
    reader.prime(vocab.ids_of("abcab"))
    np.testing.assert_allclose(sample.ending.state, reader.state, atol=1e-6)


@pytest.mark.parametrize(("characters", "first"), [("ab\ncd", "c"), ("abcd", "b")])
def test_an_empty_prompt_starts_after_a_newline(characters: str, first: str) -> None:
    """Without a prompt the first character follows a newline, or id 0 in a vocabulary without one."""
    assert text_of(recite(characters, "", 1)) == first
    assert start_id(Vocab(characters)) == max(characters.find("\n"), 0)


@pytest.mark.parametrize(("characters", "read"), [("\n .a", [2, 0]), (" .a", [1]), ("\n a", [0]), (" a", [0])])
def test_a_text_without_a_prompt_begins_a_sentence_and_a_line(characters: str, read: list[int]) -> None:
    """It is read to follow a full stop and a line end, as far as the vocabulary has them; a state is as it is."""
    network, vocab = random_network(vocab_size=len(characters)), Vocab(characters)
    assert beginning(vocab) == read

    def state(prompt: list[int], start: Any = None) -> Any:
        return collect(generate(network, vocab, prompt, length=0, seed=0, state=start))[0].ending

    assert state([]).last == read[-1]
    np.testing.assert_array_equal(state([]).state, state(read).state)
    after = network.reader(state=np.ones((2, 2, 1, 6))).state
    np.testing.assert_array_equal(state([], after).state, after)


@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_several_prompts_are_continued_as_each_alone(penalty: float) -> None:
    """Prompts of any lengths, several texts of each: the seeds, the penalty and the state are each text's own."""
    network, vocab = random_network(hidden_size=16), Vocab("abcdefg")
    prompts = [[1, 2, 3, 4, 5, 6, 1, 2], [], [4], [1, 2], [4, 4]]
    config = SamplerConfig(temperature=1, repetition_penalty=penalty, penalty_window=5)
    common: Any = {"length": 40, "seed": 3, "num_samples": 2, "sampler": config, "end": TextEnd(["ab"], keep_stop=True)}
    together = collect(generate(network, vocab, *prompts, **common))
    alone = [sample for prompt in prompts for sample in collect(generate(network, vocab, prompt, **common))]
    assert [sample.text for sample in together] == [sample.text for sample in alone]
    assert len({sample.text for sample in together}) > 3
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.ending.state, other.ending.state, atol=1e-5)
        np.testing.assert_array_equal(one.ending.recent, other.ending.recent)


def test_a_length_of_zero_writes_nothing() -> None:
    """No new characters: one empty piece, whose ending is the prompt's."""
    pieces = recite("abc", "ab", 0)
    assert [piece.text for piece in pieces] == [""]
    assert ending_of(pieces).last == 1


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (["ef"], "bcd"),
        (["b"], ""),
        (["gh", "de"], "bc"),
        (["cdx", "de"], "bc"),
        (["d", "cd"], "b"),
        (["zz"], "bcdefgh"),
        (["h!"], "bcdefgh"),
        (["bcdefgh"], ""),
        (["ab"], "bcdefgh"),
    ],
)
def test_a_stop_string_ends_the_text_and_is_left_out(stop: list[str], expected: str) -> None:
    """The first stop string among the new characters ends the text before it; no part of it is ever shown."""
    pieces = recite("abcdefghijk", "a", 7, end=TextEnd(stop))
    assert text_of(pieces) == expected
    assert ending_of(pieces).reason == ("length" if len(expected) == 7 else "stop")


def test_what_may_begin_a_stop_string_is_held_back_only_until_it_cannot() -> None:
    """Characters wait while they could be a stop string's beginning and come together once they are not."""
    assert [piece.text for piece in recite("abcdef", "a", 4, end=TextEnd(["cdx"]))] == ["b", "cde", ""]


@given(stop=st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=3), seed=st.integers(0, 1000))
@settings(max_examples=80, deadline=None)
def test_a_text_ends_before_the_stop_string_that_is_complete_first(stop: list[str], seed: int) -> None:
    """Stop strings that overlap cut the text where a search in the whole would, the longest of those that end there."""
    network, vocab = chain(np.zeros((2, 2), np.float32)), Vocab("ab")
    whole = text_of(list(generate(network, vocab, length=20, seed=seed, sampler=EVEN)))
    ends = [(end, -len(each)) for each in stop for end in range(21) if whole[:end].endswith(each)]
    expected = whole[: sum(min(ends, default=(20, 0)))]
    pieces = list(generate(network, vocab, length=20, seed=seed, sampler=EVEN, end=TextEnd(stop)))
    assert text_of(pieces) == expected
    assert ending_of(pieces).reason == ("stop" if ends else "length")


@pytest.mark.parametrize(
    ("characters", "expected"),
    [
        ("ab. cd", "b."),
        ("ab.\ncd", "b."),
        ("ab?!\u201d) cd", "b?!\u201d)"),
        ("ab.c d", "b.c dab.c"),
        ("ab, cd.", "b, cd.ab,"),
        ("ab) cd.", "b) cd.ab)"),
    ],
)
def test_a_sentence_ends_at_the_white_space_after_it(characters: str, expected: str) -> None:
    """The text stops before the first white space after a full stop, question or exclamation mark, and its quotes."""
    assert text_of(recite(characters, "a", 9, end=TextEnd(until_sentence=True))) == expected


def test_a_sentence_that_the_prompt_ended_does_not_count() -> None:
    """The end of a sentence must be among the new characters."""
    assert text_of(recite("a. bc", ".", 4, end=TextEnd(until_sentence=True))) == " bca"


def test_each_text_stops_for_itself() -> None:
    """Texts that stopped leave the batch; the others go on as they would alone, with their own states."""
    network, vocab = random_network(hidden_size=16), Vocab("abcdefg")

    def write(seed: int, num_samples: int) -> list[Sample]:
        settings: Any = {"sampler": EVEN, "end": TextEnd(["a", "bc", "dd"])}
        return collect(generate(network, vocab, length=30, seed=seed, num_samples=num_samples, **settings))

    together, alone = write(3, 8), [write(3 + at, 1)[0] for at in range(8)]
    assert [sample.text for sample in together] == [sample.text for sample in alone]
    assert len({len(sample.text) for sample in together}) > 3
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.ending.state, other.ending.state, atol=1e-5)


def test_the_same_seed_gives_the_same_text_whatever_the_batch() -> None:
    """A recurrent network's texts of seeds 5 to 8 are those of each seed alone, and differ."""
    network, vocab = random_network(hidden_size=16), Vocab("abcdefg")
    together = collect(generate(network, vocab, [1, 2], length=60, seed=5, num_samples=4))
    alone = [collect(generate(network, vocab, [1, 2], length=60, seed=5 + at))[0] for at in range(4)]
    assert [sample.text for sample in together] == [sample.text for sample in alone]
    assert len({sample.text for sample in together}) == 4
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.ending.state, other.ending.state, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("penalty", [1.0, 1.5])
@given(first=st.integers(0, 300), second=st.integers(0, 40), window=st.integers(1, 70))
@settings(max_examples=6, deadline=None)
def test_two_texts_in_a_row_are_one_long_text(cell: str, penalty: float, first: int, second: int, window: int) -> None:
    """After an ending, without a new seed, characters, random numbers, penalty and state are bit for bit the same."""
    network, vocab = random_network(cell=cell), Vocab("abcdefg")
    config = SamplerConfig(temperature=0.9, repetition_penalty=penalty, penalty_window=window)
    (whole,) = collect(generate(network, vocab, [1, 2, 3], length=first + second, seed=4, sampler=config))
    (head,) = collect(generate(network, vocab, [1, 2, 3], length=first, seed=4, sampler=config))
    (tail,) = collect(generate(network, vocab, length=second, state=head.ending))
    assert head.text + tail.text == whole.text
    np.testing.assert_array_equal(tail.ending.state, whole.ending.state)
    np.testing.assert_array_equal(tail.ending.recent, whole.ending.recent)
    assert (tail.ending.last, tail.ending.seed, tail.ending.drawn) == (whole.ending.last, 4, first + second)


def test_a_prompt_after_an_ending_goes_on_behind_it() -> None:
    """What is said after a text is read behind its last character, and remembered by the penalty."""
    network, vocab = random_network(), Vocab("abcdefg")
    config = SamplerConfig(temperature=0, repetition_penalty=1.3, penalty_window=9)
    (head,) = collect(generate(network, vocab, [1, 2], length=5, seed=0, sampler=config))
    (tail,) = collect(generate(network, vocab, [3, 4], length=6, state=head.ending))
    prompt = [1, 2, *vocab.ids_of(head.text), 3, 4]
    (whole,) = collect(generate(network, vocab, prompt, length=6, seed=0, sampler=config))
    assert tail.text == whole.text
    np.testing.assert_allclose(tail.ending.state, whole.ending.state, atol=1e-6)


def test_a_new_seed_after_an_ending_begins_its_own_random_numbers() -> None:
    """Given a seed, the text after an ending does not depend on how many numbers were drawn before it."""
    network, vocab = random_network(), Vocab("abcdefg")
    (head,) = collect(generate(network, vocab, length=30, seed=0))
    (tail,) = collect(generate(network, vocab, length=30, seed=7, state=head.ending))
    (same,) = collect(generate(network, vocab, [head.ending.last], length=30, seed=7, state=head.ending.state))
    assert tail.text == same.text
    assert (tail.ending.seed, tail.ending.drawn) == (7, 30)


def test_after_a_stop_string_the_text_goes_on_behind_it() -> None:
    """The ending of a text that met its stop string has read the string."""
    pieces = recite("abcdef", "a", 5, end=TextEnd(["cd"]))
    ending = ending_of(pieces)
    network, vocab = reciter("abcdef"), Vocab("abcdef")
    (sample,) = collect(generate(network, vocab, [ending.last], length=2, seed=0, state=ending.state))
    assert text_of(pieces) + "|" + sample.text == "b|ef"


def test_endings_keep_their_state_while_others_go_on() -> None:
    """The state of a text that ended early is not overwritten by the texts that go on."""
    network, vocab = random_network(), Vocab("abcdefg")
    pieces = generate(network, vocab, length=25, seed=0, num_samples=6, sampler=EVEN, end=TextEnd(["a"]))
    seen = [(ending, ending.state.copy()) for _, _, ending in pieces if ending]
    assert len(seen) == 6
    for ending, state in seen:
        np.testing.assert_array_equal(ending.state, state)


def test_the_reserved_unknown_id_is_never_written() -> None:
    """However likely the model thinks it, the unknown character is not drawn."""
    logits = np.zeros((3, 3), np.float32)
    logits[:, 2] = 50
    text = text_of(list(generate(chain(logits), Vocab("ab", unknown=True), length=50, seed=0, sampler=EVEN)))
    assert set(text) == {"a", "b"}


def test_bad_settings_are_refused_before_anything_is_written() -> None:
    """A number out of range or a state that does not fit is an error at the call itself."""
    network, vocab = random_network(), Vocab("abcdefg")
    for wrong, words in (
        ({"length": -1}, "length must be"),
        ({"length": 1.5}, "length must be"),
        ({"seed": -1}, "seed must be"),
        ({"num_samples": 0}, "num-samples must be"),
    ):
        with pytest.raises(ConfigError, match=words):
            generate(network, vocab, **{"length": 1, "seed": 0, **wrong})  # type: ignore[arg-type]  # on purpose
    with pytest.raises(TextError, match="does not fit"):
        generate(network, vocab, length=1, seed=0, state=np.zeros((1, 2, 1, 6)))
    with pytest.raises(ConfigError, match="seed must be"):
        generate(network, vocab, length=1)


def test_a_damaged_model_is_reported() -> None:
    """Weights that are not finite end in a clear error, also with several samples."""
    network = chain(np.full((3, 3), np.nan, np.float32))
    with pytest.raises(CheckpointError, match="not finite"):
        list(generate(network, Vocab("abc"), length=1, seed=0, num_samples=2))


@pytest.mark.parametrize("prompt", ["", "b", "dab"])
def test_an_item_begins_behind_an_end_mark(prompt: str) -> None:
    """Of a list, with a prompt and without."""
    plain, network = Vocab("ab\3cdef"), random_network()
    items = Vocab(plain.characters, end="\3")
    expected = list(generate(network, plain, plain.ids_of("\3" + prompt), length=20, seed=0))
    assert text_of(list(generate(network, items, items.ids_of(prompt), length=20, seed=0))) == text_of(expected)
