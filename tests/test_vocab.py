"""Characters to ids and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import vocab_of

from chargen.errors import TextError
from chargen.text.vocab import UNKNOWN, Vocab

ANYTHING = st.text(st.characters(exclude_categories=()))


@given(ANYTHING)
def test_a_text_comes_back_from_its_ids(text: str) -> None:
    """Any text, lone surrogates too, comes back from the ids of its own vocabulary."""
    vocab = vocab_of(text)
    ids = vocab.ids_of(text)
    assert vocab.text_of(ids) == text
    assert len(vocab) == len(set(text))


@given(ANYTHING, ANYTHING)
def test_lookup_marks_exactly_what_is_not_listed(listed: str, text: str) -> None:
    """Each character gets the id that ``id_of`` gives, and -1 where there is none."""
    vocab = vocab_of(listed)
    expected = [-1 if (one := vocab.id_of(character)) is None else one for character in text]
    assert vocab.lookup(text).tolist() == expected


def test_an_unlisted_character_is_an_error_that_names_it() -> None:
    """Without a reserved id an unlisted character is refused with its code point and place."""
    with pytest.raises(TextError, match=r"'é' \(U\+00E9, at 2\)"):
        Vocab("abc").ids_of("abé")


def test_the_reserved_id_takes_what_is_not_listed() -> None:
    """With a reserved id, the last, unlisted characters fall to it and show as U+FFFD."""
    vocab = Vocab("abc", unknown=True)
    ids = vocab.ids_of("aé😀c")
    assert ids.tolist() == [0, 3, 3, 2]
    assert (len(vocab), vocab.unknown_id) == (4, 3)
    assert vocab.text_of(ids) == f"a{UNKNOWN}{UNKNOWN}c"


@pytest.mark.parametrize("unknown", [True, False])
def test_what_was_read_tells_what_is_not_listed(*, unknown: bool) -> None:
    """The ids of a text tell which of its characters are not listed, with a reserved id and without."""
    vocab = Vocab("abc", unknown=unknown)
    text = "aé😀c"
    assert vocab.unlisted(vocab.read(text)).tolist() == [False, True, True, False]


def test_u_fffd_itself_is_not_the_reserved_id() -> None:
    """A replacement character in the text is a character like any other."""
    vocab = Vocab(f"a{UNKNOWN}", unknown=True)
    assert vocab.ids_of(f"{UNKNOWN}b").tolist() == [1, 2]


def test_a_character_twice_is_refused() -> None:
    """A vocabulary in which a character has two ids cannot be made."""
    with pytest.raises(ValueError, match="twice"):
        Vocab("aba")


def test_decode_refuses_an_id_beyond_the_vocabulary() -> None:
    """An id that stands for nothing is an error, not a character."""
    with pytest.raises(IndexError):
        Vocab("ab").text_of(np.array([2]))


def test_equality_takes_the_reserved_id_into_account() -> None:
    """Vocabularies are equal, and hash alike, when characters and reserved id are."""
    assert Vocab("ab") == Vocab("ab")
    assert hash(Vocab("ab")) == hash(Vocab("ab"))
    assert Vocab("ab") != Vocab("ba")
    assert Vocab("ab") != Vocab("ab", unknown=True)
    assert Vocab("ab") != "ab"


def test_contains_says_what_is_listed() -> None:
    """``in`` is about listed characters; the reserved id lists nothing."""
    vocab = Vocab("ab", unknown=True)
    assert "a" in vocab
    assert "c" not in vocab
    assert UNKNOWN not in vocab


def test_a_list_has_an_end_mark() -> None:
    """It is a character like others; vocabularies of a list and of a text are equal where their characters are."""
    vocab = Vocab("\nab", end="\n")
    assert (vocab.end, vocab.end_id) == ("\n", 0)
    assert (Vocab("\nab").end, Vocab("\nab").end_id) == (None, None)
    assert vocab == Vocab("\nab")
