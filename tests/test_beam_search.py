"""The search for the likeliest text: what it finds, what it costs nothing to know, and where it ends."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import chain, random_network, reciter

from chargen.config import SamplerConfig
from chargen.errors import CheckpointError, ConfigError, TextError
from chargen.inference.beam_search import beam_search
from chargen.inference.generate import Sample, collect, generate
from chargen.inference.numpy_network import Network
from chargen.inference.softmax import log_softmax
from chargen.inference.text_end import TextEnd
from chargen.text.vocab import Vocab

VOCAB = Vocab("abcdefg")
GREEDY = SamplerConfig(temperature=0)


def found(network: Network, prompt: str, vocab: Vocab = VOCAB, **arguments: Any) -> Sample:
    """The text that a search finds behind a prompt."""
    (sample,) = collect(beam_search(network, vocab, vocab.ids_of(prompt), **arguments))
    return sample


def log_probability(network: Network, prompt: str, text: str) -> float:
    """The logarithm of the probability of ``text`` behind ``prompt``."""
    ids = VOCAB.ids_of(prompt + text)
    scores = log_softmax(network.reader().run(ids[:-1]))
    return float(scores[np.arange(len(prompt) - 1, len(ids) - 1), ids[len(prompt) :]].sum())


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "peephole"])
@given(
    seed=st.integers(0, 50),
    length=st.integers(0, 40),
    stop=st.lists(st.text("abcdefg", min_size=1, max_size=2), max_size=2),
    keep_stop=st.booleans(),
)
@settings(max_examples=15, deadline=None)
def test_one_beam_is_temperature_zero(cell: str, seed: int, length: int, stop: list[str], keep_stop: bool) -> None:
    """The same text, and the same place from which it goes on."""
    network = random_network(seed, cell=cell)
    common: dict[str, Any] = {"length": length, "end": TextEnd(stop, keep_stop=keep_stop)}
    one = found(network, "ab", beams=1, **common)
    (greedy,) = collect(generate(network, VOCAB, VOCAB.ids_of("ab"), seed=0, sampler=GREEDY, **common))
    assert (one.text, one.ending.reason, one.ending.last) == (greedy.text, greedy.ending.reason, greedy.ending.last)
    np.testing.assert_allclose(one.ending.state, greedy.ending.state, atol=1e-6)
    assert one.ending.left_out == greedy.ending.left_out


@pytest.mark.parametrize("seed", range(4))
def test_enough_beams_find_the_likeliest_text_of_all(seed: int) -> None:
    """A beam that no beginning falls out of finds what a search through all texts does, and one beam may not."""
    network = random_network(seed)
    texts = ["".join(text) for text in itertools.product("abcdefg", repeat=3)]
    likeliest = max(texts, key=lambda text: log_probability(network, "ab", text))
    assert found(network, "ab", beams=7**3, length=3).text == likeliest


def test_a_detour_is_found() -> None:
    """The likeliest text may begin with a character that is not the likeliest; temperature 0 misses it."""
    probabilities = np.full((4, 4), 0.25)
    probabilities[0] = [0.01, 0.5, 0.48, 0.01]  # a: b seems best
    probabilities[2] = [0.01, 0.01, 0.01, 0.97]  # but c leads to d
    network = chain(np.log(probabilities).astype(np.float32))
    assert found(network, "a", Vocab("abcd"), beams=1, length=2).text[0] == "b"
    assert found(network, "a", Vocab("abcd"), beams=2, length=2).text == "cd"


def test_a_text_that_ended_is_weighed_against_those_that_go_on() -> None:
    """It wins as soon as it is the likeliest, and gives its place up to what is likelier."""
    probabilities = np.array([[0.02, 0.58, 0.4], [0.9, 0.05, 0.05], [0.3, 0.3, 0.4]])
    network, vocab = chain(np.log(probabilities).astype(np.float32)), Vocab("abc")
    ending = found(network, "a", vocab, beams=3, length=9, end=TextEnd(["c"]))
    assert (ending.text, ending.ending.reason, ending.ending.left_out) == ("", "stop", "c")  # 0.4, "ba" has 0.52
    assert found(network, "a", vocab, beams=1, length=2, end=TextEnd(["c"])).text == "ba"


def test_prompts_are_searched_one_by_one() -> None:
    """Each gives the text that it gives alone; without any, a text begins as one that is drawn."""
    network = random_network()
    together = collect(beam_search(network, VOCAB, [0, 1], [2], beams=3, length=8))
    assert [sample.text for sample in together] == [
        found(network, prompt, beams=3, length=8).text for prompt in ("ab", "c")
    ]
    (empty,) = collect(beam_search(network, VOCAB, beams=1, length=8))
    (greedy,) = collect(generate(network, VOCAB, length=8, seed=0, sampler=GREEDY))
    assert empty.text == greedy.text


def test_a_search_goes_on_behind_an_ending() -> None:
    """Two searches in a row with one beam are one long one."""
    network = random_network()
    head = found(network, "ab", beams=1, length=5)
    tail = found(network, "", beams=1, length=6, state=head.ending)
    assert head.text + tail.text == found(network, "ab", beams=1, length=11).text


def test_what_is_held_back_comes_at_the_end() -> None:
    """The beginning of a stop string that was never completed belongs to the text."""
    assert found(reciter("abcdefg"), "a", beams=2, length=3, end=TextEnd(["dx"])).text == "bcd"


def test_the_reserved_unknown_id_is_never_found() -> None:
    """However likely the model thinks it."""
    logits = np.zeros((3, 3), np.float32)
    logits[:, 2] = 50
    assert set(found(chain(logits), "a", Vocab("ab", unknown=True), beams=4, length=5).text) <= {"a", "b"}


def test_bad_settings_are_refused_before_the_search() -> None:
    """A number out of range, a state that does not fit; and weights that are damaged in it."""
    network = random_network()
    for wrong, words in (
        ({"beams": 0}, "beams must be"),
        ({"beams": 1001}, "from 1 to 1,000, not 1001"),
        ({"length": -1}, "length must be"),
    ):
        with pytest.raises(ConfigError, match=words):
            beam_search(network, VOCAB, **{"beams": 2, "length": 1, **wrong})  # type: ignore[arg-type]  # on purpose
    with pytest.raises(TextError, match="does not fit"):
        beam_search(network, VOCAB, beams=2, length=1, state=np.zeros((1, 2, 1, 6)))
    with pytest.raises(CheckpointError, match="not finite"):
        found(chain(np.full((3, 3), np.nan, np.float32)), "a", Vocab("abc"), beams=2, length=2)
