"""The line plot in characters."""

import math

import pytest
from rich.text import Text

from chargen.cli.output.plot import MARKERS, draw
from chargen.curves import Curve, Plot


def plotted(*curves: Curve, log_y: bool = False, width: int = 21, height: int = 11) -> Text:
    """A small plot."""
    plot = Plot(title="title", x_label="x", y_label="y", curves=curves, log_y=log_y)
    return draw(plot, width=width, height=height)


def inside(text: Text) -> list[str]:
    """The rows within the axes, the top one first, without the labels on their left."""
    return [line.partition("|")[2] for line in text.plain.splitlines() if "|" in line]


def ticks(text: Text) -> list[str]:
    """The labels of the y axis, the top one first."""
    return [label for line in text.plain.splitlines() if "|" in line and (label := line.partition("|")[0].strip())]


def test_a_line_joins_its_points() -> None:
    """A straight line becomes a diagonal from corner to corner, without gaps."""
    rows = inside(plotted(Curve("line", [0, 10], [0, 10]), width=11))
    assert rows == [" " * at + "o" + " " * (10 - at) for at in reversed(range(11))]
    steep = inside(plotted(Curve("step", [0, 10], [0, 10]), width=2))
    assert all(row.strip() for row in steep)


def test_axes_are_labelled_at_round_numbers() -> None:
    """The bounds are round numbers around the values, and each tick's label stands at its place."""
    text = plotted(Curve("a", [0, 98], [1.21, 2.83]), height=9)
    assert ticks(text) == ["3", "2.5", "2", "1.5", "1"]
    lines = text.plain.splitlines()
    assert lines[-2].split() == ["0", "20", "40", "60", "80", "100"]
    assert lines[-2].index("0") == lines[-4].index("|") + 1
    assert lines[0] == "title:   o a"
    assert lines[1] == "y"
    assert lines[-1].endswith(" x")


def test_a_logarithmic_axis_has_decades() -> None:
    """Powers of ten are evenly spaced; what is not above 0 has no place on it."""
    text = plotted(Curve("a", [0, 1, 2, 3, 4], [1, 1e-2, 0, -1, 1e-4]), log_y=True, width=5, height=5)
    assert ticks(text) == ["1", "0.1", "0.01", "0.001", "0.0001"]
    assert [row.index("o") for row in inside(text)] == [0, 0, 1, 2, 4]
    assert ticks(plotted(Curve("a", [0, 1], [3, 40]), log_y=True)) == ["100", "10", "1"]


def test_curves_are_told_apart_without_colour() -> None:
    """Each label has a marker and a colour of its own, shared by curves of the same label."""
    text = plotted(Curve("a", [0, 1], [0, 0]), Curve("b", [0, 1], [5, 5]), Curve("a", [0, 1], [10, 10]))
    assert text.plain.splitlines()[0] == "title:   o a   x b"
    rows = inside(text)
    assert (set(rows[0]), set(rows[5]), set(rows[10])) == ({"o"}, {"x"}, {"o"})
    assert len({span.style for span in text.spans}) == 2


def test_curves_that_meet_take_turns() -> None:
    """Where several curves run through the same places, all of them show."""
    both = inside(plotted(Curve("a", [0, 1], [1, 1]), Curve("b", [0, 1], [1, 1]), width=6))
    assert [row for row in both if row.strip()] == ["oxoxox"]


def test_there_may_be_more_curves_than_markers() -> None:
    """Markers begin anew when they run out."""
    many = [Curve(str(at), [0], [at]) for at in range(len(MARKERS) + 1)]
    assert plotted(*many).plain.splitlines()[0].endswith(f"{MARKERS[0]} {len(MARKERS)}")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_left_out(value: float) -> None:
    """A value without a place on the axis changes nothing."""
    assert plotted(Curve("a", [0, 1, 2], [0, value, 4])).plain == plotted(Curve("a", [0, 2], [0, 4])).plain


def test_nothing_is_no_plot() -> None:
    """Without any point that can be shown there is a line that says so."""
    for text in (plotted(), plotted(Curve("a", [], [])), plotted(Curve("a", [1], [0]), log_y=True)):
        assert text.plain == "title: nothing to draw\n"


def test_constant_curves_have_axes_too() -> None:
    """A single point, a level line and values around 0 are drawn."""
    for curve in (Curve("a", [5], [2.5]), Curve("a", [0, 1], [0, 0]), Curve("a", [-1, 1], [-3, -3])):
        assert any("o" in row for row in inside(plotted(curve)))


def test_a_plot_is_ascii() -> None:
    """Every terminal and every file can take it."""
    assert plotted(Curve("a", [0, 1], [0, 1])).plain.isascii()
