"""Numbers with what they count."""

import pytest

from chargen.wording import counted


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, "0 steps"), (1, "1 step"), (2, "2 steps"), (1234567, "1,234,567 steps"), (1.0, "1 step"), (0.5, "0.5 steps")],
)
def test_one_is_singular_and_all_else_plural(number: float, told: str) -> None:
    """Thousands have their commas, a whole fraction no point."""
    assert counted(number, "step") == told


def test_a_plural_may_be_another_word() -> None:
    """What one does differs from what several do."""
    assert [counted(number, "is new", "are new") for number in (1, 2)] == ["1 is new", "2 are new"]
