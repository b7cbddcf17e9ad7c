"""JSON read as what it must be."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from chargen.schema import Whole, beside, document, parse, record


@dataclass(frozen=True)
class Thing:
    name: str
    size: int
    share: float | None
    span: tuple[int, int]


@dataclass(frozen=True)
class Box:
    things: tuple[Thing, ...]
    first: Thing | None = None
    parts: tuple[int, ...] = ()
    shut: bool = False
    shares: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, object] = beside()


THING = {"name": "a", "size": 3, "share": 0.5, "span": [1, 2]}


def test_an_object_becomes_a_dataclass() -> None:
    """Each key is a field; lists become tuples, and None stands where it may."""
    assert record(Thing, THING) == Thing("a", 3, 0.5, (1, 2))
    assert record(Thing, {**THING, "share": None}).share is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": -1}, "its Thing has the size -1"),
        ({"size": 1.0}, "size 1.0"),
        ({"size": True}, "size True"),
        ({"size": 1 << 63}, "size 9223372036854775808"),
        ({"name": None}, "name None"),
        ({"share": "x"}, "share 'x'"),
        ({"span": [2, 1]}, r"span \[2, 1\]"),
        ({"span": [1, 2, 3]}, "span"),
        ({"span": "12"}, "span"),
        ({"extra": 1}, r"lacks or adds \['extra'\]"),
    ],
)
def test_a_value_of_another_kind_is_named(change: dict[str, object], words: str) -> None:
    """The message has the key and the value."""
    with pytest.raises(ValueError, match=words):
        record(Thing, {**THING, **change})


def test_a_key_may_be_missing_where_its_field_has_a_default() -> None:
    """So files written before a field was added are still read; what has no default is needed."""
    assert record(Box, {"things": []}) == Box(())
    with pytest.raises(ValueError, match=r"its Box lacks or adds \['things'\]"):
        record(Box, {"parts": []})


def test_records_and_tuples_of_any_length_lie_within_records() -> None:
    """They are read as deep as they go, and the innermost record names what is wrong."""
    thing = Thing("a", 3, 0.5, (1, 2))
    values = {"things": [THING, THING], "first": THING, "parts": [1, 2, 3], "shut": True, "shares": {"a": 0.5}}
    assert record(Box, values) == Box((thing, thing), thing, (1, 2, 3), shut=True, shares={"a": 0.5})
    for change, words in (
        ({"parts": [1, -2]}, r"its Box has the parts \[1, -2\]"),
        ({"parts": 3}, "its Box has the parts 3"),
        ({"shut": 1}, "its Box has the shut 1"),
        ({"first": 5}, "its first is no JSON object"),
        ({"things": [{**THING, "size": "x"}]}, "its things has the size 'x'"),
        ({"shares": {"a": "b"}}, "its Box has the shares"),
        ({"shares": []}, "its Box has the shares"),
        ({"shares": 5}, "its Box has the shares 5"),
    ):
        with pytest.raises(ValueError, match=words):
            record(Box, {**values, **change})


@pytest.mark.parametrize("values", [None, [], "x", 3, [["name", "a"]]])
def test_what_is_no_object_is_refused(values: object) -> None:
    """A list, a string, a number or nothing is no object."""
    with pytest.raises(ValueError, match="its thing is no JSON object"):
        record(Thing, values, "thing")


NOTHING = Whole(0)


@dataclass(frozen=True)
class Values:
    """One field of each kind."""

    count: int = 0
    whole: Whole = NOTHING
    number: float = 0.0
    flag: bool = False
    text: str = ""
    span: tuple[int, int] = (0, 0)


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("count", [0, 5], [-1, 2.0, True, "1", None, 1 << 63]),
        ("whole", [0, 1 << 100], [-1, 2.0, True]),
        ("number", [0, -2.5], [float("nan"), float("inf"), 10**400, False, "1"]),
        ("flag", [True], [0, None]),
        ("text", [""], [b"", None]),
        ("span", [[1, 1], (0, 3)], [{1: 2}, [0.0, 1], [2, 1], [1], [0, 1, 2]]),
    ],
)
def test_kinds(kind: str, right: list[object], wrong: list[object]) -> None:
    """Each kind takes its own and nothing that only looks like it."""
    for value in right:
        assert getattr(record(Values, {kind: value}), kind) == (tuple(value) if isinstance(value, list) else value)
    for value in wrong:
        with pytest.raises(ValueError, match=f"its Values has the {kind}"):
            record(Values, {kind: value})


def test_what_is_kept_as_json_is_read_again() -> None:
    """A record becomes its document and back, but for what lies beside the document."""
    box = Box((Thing("a", 3, None, (1, 2)),), None, (4,), shut=True)
    assert record(Box, parse(json.dumps(document(box)))) == box
    with pytest.raises(ValueError, match=r"its Box lacks or adds \['arrays'\]"):
        record(Box, {**document(box), "arrays": {}})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "the key 'c' twice"),
        ('{"a": NaN}', "holds NaN"),
        ("[-Infinity]", "holds -Infinity"),
        ("[" * 300_000, "too many values"),
        ("{}, {}", "Extra data"),
    ],
)
def test_json_that_says_two_things_or_nothing_is_refused(text: str, words: str) -> None:
    """A key that stands twice, a number that is none, or more than memory should hold."""
    with pytest.raises(ValueError, match=words):
        parse(text)
