"""Words that messages are made of."""


def counted(number: float, one: str, several: str = "") -> str:
    """A number and what it counts, in the singular or the plural: ``1 step``, ``1,200 steps``, ``0.5 minutes``.

    Args:
        number: How many.
        one: What there is one of, or what one does.
        several: The same of several; without it an s is added.
    """
    shown = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{shown} {one if number == 1 else several or one + 's'}"
